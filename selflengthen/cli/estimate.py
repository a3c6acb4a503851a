"""`estimate`: tokens, hours, memory and disk space of a run, before you touch a GPU."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.cli.output.format import counted


def main(words: Sequence[str]) -> int:
    """Print what a run takes, and what each figure is based on."""
    args = _parser().parse(words)

    from selflengthen.cli.options.settings import resolve
    from selflengthen.cli.preflight import fit_lengths, print_lengths, source_instructions
    from selflengthen.inputs import models
    from selflengthen.planning.estimate import estimate
    from selflengthen.planning.units import size
    from selflengthen.storage.run_dir import RunFolder

    settings = resolve(args.source, args.fields, args.run_dir, resumes=True)
    model = models.find(settings.config.model)
    run = RunFolder(settings.folder) if settings.folder.is_dir() else None
    config = fit_lengths(settings, model)
    source = source_instructions(config, RunFolder(settings.folder))
    result = estimate(config, model, run, source=len(source))
    print_lengths(settings, config, model)
    if args.json:
        print(json.dumps(dataclasses.asdict(result), indent=1))
        return 0
    rounds = counted(config.iterations, "round")
    print(f"{settings.name}, {rounds} of {config.model}")
    for name, figure in vars(result).items():
        amount = size(figure.value) if figure.unit == "bytes" else _amount(figure.value)
        unit = "" if figure.unit == "bytes" else f" {figure.unit}"
        print(f"  {name.replace('_', ' '):<17} {amount + unit:>20}   {figure.assumes}")
    return 0


def _parser() -> Parser:
    parser = Parser(
        "estimate",
        "Estimate the tokens, hours, memory and disk space that a run takes. If the run exists,\n"
        "use its own lengths and speeds.",
        config=True,
    )
    parser.add_argument(
        "source",
        nargs="?",
        metavar="CONFIG",
        type=file_name,
        help="a YAML file, or a preset: paper, pocket",
    )
    parser.add_argument(
        "--run-dir",
        metavar="DIR",
        type=file_name,
        help="the run to measure; default: runs/ and the name of CONFIG",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
