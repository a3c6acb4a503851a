"""The pocket benchmark: what the function writes, of LonGen's form, apart from seeds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from selflengthen.inputs import models, seeds
from selflengthen.length.requirement import read_requirement
from selflengthen.pocket import benchmark

SHIPPED = models.POCKET.parent / "benchmark.jsonl"


def test_it_is_what_the_function_writes(tmp_path: Path) -> None:
    benchmark.write(tmp_path)
    assert SHIPPED.read_bytes() == (tmp_path / "benchmark.jsonl").read_bytes()


def test_kinds_and_bands_are_even_and_lengths_spread() -> None:
    rows = [json.loads(line) for line in SHIPPED.read_text().splitlines()]
    assert len(rows) == 48
    assert set(Counter(row["type"] for row in rows).values()) == {12}
    assert set(Counter(row["range"] for row in rows).values()) == {16}
    numbers = []
    for row in rows:
        requirement = read_requirement(row["query"])
        assert requirement == read_requirement(row["constraint"])
        assert requirement is not None and requirement.kind == row["type"]
        named = [n for n in (requirement.low, requirement.high) if n is not None]
        low, high = map(int, row["range"].split("-"))
        assert any(low <= n <= high for n in named), row
        assert all(50 <= n <= 400 for n in named), row
        numbers += named
    assert (min(numbers), max(numbers)) == (50, 400)


def test_no_request_is_a_seed_or_held_out() -> None:
    others = {s.instruction for name in ("pocket", "held-out-pocket") for s in seeds.load(name)}
    rows = [json.loads(line) for line in SHIPPED.read_text().splitlines()]
    asked = {row["query"].rpartition(" Use ")[0] for row in rows}
    assert len(asked) == len(rows)
    assert not {a.removesuffix(".") for a in asked} & {o.removesuffix(".") for o in others}
