"""`curate`: choose the rows to train on, from any data set."""

from __future__ import annotations

import json
import os
import sys
import time
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from selflengthen.cli.parsing import Parser, nearest
from selflengthen.cli.progress import EVERY
from selflengthen.cli.words import reasons, visible
from selflengthen.errors import UserError

if TYPE_CHECKING:
    from selflengthen.curate.rows import Rows
    from selflengthen.curate.steps import Steps

COMMANDS = {
    "longest": "keep the longest responses (arXiv 2402.04833)",
    "quality": "keep the rows of the lowest loss that a rule predicts (arXiv 2307.06290)",
    "faithful": "keep the rows that ask for a length and keep it (arXiv 2410.10210)",
    "mix": "add rows of a general set, drawn by lot",
    "STEPS.yaml": "a list of these, each on what the one before it kept",
    "measure": "write the indicators of each row, and choose nothing",
    "fit": "make a rule from indicators and losses of subsets",
}
_SETS = "DATA is a JSONL or Parquet file, a folder written by save_to_disk, or a hub id."


def main(words: Sequence[str]) -> int:
    """Do what the first word says."""
    # The bars of `datasets` would stand between our lines.
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    name, rest = (words[0], words[1:]) if words else ("--help", [])
    if name in ("-h", "--help"):
        listed = "\n".join(f"  {command:<11} {about}" for command, about in COMMANDS.items())
        print(
            "usage: python -m selflengthen curate METHOD DATA --out FILE [options]\n\n"
            f"Choose the rows to train on. {_SETS}\n\nmethods:\n{listed}\n\n"
            "METHOD --help tells of one; docs/curation.md of all."
        )
        return 0
    if name == "measure":
        return _measure(rest)
    if name == "fit":
        return _fit(rest)
    from selflengthen.curate import steps

    if name in steps.METHODS:
        return _method(name, rest)
    if Path(name).suffix in (".yaml", ".yml"):
        parser = _parser("STEPS.yaml")
        asked = parser.parse(rest)
        return _choose(steps.read(Path(name)), asked)
    raise UserError(
        f"no method {name!r}{nearest(name, COMMANDS)}; there are {', '.join(COMMANDS)}."
    )


