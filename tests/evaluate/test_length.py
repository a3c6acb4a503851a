"""Scores of whole benchmark files agree with the formulas, written here a second time."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selflengthen.evaluate.length import BENCHMARKS, score
from selflengthen.evaluate.responses import ResponseRow, read_rows
from selflengthen.length import scores
from selflengthen.length.requirement import LengthRequirement
from tests.evaluate.data import lifebench, longbench_write, longen
from tests.length.test_counters import lifebench as lifebench_count
from tests.length.test_counters import longbench
from tests.length.test_counters import longen as longen_count

Rows = list[dict[str, Any]]
FORMS: tuple[Callable[[random.Random, int], str], ...] = (
    lambda rng, n: "",
    lambda rng, n: " ".join(rng.choices(["sea", "it's", "1,000", "rock.", "GPT4", "—"], k=n)),
    lambda rng, n: "".join(rng.choices("天地玄黄，宇宙洪荒。", k=n)),
    lambda rng, n: "".join(rng.choices(["天", "。", " sea ", "GPU", "\n\n", "é ", "𠀀"], k=n)),
)


def answered(rows: Rows, name: str, seed: int) -> Rows:
    """Give each row a response, in most cases with a length near the required one."""
    rng = random.Random(seed)
    answers = []
    for row in rows:
        required = max(int(n) for n in re.findall(r"\d+", str(row[name])))
        length = int(required * rng.choice([0, 0.2, 0.4, 0.6, 0.8, 0.9, 1, 1.1, 1.3, 1.6, 3, 4.5]))
        answers.append(row | {"response": rng.choice(FORMS)(rng, length)})
    return answers


def scored(name: str, rows: Rows) -> dict[str, Any]:
    figures = score(BENCHMARKS[name], [ResponseRow(f"row {i}", row) for i, row in enumerate(rows)])
    return figures.as_json()


def mean(values: Iterable[Fraction | float]) -> float:
    listed = list(values)
    return float(sum(listed) / len(listed))


def longen_score(row: dict[str, Any]) -> Fraction:
    """Compute LonGen's score in fractions, from the fields alone."""
    numbers = [Fraction(number) for number in re.findall(r"\d+", row["constraint"])]
    t, end = numbers[0], numbers[-1]
    a, b = {
        "about": (t * 4 / 5, t * 6 / 5),
        "range": (t, end),
        "above": (t, t * 3 / 2),
        "below": (t / 2, t),
    }[row["type"]]
    words = longen_count(row["response"])
    if a <= words <= b:
        return Fraction(1)
    return max(Fraction(0), words * 2 / a - 1 if words < a else 3 - words * 2 / b)


@pytest.mark.parametrize("seed", range(3))
def test_longen(seed: int) -> None:
    rows = answered(longen(), "constraint", seed)
    figures = scored("longen", rows)
    assert figures["overall"] == pytest.approx(mean(map(longen_score, rows)), abs=1e-9)
    for kind in ("about", "range", "above", "below"):
        some = [row for row in rows if row["type"] == kind]
        assert figures[kind] == pytest.approx(mean(map(longen_score, some)), abs=1e-9)
        for language in ("en", "zh"):
            few = [row for row in some if row["language"] == language]
            expected = pytest.approx(mean(map(longen_score, few)), abs=1e-9)
            assert figures["by_language"][language][kind] == expected
    for band in ("2-4k", "4-6k", "6-8k"):
        some = [row for row in rows if row["range"] == band]
        expected = pytest.approx(mean(map(longen_score, some)), abs=1e-9)
        assert figures["by_band"][band]["overall"] == expected
    assert figures["empty"] == sum(row["response"] == "" for row in rows) > 0


