"""Lengths are read from a table of phrasings: the ways people ask for a length, or do not.

`length_phrasings.jsonl` has the fields text, language, kind (`none` if the text asks for no
length), low, high and unit. Each batch was written before the code was changed to read it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from selflengthen.length.requirement import LengthRequirement, read_requirement

TABLE = Path(__file__).with_name("length_phrasings.jsonl")
LEAST = 0.98
# Known to be misread.
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
    requirement = read_requirement(row["text"])
    if requirement is None:
        return row["kind"] == "none"
    expected = LengthRequirement(row["kind"], row["low"], row["high"], row["unit"])
    return requirement == expected


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
