"""`score`: the scores of responses on file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from selflengthen.cli.options.parser import Parser, file_path
from selflengthen.cli.output.format import visible
from selflengthen.cli.output.tables import print_table

_ABOUT = """\
Score responses on file, a JSON object a line: their length by a benchmark's own formulas and word
counter, or their quality as far as it can be counted without a judge. Nothing is generated.

fields of a line (other fields are not read):
  longen           response, and constraint or else query; type, language, range if they are there
  longbench-write  response, and length or else prompt; type if it is there
  lifebench        response, and length_constraint with control_method or else prompt or task; lang
                   and raw_data if they are there
  quality          response; finish_reason if it is there

Where the first of two fields is missing, the length is read from the instruction's text. Scores:
LonGen 0 to 1, LongBench-Write S_L 0 to 100, LIFEBench LD as a fraction and LS 0 to 100."""
NAMES = ("longen", "longbench-write", "lifebench", "quality")


def main(words: Sequence[str]) -> int:
    """Print the scores of the responses in a file."""
    parser = Parser("score", _ABOUT)
    parser.add_argument("benchmark", choices=NAMES, metavar="BENCHMARK", help=", ".join(NAMES))
    parser.add_argument("file", type=file_path, metavar="FILE", help="JSONL with the responses")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse(words)

    from selflengthen.evaluate.length import BENCHMARKS, score
    from selflengthen.evaluate.quality import read_quality
    from selflengthen.evaluate.responses import read_rows

    rows = read_rows(asked.file)
    if asked.benchmark == "quality":
        figures = read_quality(rows)
    else:
        figures = score(BENCHMARKS[asked.benchmark], rows)
    if asked.json:
        head = {"benchmark": asked.benchmark, "file": str(asked.file)}
        print(json.dumps(head | figures, indent=1, ensure_ascii=False))
    else:
        _print(asked.benchmark, asked.file, figures)
    return 0


def _print(benchmark: str, file: Path, figures: dict[str, Any]) -> None:
    spread = figures["words"]
    dropped = f"{figures['dropped']:,} left out, " if figures.get("dropped") else ""
    print(
        f"{visible(str(file))}: {figures['responses']:,} responses, {figures['empty']:,} empty, "
        f"{dropped}{spread['mean']:,.0f} words (median {spread['median']:,.0f})"
    )
    if "counter" in figures:
        print(f"counted: {figures['counter']}")
    print_table(_rows(benchmark, figures))


def _rows(benchmark: str, figures: dict[str, Any]) -> Iterator[list[str]]:
    """Yield the table's head, then its rows."""
    if benchmark == "quality":
        yield from _quality_rows(figures)
        return
    columns = {
        "longen": ("overall", "about", "range", "above", "below"),
        "longbench-write": ("s_l", "responses"),
        "lifebench": ("ls", "ld", "abs_ld", "responses"),
    }[benchmark]
    digits = {"s_l": 1, "ls": 1}
    yield ["", *columns]
    for name, row in [("all", figures), *_groups(figures)]:
        yield [name, *(_figure(row[column], digits.get(column, 3)) for column in columns)]


def _groups(figures: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in figures:
        if name.startswith("by_"):
            yield from figures[name].items()


def _quality_rows(figures: dict[str, Any]) -> Iterator[list[str]]:
    columns = ("distinct_2", "distinct_3", "rep_4", "gzip_ratio", "mtld", "first_repeat")
    yield ["", *columns, "repeats", "truncated", "ends"]
    shares = [_figure(figures[name], 3) for name in ("repeats", "truncated", "ends")]
    yield ["all", *(_figure(figures.get(column), 3) for column in columns), *shares]
    for row in figures["by_decile"]:
        figures_of_it = (_figure(row[column], 3) for column in columns)
        yield [f"decile {row['decile']}", *figures_of_it, "", "", ""]


def _figure(value: float | None, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"
