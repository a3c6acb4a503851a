"""Loops are found soon, texts that only resemble one are left alone."""

from __future__ import annotations

import random
from array import array

import pytest

from selflengthen.engines.loops import EVERY, Writing, looping


def words(count: int, seed: int = 0) -> list[int]:
    """Return tokens in no order, none of them twice."""
    return random.Random(seed).sample(range(49_152), count)


@pytest.mark.parametrize("period", [*range(1, 41), 57, 80, 100, 119, 120])
def test_a_loop_of_any_period_is_found(period: int) -> None:
    phrase = words(period)
    before = words(300, seed=1)
    writing = Writing()
    for token in before:
        assert not writing.add("", [token], None)
    repeated = 0
    while not writing.add("", [phrase[repeated % period]], None):
        repeated += 1
        assert repeated < 400
    most = max(EVERY, 5 * period) if period <= 40 else 240
    assert repeated <= most + EVERY
    assert writing.reason == "repetition"


def test_a_list_item_five_times_is_a_loop_and_four_times_is_none() -> None:
    item = words(12)
    assert looping(array("i", words(50, 1) + item * 5))
    assert not looping(array("i", words(50, 1) + item * 4))
    assert not looping(array("i", words(50, 1) + item * 5 + [1]))


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        [7],
        [7] * 39,
        words(1000),
        [n for pair in zip(words(200), [5] * 200, strict=True) for n in pair],  # a list's commas
        words(100) * 2,  # a verse that comes twice
        [*words(30), 1, *words(30), 2, *words(30), 3],  # an item that counts
    ],
)
def test_what_only_resembles_a_loop_is_none(tokens: list[int]) -> None:
    assert not looping(array("i", tokens))


@pytest.mark.parametrize("piece", [1, 7, 40, 64, 1000])
def test_what_is_found_does_not_depend_on_the_pieces(piece: int) -> None:
    tokens = words(333) + words(9, 2) * 40
    whole = Writing()
    for token in tokens:
        if whole.add("x", [token], None):
            break
    writing = Writing()
    for start in range(0, len(tokens), piece):
        part = tokens[start : start + piece]
        if writing.add("x" * len(part), part, "length"):
            break
    assert writing.tokens == whole.tokens
    assert writing.reason == whole.reason == "repetition"
    assert len(whole.tokens) == 400


def test_a_text_that_ends_keeps_its_reason_and_all_its_tokens() -> None:
    writing = Writing()
    assert not writing.add("one ", words(50), None)
    assert not writing.add("two", words(13, 1), "stop")
    assert (writing.text, len(writing.tokens), writing.reason) == ("one two", 63, "stop")