def s_l(row: dict[str, Any]) -> Fraction:
    x, y = Fraction(row["length"]), Fraction(longbench(row["response"]))
    if y == 0:
        return Fraction(0)
    return 100 * max(Fraction(0), 1 - (y / x - 1) / 3 if y > x else 1 - (x / y - 1) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_longbench_write(seed: int) -> None:
    rows = answered(longbench_write(), "length", seed)
    figures = scored("longbench-write", rows)
    assert figures["s_l"] == pytest.approx(mean(map(s_l, rows)), abs=1e-9)
    for kind in {row["type"] for row in rows}:
        some = [row for row in rows if row["type"] == kind]
        expected = {"responses": len(some), "s_l": pytest.approx(mean(map(s_l, some)), abs=1e-9)}
        assert figures["by_type"][kind] == expected


def lifebench_score(row: dict[str, Any]) -> float:
    need, have = row["length_constraint"], lifebench_count(row["response"])
    if row["control_method"] == "at most" and have < need:
        return 100
    if row["control_method"] == "at least" and have > need:
        return 100
    rate = 5 if have < need else -2
    return 100 * math.pow(math.e, rate * float(Fraction(have - need, need)))


def ld(row: dict[str, Any]) -> Fraction:
    return Fraction(lifebench_count(row["response"]), row["length_constraint"]) - 1


def over_cells(rows: Rows, value: Callable[[dict[str, Any]], Fraction | float]) -> float:
    """Average over controls and lengths the means of each, without answers of one word."""
    cells: dict[tuple[str, int], list[Fraction | float]] = {}
    for row in rows:
        if lifebench_count(row["response"]) > 1:
            cell = row["control_method"], row["length_constraint"]
            cells.setdefault(cell, []).append(value(row))
    return mean([mean(cell) for cell in cells.values()])


@pytest.mark.parametrize("seed", range(3))
def test_lifebench(seed: int) -> None:
    rows = [row for n in range(5) for row in answered(lifebench(), "length_constraint", seed + n)]
    figures = scored("lifebench", rows)
    assert figures["dropped"] == sum(lifebench_count(row["response"]) < 2 for row in rows) > 0
    assert figures["ls"] == pytest.approx(over_cells(rows, lifebench_score), abs=1e-9)
    for control in ("equal to", "at most", "at least"):
        some = [row for row in rows if row["control_method"] == control]
        means = figures["by_constraint"][control]
        assert means["ls"] == pytest.approx(over_cells(some, lifebench_score), abs=1e-9)
        assert means["ld"] == pytest.approx(over_cells(some, ld), abs=1e-9)
        assert means["abs_ld"] == pytest.approx(over_cells(some, lambda r: abs(ld(r))), abs=1e-9)
    lengths = sorted({row["length_constraint"] for row in rows})
    assert list(figures["by_length"]) == [str(length) for length in lengths]


def test_lifebench_drops_answers_of_one_word_and_averages_by_length() -> None:
    def row(length: int, words: int) -> dict[str, Any]:
        fields = {"control_method": "equal to", "length_constraint": length}
        return {**fields, "response": "well-being " * words}

    rows = [row(16, 16), row(16, 16), row(16, 16), row(32, 64), row(64, 1), row(64, 0)]
    figures = scored("lifebench", rows)
    assert (figures["responses"], figures["dropped"], figures["empty"]) == (6, 2, 1)
    assert figures["ls"] == pytest.approx((100 + 100 * math.exp(-2)) / 2)
    assert (figures["ld"], figures["abs_ld"]) == (0.5, 0.5)
    assert figures["by_length"]["64"] == {"responses": 0, "ld": None, "abs_ld": None, "ls": None}
    nothing = scored("lifebench", [row(64, 1)])
    assert (nothing["dropped"], nothing["ls"], nothing["by_language"]) == (1, None, {})


def test_without_a_field_the_length_is_read_from_the_text() -> None:
    rows: Rows = [
        {"query": "Write 1,000 words.", "response": "a " * 900},
        {"query": "写一篇不少于2千字的散文。", "response": "天" * 1500},
        {"query": "Write two to three thousand words.", "response": "a " * 6000},
        {"query": "Keep it under 5k words.", "response": ""},
    ]
    figures = scored("longen", rows)
    assert (figures["about"], figures["above"], figures["range"], figures["below"]) == (
        1,
        0.5,
        0,
        0,
    )
    assert list(figures["by_language"]) == ["en", "zh"]
    assert list(figures["by_band"]) == ["(none)"]
    figures = scored("longbench-write", [{"prompt": "写八百字", "response": "天" * 800}])
    assert (figures["s_l"], figures["by_type"]["(none)"]["responses"]) == (100, 1)
    figures = scored("lifebench", [{"prompt": "Use at most 50 words.", "response": "a " * 49}])
    assert figures["by_constraint"]["at most"]["ls"] == 100
    empty = {"responses": 0, "ld": None, "abs_ld": None, "ls": None}
    assert figures["by_constraint"]["at least"] == empty


@given(st.integers(1, 10**5), st.integers(0, 10**6))
def test_longen_falls_on_both_sides(t: int, words: int) -> None:
    for requirement in (
        LengthRequirement("about", t, t),
        LengthRequirement("above", t, None),
        LengthRequirement("below", None, t),
    ):
        value = scores.longen(words, requirement)
        low, high = scores.longen_bounds(requirement)
        assert 0 <= value <= 1
        assert (value == 1) == (low <= words <= high)
        nearer = words + 1 if words < low else max(words - 1, 0)
        if not low <= words <= high:
            assert scores.longen(nearer, requirement) >= value


@given(st.integers(1, 10**5), st.integers(0, 10**6), st.sampled_from(["equal to", "at most"]))
def test_scores_stay_in_their_bounds(x: int, y: int, control: str) -> None:
    assert 0 <= scores.s_l(x, y) <= scores.s_l(x, x) == 100
    assert 0 <= scores.ls(x, y, control) <= scores.ls(x, x, control) == 100
    assert scores.ls(x, y, "at most") + scores.ls(x, y, "at least") == pytest.approx(
        100 + scores.ls(x, y, "equal to")
    )
    assert scores.ld(x, y) >= -1


def test_s_l_has_the_values_of_the_paper() -> None:
    assert scores.s_l(1000, 1600) == pytest.approx(80)
    assert scores.s_l(1000, 4000) == 0
    assert scores.s_l(1400, 1000) == pytest.approx(80)
    assert scores.s_l(3000, 1000) == 0


def test_rows_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    rows = answered(longen(), "constraint", 7)
    lines = [orjson.dumps(row) for row in rows]
    file.write_bytes(b"\xef\xbb\xbf" + b"\r\n\n".join(lines))
    assert score(BENCHMARKS["longen"], read_rows(file)).as_json() == scored("longen", rows)
