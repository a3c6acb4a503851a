"""Lengths are read from hand-written phrases and from the benchmarks' own instructions."""

from __future__ import annotations

import re
import time
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selflengthen.length.mentions import Kind
from selflengthen.length.requirement import LengthRequirement, read_requirement
from tests.evaluate.data import longbench_write, longen
from tests.length.phrases import PHRASES


def expected(answer: str) -> LengthRequirement | None:
    if not answer:
        return None
    name, *numbers = answer.removesuffix(" c").split()
    kind: Kind = next(kind for kind in get_args(Kind) if kind == name)
    values = [int(number) for number in numbers]
    low = None if kind == "below" else values[0]
    high = None if kind == "above" else values[-1]
    return LengthRequirement(kind, low, high, "characters" if answer.endswith(" c") else "words")


@pytest.mark.parametrize("text", PHRASES)
def test_phrases(text: str) -> None:
    assert read_requirement(text) == expected(PHRASES[text])


def test_the_table_is_large_enough() -> None:
    chinese = [text for text in PHRASES if re.search("[一-鿿]", text)]
    assert len(chinese) >= 60 and len(PHRASES) - len(chinese) >= 80


def truth(row: dict[str, Any]) -> LengthRequirement:
    """Parse `around 2000 words`, `2000字至3000字` and the like without the code under test."""
    numbers = [int(number) for number in re.findall(r"\d+", row["constraint"])]
    return LengthRequirement(
        row["type"],
        None if row["type"] == "below" else numbers[0],
        None if row["type"] == "above" else numbers[-1],
        "words" if row["language"] == "en" else "characters",
    )


def names_a_length(text: str) -> bool:
    """Say whether a number of three digits or more, or a spelled one, stands near a unit."""
    number = r"\d[\d,]{2,}|\d\s?k\b|[一二两三四五六七八九]千|thousand|hundred|[百千万]"
    return (
        re.search(rf"(?i)(?:{number})[^。\n]{{0,12}}?(?:words?\b|字|词)|字数\D*\d", text)
        is not None
    )


def test_longens_instructions_are_read() -> None:
    rows = longen()
    wrong = [
        (row["constraint"], read_requirement(row["query"]))
        for row in rows
        if read_requirement(row["query"]) != (truth(row) if names_a_length(row["query"]) else None)
    ]
    assert len(wrong) <= 0.03 * len(rows), wrong


def test_longbench_writes_instructions_are_read() -> None:
    wrong = []
    for row in longbench_write():
        read = read_requirement(row["prompt"])
        # The benchmark's field has the upper end of a range.
        named = read and (read.low if read.kind == "above" else read.high)
        if named != (row["length"] if names_a_length(row["prompt"]) else None):
            wrong.append((row["length"], read, row["prompt"][:80]))
    assert len(wrong) <= 0.07 * len(longbench_write()), wrong


def test_the_constraints_themselves_are_read() -> None:
    assert [row for row in longen() if read_requirement(row["constraint"]) != truth(row)] == []


@given(st.integers(100, 99_999), st.sampled_from(["{}", "{:,}"]), st.sampled_from("en zh".split()))
def test_any_number_is_read_back(value: int, form: str, language: str) -> None:
    number = form.format(value)
    en, zh = f"Write a story of at least {number} words.", f"写一篇不少于{number}字的故事。"
    unit = "words" if language == "en" else "characters"
    assert read_requirement(en if language == "en" else zh) == LengthRequirement(
        "above", value, None, unit
    )


@given(st.text("1ab,-. \n字词约每个千to至wordsu`《》(（", max_size=200) | st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    requirement = read_requirement(text)
    if requirement is not None:
        low, high = requirement.low, requirement.high
        assert requirement.kind in get_args(Kind) and (low or high)
        assert low is None or high is None or 0 < low <= high


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 10**6))
def test_satisfied(one: int, other: int, words: int) -> None:
    low, high = sorted((one, other))
    assert LengthRequirement("above", low, None).satisfied(words) == (words >= low)
    assert LengthRequirement("below", None, high).satisfied(words) == (0 < words <= high)
    assert LengthRequirement("range", low, high).satisfied(words) == (low <= words <= high)
    assert LengthRequirement("about", low, low).satisfied(words) == (
        4 * low <= 5 * words <= 6 * low
    )


def test_a_text_of_any_length_is_read_quickly() -> None:
    """An instruction may contain a whole book, and no pattern may backtrack without end."""
    long = ["2000 words " * 100_000, "a 5 " * 50_000 + "words", "字" * 200_000, "一" * 9000 + "字"]
    long += [
        f"Write 900 words.\n{'x y. ' * 10**6}",
        "1," * 5000 + "1 words",
        "each " * 2000 + "5 words",
    ]
    long += [
        "《" * 9000 + "5字",
        "write " * 1500 + "the summary: 50 words",
        "not " * 2400 + "5 words",
    ]
    began = time.process_time()
    read = [read_requirement(text) for text in long]
    assert time.process_time() - began < 10
    assert read[4] == LengthRequirement("about", 900, 900)
