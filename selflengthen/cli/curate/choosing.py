"""What the methods of `curate` share at the command line: options, sets, reports."""

from __future__ import annotations

import json
import time
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.cli.output.format import reasons, visible
from selflengthen.cli.output.progress import EVERY

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Choice, Rows

SETS = "DATA is a JSONL or Parquet file, a folder written by save_to_disk, or a hub id."


def parser_of(
    name: str, about: str, *, only: Sequence[str] = (), out: str = "", takes: str = "DATA"
) -> Parser:
    """Return a parser with what all methods take; `only` are fields of the configuration."""
    parser = Parser(
        f"curate {name}", f"{about[0].upper()}{about[1:]}.\n{SETS}", config=bool(only),
        takes=f"{takes} --out FILE", only=only,
    )  # fmt: skip
    parser.add_argument("data", metavar="DATA", type=file_name, help="the data set")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=file_name,
        required=True,
        help=out or "where the result goes: .jsonl, .parquet, or a folder for load_from_disk",
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


def add_options(parser: Parser, kind: type[Any], title: str = "options") -> list[str]:
    """Add the options of a step; return their names."""
    import msgspec

    hints = typing.get_type_hints(kind, include_extras=True)
    group, names = parser.add_argument_group(title), []
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


def given(asked: Any, names: Sequence[str]) -> dict[str, str]:
    """Return the options among `names` that were given."""
    return {name: value for name in names if (value := getattr(asked, name)) is not None}


def opened(asked: Any) -> tuple[Rows, Any]:
    """Open the set that was named, with the fields that were."""
    from selflengthen.curate.io.columns import Asked
    from selflengthen.curate.io.load import open_rows

    fields = Asked(asked.prompt_field, asked.response_field, asked.messages_field)
    return open_rows(asked.data, fields), fields


def leave(
    asked: Any, rows: Rows, played: Sequence[tuple[str, Rows, Choice]],
    steps: Sequence[Mapping[str, Any]],
) -> None:  # fmt: skip
    """Write what steps kept, what they dropped and a report; print the report."""
    from selflengthen import __version__
    from selflengthen.curate.io import write

    out, kept = Path(asked.out), played[-1][2].rows
    report = {
        "data": asked.data,
        "fields": _fields(rows),
        "rows": len(rows),
        "kept": len(kept),
        "out": str(out),
        "steps": steps,
        "version": __version__,
    }
    write.write_result(kept, steps=played, report=report, out=out)
    print(json.dumps(report, indent=1) if asked.json else "\n".join(_told(report)))


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
                yield f"  {name.replace('_', ' ')}: {figure(value)}"
    yield f"{report['kept']:,} of {report['rows']:,} rows in {visible(report['out'])}"


def figure(value: Any) -> str:
    """Write a figure, or several by name, for people."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {figure(part)}" for name, part in value.items())
    return f"{value:,}" if isinstance(value, int | float) else visible(str(value))
