"""The reader of lengths against a table of phrasings: the ways people ask for a length, or do not.

`length_phrasings.jsonl`: text, language, kind (`none` where no length is asked for), low, high and
unit. It was written in several goes, each before the reader was mended for it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from selflengthen.length.requirement import read_demand

TABLE = Path(__file__).with_name("length_phrasings.jsonl")
LEAST = 0.98
# Misread, and known to be.
KNOWN = {
    "300w on the water cycle",
    "Chapter 3 (4,000 words) is the weakest part of my manuscript. What should I do?",
    "What can you say in 100 words that you cannot say in ten?",
    "请写一个功能：超过500字的评论自动折叠。",
    "Write 600 words plus on the merits of jazz.",
    "一分钟能说多少字？有人说200字。",
    "What did Orwell say about the 500-word rule?",
}


def table() -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in TABLE.read_bytes().splitlines()]


def is_read(row: dict[str, Any]) -> bool:
    demand = read_demand(row["text"])
    if demand is None:
        return row["kind"] == "none"
    wanted = tuple(row[name] for name in ("kind", "low", "high", "unit"))
    return (demand.kind, demand.low, demand.high, demand.unit) == wanted


def test_the_phrasings_are_read() -> None:
    rows = table()
    missed = {row["text"] for row in rows if not is_read(row)}
    assert missed == KNOWN
    assert len(missed) <= (1 - LEAST) * len(rows)


def test_the_table_has_every_kind_in_both_languages() -> None:
    rows = table()
    assert len({row["text"] for row in rows}) == len(rows) >= 700
    counts = Counter((row["language"], row["kind"]) for row in rows)
    kinds = ("about", "range", "above", "below", "none")
    assert all(counts[language, kind] >= 25 for language in ("en", "zh") for kind in kinds), counts