def _parser(name: str) -> Parser:
    """Return a parser with what all methods take."""
    parser = Parser(f"curate {name}", f"{COMMANDS[name][0].upper()}{COMMANDS[name][1:]}.\n{_SETS}")
    parser.add_argument("data", metavar="DATA", help="the data set")
    parser.add_argument(
        "--out",
        metavar="FILE",
        required=True,
        help="where the result goes: .jsonl, .parquet, or a folder for load_from_disk",
    )
    fields = parser.add_argument_group("fields, where they are not found by themselves")
    fields.add_argument("--prompt-field", metavar="NAME", default="", help="field of the prompt")
    fields.add_argument(
        "--response-field", metavar="NAME", default="", help="field of the response"
    )
    fields.add_argument(
        "--messages-field", metavar="NAME", default="", help="field of a list of chat turns"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _add_options(parser: Parser, kind: type[Any]) -> list[str]:
    """Add the options of a step; return their names."""
    import msgspec

    hints = typing.get_type_hints(kind, include_extras=True)
    group, names = parser.add_argument_group("options"), []
    for field in msgspec.structs.fields(kind):
        meta = next(m for m in typing.get_args(hints[field.name])[1:])
        default = "" if field.required or field.default is None else f" (default: {field.default})"
        group.add_argument(
            f"--{field.name.replace('_', '-')}", dest=field.name, required=field.required,
            metavar="N" if "int" in str(field.type) else "X", help=meta.description + default,
        )  # fmt: skip
        names.append(field.name)
    return names


class Teller:
    """Says now and then how far models have scored."""

    def __init__(self, out: TextIO) -> None:
        """Write to `out`."""
        self._out, self._told = out, time.monotonic()

    def __call__(self, name: str, done: int, total: int) -> None:
        """Print a line, if it is time."""
        if time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            print(f"{name}: {done:,}/{total:,} rows", file=self._out, flush=True)


def _method(name: str, words: Sequence[str]) -> int:
    from selflengthen.curate import steps

    parser = _parser(name)
    names = _add_options(parser, steps.METHODS[name])
    asked = parser.parse(words)
    return _choose([(name, steps.make(name, _given(asked, names), "--", strict=False))], asked)


def _given(asked: Any, names: Sequence[str]) -> dict[str, str]:
    return {name: value for name in names if (value := getattr(asked, name)) is not None}


def _opened(asked: Any) -> tuple[Rows, Any]:
    from selflengthen.curate.fields import Asked
    from selflengthen.curate.sets import open_rows

    fields = Asked(asked.prompt_field, asked.response_field, asked.messages_field)
    return open_rows(asked.data, fields), fields


def _choose(listed: Steps, asked: Any) -> int:
    """Play steps and write what came of them."""
    from selflengthen import __version__
    from selflengthen.curate import steps, write

    out = Path(asked.out)
    write.refuse_existing(out)
    rows, fields = _opened(asked)
    setting = steps.Setting(fields, Teller(sys.stderr))
    steps.check(listed, setting)
    played = steps.play(rows, listed, setting)
    kept = played[-1][2].rows
    report = {
        "data": asked.data,
        "fields": _fields(rows),
        "rows": len(rows),
        "kept": len(kept),
        "out": str(out),
        "steps": steps.report(played, listed),
        "version": __version__,
    }
    write.write_set(kept, out)
    write.write_dropped(played, out)
    write.write_report(report, out)
    print(json.dumps(report, indent=1) if asked.json else "\n".join(_told(report)))
    return 0


def _fields(rows: Rows) -> dict[str, Any]:
    found = rows.sources[0].fields  # type: ignore[attr-defined]
    if found.messages:
        return {"messages": found.messages}
    return {"prompt": ",".join(found.prompt), "response": found.response}


def _told(report: Mapping[str, Any]) -> Iterator[str]:
    """Write the report for people."""
    fields = ", ".join(f"{name}: {visible(field)}" for name, field in report["fields"].items())
    yield f"{visible(report['data'])} ({fields})"
    yield f"{'step':<10} {'rows':>12} {'kept':>12}  dropped"
    for step in report["steps"]:
        dropped = reasons(step["dropped"])
        yield f"{step['method']:<10} {step['rows']:>12,} {step['kept']:>12,}  {dropped}".rstrip()
        own = {"method", "options", "rows", "kept", "dropped"}
        for name, value in step.items():
            if name not in own and value != {}:
                yield f"  {name.replace('_', ' ')}: {_figure(value)}"
    yield f"{report['kept']:,} of {report['rows']:,} rows in {visible(report['out'])}"


def _figure(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_figure(part)}" for name, part in value.items())
    return f"{value:,}" if isinstance(value, int | float) else visible(str(value))


def _measure(words: Sequence[str]) -> int:
    from selflengthen.curate import write
    from selflengthen.curate.indicators import check, measure
    from selflengthen.curate.steps import WithModels

    parser = _parser("measure")
    parser.add_argument("--indicators", metavar="A,B", required=True, help="which, with commas")
    names = _add_options(parser, WithModels)
    asked = parser.parse(words)
    out, wanted = Path(asked.out), asked.indicators.split(",")
    write.refuse_existing(out)
    models = _with_models(_given(asked, names))
    check(wanted, models)
    rows, _ = _opened(asked)
    measured = measure(rows, wanted, models)
    heads = (
        write.row_head(rows, number, own)
        for number, own in zip(rows.numbers.tolist(), rows.ids(), strict=True)
    )
    values = (dict(zip(wanted, line, strict=True)) for line in measured.values.tolist())
    write.write_lines(out, (head | line for head, line in zip(heads, values, strict=True)))
    means = dict(zip(wanted, measured.values.mean(0).round(4).tolist(), strict=True))
    report = {"rows": len(rows), "out": str(out), "mean": means, "cut": dict(measured.cut)}
    print(json.dumps(report, indent=1) if asked.json else f"{len(rows):,} rows in {out}")
    if not asked.json:
        print(f"mean: {_figure(means)}")
    return 0


def _with_models(given: Mapping[str, str]) -> Any:
    import msgspec

    from selflengthen.curate.steps import WithModels

    try:
        return msgspec.convert(dict(given), WithModels, strict=False).models(Teller(sys.stderr))
    except msgspec.ValidationError as error:
        raise UserError(f"--batch: {error}.") from error


def _fit(words: Sequence[str]) -> int:
    parser = Parser(
        "curate fit",
        "Make a rule by least squares. TABLE is JSONL, a subset a line: `indicators`, an object\n"
        "of means, and `loss`, that of the model tuned on it.",
    )
    parser.add_argument("table", metavar="TABLE", help="the subsets")
    parser.add_argument("--out", metavar="FILE", required=True, help="where the rule goes: .yaml")
    parser.add_argument("--indicators", metavar="A,B", default="", help="which; default: all")
    parser.add_argument(
        "--target", choices=["log loss", "loss"], default="log loss", help="what it predicts"
    )
    parser.add_argument("--json", action="store_true", help="print the rule as JSON")
    asked = parser.parse(words)

    import msgspec

    from selflengthen.curate import fit, rules

    out = Path(asked.out)
    if out.exists():
        raise UserError(f"{out}: is there already; move it away, or give another --out.")
    subsets = fit.read(Path(asked.table))
    wanted = asked.indicators.split(",") if asked.indicators else ()
    rule = fit.least_squares(subsets, wanted, asked.target)
    rules.save(rule, out)
    if asked.json:
        print(json.dumps(msgspec.to_builtins(rule), indent=1))
        return 0
    assert rule.fit is not None
    print(f"{'':<20} {'weight':>12} {'std. error':>12} {'p':>10}")
    terms = {"intercept": (rule.intercept, rule.fit.intercept)}
    terms |= {name: (weight, rule.fit.weights[name]) for name, weight in rule.weights.items()}
    for name, (weight, term) in terms.items():
        said = f"{weight:>12.5g} {term.standard_error:>12.3g} {term.p_value:>10.2g}"
        print(f"{visible(name):<20} {said}")
    print(f"R² {rule.fit.r_squared:.3f} over {rule.fit.subsets} subsets; the rule is in {out}")
    return 0
