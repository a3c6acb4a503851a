"""`estimate`: tokens, hours, memory and disk, before a GPU is touched."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from selflengthen.cli.options.parser import Parser, file_name


def main(words: Sequence[str]) -> int:
    """Print what a run of a configuration takes, and what each figure rests on."""
    parser = Parser(
        "estimate",
        "Reckon what a run takes. Where a run of it exists, its own lengths and speeds are used.",
        config=True,
    )
    parser.add_argument(
        "source", nargs="?", metavar="CONFIG", type=file_name, help="a YAML file, or paper, pocket"
    )
    parser.add_argument(
        "--run-dir",
        metavar="DIR",
        type=file_name,
        help="the run to learn from; by default runs/ and the config's name",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse(words)

    from selflengthen.cli.options.settings import resolve
    from selflengthen.cli.preflight import fit_lengths
    from selflengthen.inputs import models
    from selflengthen.planning import estimate as room
    from selflengthen.planning.units import size
    from selflengthen.storage.run_dir import RunFolder

    settings = resolve(asked.source, asked.fields, asked.run_dir, goes_on=True)
    model = models.find(settings.config.model)
    run = RunFolder(settings.folder) if settings.folder.is_dir() else None
    config = fit_lengths(settings, model)
    result = room.estimate(config, model, run)
    if asked.json:
        print(json.dumps(dataclasses.asdict(result), indent=1))
        return 0
    print(f"{settings.name}, {config.iterations} rounds of {config.model}")
    for name, figure in vars(result).items():
        amount = size(figure.value) if figure.unit == "bytes" else _amount(figure.value)
        unit = "" if figure.unit == "bytes" else f" {figure.unit}"
        print(f"  {name.replace('_', ' '):<17} {amount + unit:>20}   {figure.assumes}")
    return 0


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
