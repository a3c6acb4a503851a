"""Repeats that numbers, bullets and names hide: a table of texts, for and against."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selflengthen.text.checks import Checks, repeats
from selflengthen.text.near_repeats import has_any_repeat
from selflengthen.text.repeats import has_repeat

PATH = Path(__file__).parent / "cases/repeats.jsonl"
CASES = [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["text"][:40])
def test_a_text_is_rejected_or_passes(case: dict[str, object]) -> None:
    text = str(case["text"])
    assert repeats(text) == ("repeats" if case["rejected"] else None)
    # What surrounds it makes no difference.
    assert repeats(f"It was late.\n\n{text}\n\nNobody came.") == repeats(text)


def test_the_table_is_large_and_beyond_exact_repeats() -> None:
    assert len(CASES) >= 120
    assert sum(case["rejected"] and not has_repeat(case["text"]) for case in CASES) >= 30


def test_the_check_can_be_left_out() -> None:
    text = "\n".join(f"{place}. Parsley" for place in range(7))
    assert Checks(ending=False).reject(text, "stop", "Write a recipe.") == "repeats"
    older = Checks(ending=False, near_repeats=False)
    assert older.reject(text, "stop", "Write a recipe.") is None


ODD = st.text("ab1 |\t\n.。#-，中文é😀\ud800", max_size=60) | st.text(max_size=60)


@given(ODD)
def test_any_text_gets_an_answer_and_exact_repeats_stay_repeats(text: str) -> None:
    assert has_any_repeat(text) in (True, False)
    if has_repeat(text, 3, 4):
        assert has_any_repeat(text, 3, 4)


@given(st.integers(0, 10**9))
def test_one_changed_word_is_found_wherever_it_stands(seed: int) -> None:
    rng = random.Random(seed)
    words = [f"w{chr(97 + i)}x" for i in range(14)]
    rng.shuffle(words)
    place = rng.randrange(14)
    other = [*words[:place], "changed", *words[place + 1 :]]
    between = " ".join(f"z{chr(97 + i)}q" for i in range(20))
    one, two = (" ".join(some) + "." for some in (words, other))
    assert has_any_repeat(f"{one}\n\n{between}.\n\n{two}")
    rng.shuffle(other)
    assert not has_any_repeat(f"{one}\n\n{between}.\n\n{' '.join(sorted(other))}.")
