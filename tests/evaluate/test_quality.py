"""Quality without a judge: MTLD by hand, where repeats begin, how texts end."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selflengthen.evaluate.quality import by_decile, quality
from selflengthen.text.measures import distinct, mtld, repetition, tokens
from selflengthen.text.repeats import has_repeat


def varied(words: int, seed: int = 0) -> str:
    rng = random.Random(seed)
    return " ".join(f"{rng.choice('bcdfgh')}{rng.randrange(10**6)}" for _ in range(words)) + "."


def plain_mtld(words: list[str]) -> float:
    """Return MTLD in one direction, counting the share of different words anew for each word."""
    factors, stretch = 0.0, list[str]()
    for word in words:
        stretch.append(word)
        if len(set(stretch)) / len(stretch) <= 0.72:
            factors, stretch = factors + 1, []
    if stretch:
        factors += (1 - len(set(stretch)) / len(stretch)) / (1 - 0.72)
    return len(words) / factors if factors else len(words)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=80))
def test_mtld(words: list[str]) -> None:
    expected = (plain_mtld(words) + plain_mtld(words[::-1])) / 2
    assert mtld(" ".join(words)) == pytest.approx(expected)


def test_mtld_by_hand() -> None:
    assert mtld("") == 0
    assert mtld("a b c") == 3  # none comes again
    # a b a: two of three, below 0.72: a factor; then b a b: another; 6 words, 2 factors.
    assert mtld("a b a b a b") == 3
    # Forwards a b a, and c as left over: 1 factor. Backwards c a, b, a: 3/4 are left, 0.25/0.28.
    assert mtld("a b a c") == pytest.approx((4 / 1 + 4 / (0.25 / 0.28)) / 2)
    assert mtld("The cat, the CAT!") == mtld("the cat the cat")
    assert mtld("天地，天地。") == mtld("a b a b")


def test_shares() -> None:
    texts = ["It ends.", "It breaks off in the", "写完了。", ""]
    figures = quality(texts, ["stop", "length", None, "stop"])
    assert figures.responses == 4
    assert figures.empty == 1
    assert figures.truncated == 0.5
    assert figures.ends == pytest.approx(2 / 3, abs=1e-4)
    assert quality(texts).ends is None
    assert figures.by_decile == [] and figures.mtld is None  # all are too short


def test_variety_is_the_mean_of_the_texts() -> None:
    texts = [varied(200), "one two three four " * 40 + ".", varied(300, 1)]
    figures = quality(texts)
    assert figures.rep_4 == pytest.approx(sum(map(repetition, texts)) / 3, abs=1e-4)
    assert figures.distinct_2 == pytest.approx(sum(distinct(t, 2) for t in texts) / 3, abs=1e-4)
    assert figures.repeats == pytest.approx(1 / 3, abs=1e-4)
    assert figures.long == 3


@pytest.mark.parametrize("begins", [3, 5, 8])
def test_where_a_text_begins_to_repeat(begins: int) -> None:
    """Repeats in the last tenths of a text show there and nowhere before."""
    rng = random.Random(begins)
    fresh = "".join(chr(rng.randrange(0x4E00, 0x9FFF)) for _ in range(begins * 500))
    text = fresh + fresh[: 500 * (10 - begins)] * 2
    deciles = by_decile([text[:5000]])
    assert [row.rep_4 < 0.01 for row in deciles] == [True] * begins + [False] * (10 - begins)
    assert [row.first_repeat for row in deciles] == [float(i == begins) for i in range(10)]
    assert all(row.distinct_2 > 0.95 for row in deciles)


@settings(max_examples=30)
@given(st.lists(st.sampled_from("abc"), min_size=100, max_size=300))
def test_deciles_together_are_the_whole(words: list[str]) -> None:
    text = " ".join(words)
    deciles = by_decile([text])
    assert sum(row.first_repeat for row in deciles) == has_repeat(text)
    whole = repetition(text, 4)
    assert sum(row.rep_4 for row in deciles) / 10 == pytest.approx(whole, abs=0.1)
    assert len(tokens(text)) == len(words)
