"""What the methods of `curate` share on the command line: options, data sets, reports."""

from __future__ import annotations

import json
import time
import typing
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.cli.output.format import reasons, visible
from selflengthen.cli.output.progress import EVERY

if TYPE_CHECKING:
    import msgspec

    from selflengthen.curate.io.columns import FieldNames
    from selflengthen.curate.io.report import StepReport
    from selflengthen.curate.io.rows import AppliedStep, Rows

SETS = "DATA is a JSONL or Parquet file, a folder written by save_to_disk, or a hub id."


@dataclass(frozen=True)
class CurationReport:
    """The report of a command.

    Attributes:
        data: DATA, as on the command line.
        fields: the fields that were read: `messages`, or `prompt` and `response`.
        rows: how many rows there were.
        kept: how many are in `out`.
        out: the output file or folder.
        steps: the steps in order.
        version: of this package.
    """

    data: str
    fields: Mapping[str, str]
    rows: int
    kept: int
    out: str
    steps: Sequence[StepReport]
    version: str

    def as_json(self) -> Mapping[str, Any]:
        """Return the report as it is written and printed."""
        return vars(self) | {"steps": [step.as_json() for step in self.steps]}


def parser_of(
    name: str, about: str, *, only: Sequence[str] = (), out: str = "", takes: str = "DATA"
) -> Parser:
    """Return a parser with what all methods take; `only` are fields of the configuration."""
    parser = Parser(
        f"curate {name}",
        f"{about[0].upper()}{about[1:]}.\n{SETS}",
        config=bool(only),
        takes=f"{takes} --out FILE",
        only=only,
    )
    parser.add_argument("data", metavar="DATA", type=file_name, help="the data set")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=file_name,
        required=True,
        help=out or "the output: .jsonl, .parquet, or a folder for load_from_disk",
    )
    fields = parser.add_argument_group("fields, if they are not detected")
    fields.add_argument("--prompt-field", metavar="NAME", default="", help="field of the prompt")
    fields.add_argument(
        "--response-field", metavar="NAME", default="", help="field of the response"
    )
    fields.add_argument(
        "--messages-field", metavar="NAME", default="", help="field of a list of chat turns"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def add_options(parser: Parser, kind: type[msgspec.Struct], title: str = "options") -> list[str]:
    """Add the options of a step; return their names."""
    import msgspec

    hints = typing.get_type_hints(kind, include_extras=True)
    group, names = parser.add_argument_group(title), []
    for field in msgspec.structs.fields(kind):
        meta = next(m for m in typing.get_args(hints[field.name])[1:])
        default = "" if field.required or field.default is None else f" (default: {field.default})"
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=field.name,
            required=field.required,
            metavar="N" if "int" in str(field.type) else "X",
            help=meta.description + default,
        )
        names.append(field.name)
    return names


class ProgressPrinter:
    """Prints at intervals how many rows are scored."""

    def __init__(self, out: TextIO) -> None:
        """Write to `out`."""
        self._out = out
        self._last = time.monotonic()

    def __call__(self, name: str, done: int, total: int) -> None:
        """Print a line, if the last one is long enough ago."""
        if time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            print(f"{name}: {done:,}/{total:,} rows", file=self._out, flush=True)


def options_in(args: Namespace, names: Sequence[str]) -> dict[str, str]:
    """Return the options among `names` that the command line has."""
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def open_data(args: Namespace) -> tuple[Rows, FieldNames]:
    """Open DATA; return its rows and the fields that the user named."""
    from selflengthen.curate.io.columns import FieldNames
    from selflengthen.curate.io.load import open_rows

    named = FieldNames(args.prompt_field, args.response_field, args.messages_field)
    return open_rows(args.data, named), named


def write_and_print(
    args: Namespace, rows: Rows, applied: Sequence[AppliedStep], steps: Sequence[StepReport]
) -> None:
    """Write the kept rows, the dropped ones and a report; print the report."""
    from selflengthen import __version__
    from selflengthen.curate.io import write

    chosen = applied[-1].choice.rows
    report = CurationReport(
        data=args.data,
        fields=_fields(rows),
        rows=len(rows),
        kept=len(chosen),
        out=str(Path(args.out)),
        steps=steps,
        version=__version__,
    )
    write.write_result(chosen, applied=applied, report=report.as_json(), out=Path(args.out))
    print(json.dumps(report.as_json(), indent=1) if args.json else "\n".join(_lines(report)))


def _fields(rows: Rows) -> dict[str, str]:
    fields = rows.sources[0].fields  # type: ignore[attr-defined]
    if fields.messages:
        return {"messages": fields.messages}
    return {"prompt": ",".join(fields.prompt), "response": fields.response}


def _lines(report: CurationReport) -> Iterator[str]:
    """Yield the report for people. It is no table: a step's figures follow its line."""
    fields = ", ".join(f"{name}: {visible(field)}" for name, field in report.fields.items())
    yield f"{visible(report.data)} ({fields})"
    yield f"{'step':<10} {'rows':>12} {'kept':>12}  dropped"
    for step in report.steps:
        dropped = reasons(step.dropped)
        yield f"{step.method:<10} {step.rows:>12,} {step.kept:>12,}  {dropped}".rstrip()
        for name, value in step.figures.items():
            if value != {}:
                yield f"  {name.replace('_', ' ')}: {figure(value)}"
    yield f"{report.kept:,} of {report.rows:,} rows in {visible(report.out)}"


def figure(value: Any) -> str:
    """Format a figure, or several by name, for people."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {figure(part)}" for name, part in value.items())
    return f"{value:,}" if isinstance(value, int | float) else visible(str(value))
