"""The common form of a benchmark's result, and how a benchmark's module is run.

Each `bench_NAME.py` can be run as `python -m benchmarks.bench_NAME`. It prints its table, or with
`--json FILE` writes its result to a file instead.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec


@dataclass(frozen=True)
class Figure:
    """One measured value; `target` is for people, and `met` is None if there is no target."""

    label: str
    value: float
    unit: str = ""
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Result:
    """A benchmark's figures; `notes` say what was skipped and why, one line each."""

    name: str
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()


def at_least(label: str, value: float, unit: str, target: float) -> Figure:
    """Return a figure that should reach `target`."""
    return Figure(label, value, unit, f"≥ {target:g}", value >= target)


def at_most(label: str, value: float, unit: str, target: float) -> Figure:
    """Return a figure that should not exceed `target`."""
    return Figure(label, value, unit, f"≤ {target:g}", value <= target)


def failed(results: Iterable[Result]) -> bool:
    """Say whether any figure misses its target."""
    return any(figure.met is False for result in results for figure in result.figures)


def show(results: Iterable[Result]) -> None:
    """Print one table of all figures, with the notes below."""
    from rich.console import Console
    from rich.table import Table

    table = Table("benchmark", "figure", "value", "unit", "target", "met", box=None)
    table.columns[2].justify = "right"
    notes = []
    for result in results:
        for place, figure in enumerate(result.figures):
            met = {None: "", True: "yes", False: "[bold red]no[/]"}[figure.met]
            value = f"{figure.value:,.3g}" if abs(figure.value) < 100 else f"{figure.value:,.0f}"
            name = "" if place else result.name
            table.add_row(name, figure.label, value, figure.unit, figure.target, met)
        notes += [f"{result.name}: {note}" for note in result.notes]
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    if table.row_count:
        console.print(table)
    for note in notes:
        console.print(note, markup=False)


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table of a head and rows."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(parser: argparse.ArgumentParser, measure: Callable[[argparse.Namespace], Result]) -> int:
    """Parse, measure, and print or write the result; return 1 if a target is missed."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file")
    args = parser.parse_args()
    result = measure(args)
    if args.json:
        args.json.write_bytes(msgspec.json.encode(dataclasses.asdict(result)))
    else:
        show([result])
    return int(failed([result]))
