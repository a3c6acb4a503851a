"""`score`: scores responses in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selflengthen.cli.options.parser import Parser, file_path
from selflengthen.cli.output.format import visible
from selflengthen.cli.output.tables import print_table

if TYPE_CHECKING:
    from selflengthen.evaluate.figures import QualityFigures

_ABOUT = """\
Score the responses in a JSONL file: their length with a benchmark's own formula and word counter,
or their quality as far as it can be measured without a judge. Nothing is generated.

fields of a line (others are ignored):
  longen           response, and constraint or else query; optional: type, language, range
  longbench-write  response, and length or else prompt; optional: type
  lifebench        response, and length_constraint with control_method or else prompt or task;
                   optional: lang, raw_data
  quality          response; optional: finish_reason

If the first of two fields is missing, the length is read from the instruction's text. Scores:
LonGen 0 to 1, LongBench-Write S_L 0 to 100, LIFEBench LD as a fraction and LS 0 to 100."""
NAMES = ("longen", "longbench-write", "lifebench", "quality")
_COLUMNS = {
    "longen": ("overall", "about", "range", "above", "below"),
    "longbench-write": ("s_l", "responses"),
    "lifebench": ("ls", "ld", "abs_ld", "responses"),
}
_DIGITS = {"s_l": 1, "ls": 1}  # decimals; other scores have three
_VARIETY = ("distinct_2", "distinct_3", "rep_4", "gzip_ratio", "mtld")


def main(words: Sequence[str]) -> int:
    """Print the scores of the responses in a file."""
    parser = Parser("score", _ABOUT)
    parser.add_argument("benchmark", choices=NAMES, metavar="BENCHMARK", help=", ".join(NAMES))
    parser.add_argument("file", type=file_path, metavar="FILE", help="JSONL with the responses")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse(words)

    import msgspec

    from selflengthen.evaluate.length import BENCHMARKS, score
    from selflengthen.evaluate.quality import read_quality
    from selflengthen.evaluate.responses import read_rows

    rows = read_rows(args.file)
    if args.benchmark == "quality":
        quality = read_quality(rows)
        figures: dict[str, Any] = msgspec.to_builtins(quality)
        table = list(_quality_table(quality))
    else:
        figures = score(BENCHMARKS[args.benchmark], rows).as_json()
        table = list(_length_table(args.benchmark, figures))
    if args.json:
        head = {"benchmark": args.benchmark, "file": str(args.file)}
        print(json.dumps(head | figures, indent=1, ensure_ascii=False))
    else:
        _print_summary(args.file, figures)
        print_table(table)
    return 0


def _print_summary(file: Path, figures: Mapping[str, Any]) -> None:
    words = figures["words"]
    dropped = f"{figures['dropped']:,} left out, " if figures.get("dropped") else ""
    print(
        f"{visible(str(file))}: {figures['responses']:,} responses, {figures['empty']:,} empty, "
        f"{dropped}{words['mean']:,.0f} words (median {words['median']:,.0f})"
    )
    if "counter" in figures:
        print(f"counted: {figures['counter']}")


def _length_table(benchmark: str, figures: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield a head, a row for all responses, and a row for each group."""
    columns = _COLUMNS[benchmark]
    yield ["", *columns]
    rows = [("all", figures)]
    for name, groups in figures.items():
        if name.startswith("by_"):
            rows += groups.items()
    for name, row in rows:
        yield [name, *(_figure(row[column], _DIGITS.get(column, 3)) for column in columns)]


def _quality_table(figures: QualityFigures) -> Iterator[list[str]]:
    """Yield a head, a row for all responses, and a row for each decile."""
    yield ["", *_VARIETY, "first_repeat", "repeats", "truncated", "ends"]
    variety = [_figure(getattr(figures, name)) for name in _VARIETY]
    shares = [_figure(share) for share in (figures.repeats, figures.truncated, figures.ends)]
    yield ["all", *variety, "-", *shares]
    for decile in figures.by_decile:
        variety = [_figure(getattr(decile, name)) for name in _VARIETY]
        yield [f"decile {decile.decile}", *variety, _figure(decile.first_repeat), "", "", ""]


def _figure(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"
