"""Demands: what is woven in is what is read back, and the text it was drawn for satisfies it."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selflengthen.inputs.seeds import load
from selflengthen.length import numerals, phrasing
from selflengthen.length.mentions import Kind
from selflengthen.length.phrasing import Tongue, chinese, draw, english, tongue_of
from selflengthen.length.requirement import Demand, read_demand

KINDS: tuple[Kind, ...] = ("about", "range", "above", "below")
TONGUES: tuple[Tongue, ...] = ("en", "zh", "pocket")
SEEDS = {tongue: [s.instruction for s in load(tongue)] for tongue in TONGUES}
EVEN: dict[Kind, float] = dict.fromkeys(KINDS, 1.0)

# By hand, so that a reader and a writer that both mistake one for the other are found out.
MEANT: dict[Kind, tuple[str, ...]] = {
    "about": ("about", "around", "approximately", "roughly", "约", "左右"),
    "range": (" to ", " and ", "到", "至"),
    "above": ("more than", "over", "at least", "no fewer than", "超过", "多于", "至少", "不少于"),
    "below": (
        "fewer than", "under", "at most", "no more than", "不超过", "少于", "最多", "以内",
    ),
}  # fmt: skip


@given(st.integers(1, 200_000), st.sampled_from(TONGUES), st.sampled_from(KINDS), st.randoms())
def test_a_length_satisfies_what_is_drawn_for_it(
    words: int, tongue: Tongue, kind: Kind, chance: random.Random
) -> None:
    demand = draw(words, tongue, {kind: 1.0}, chance)
    assert demand.kind == kind and demand.satisfied(words)
    assert demand.unit == ("characters" if tongue == "zh" else "words")
    if words >= 10:  # also where a limit itself would not count, and by LonGen's bounds
        low, high = demand.low or 0, demand.high or 10**9
        assert kind == "about" or low < words < high
        assert kind != "above" or words <= 1.5 * low
        assert kind != "below" or words >= 0.5 * high
        assert kind != "about" or 0.94 * words <= low <= 1.06 * words
        assert kind != "range" or (low >= 0.64 * words and high <= 1.36 * words)


@given(st.data(), st.integers(10, 60_000), st.booleans(), st.randoms())
def test_what_is_woven_in_is_read_back(
    data: st.DataObject, words: int, spelled: bool, chance: random.Random
) -> None:
    tongue = data.draw(st.sampled_from(TONGUES))
    instruction = data.draw(st.sampled_from(SEEDS[tongue]))
    demand = draw(words, tongue, EVEN, chance)
    woven = phrasing.weave(instruction, demand, tongue, spelled, chance)
    assert woven is not None
    assert read_demand(woven.text) == demand
    assert woven.phrase in woven.text and woven.text.startswith(instruction)


@pytest.mark.parametrize("tongue", TONGUES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_phrase_means_its_kind(tongue: Tongue, kind: Kind) -> None:
    for phrase in phrasing._PHRASES[tongue][kind]:
        assert any(word in phrase for word in MEANT[kind]), phrase
        for other in KINDS:
            if other not in (kind, "range"):
                found = [w for w in MEANT[other] if w in phrase]
                # 不超过 holds 超过, and no more than holds more than: the longer one counts.
                longer = [w for w in MEANT[kind] if w in phrase]
                assert all(any(w in own and w != own for own in longer) for w in found), phrase
        numbers = ("1200", "1500") if kind == "range" else ("1200",)
        for frame in phrasing._FRAMES[tongue]:
            said = read_demand(
                phrasing._join(SEEDS[tongue][0], frame.format(phrase.format(*numbers)), tongue)
            )
            assert said is not None and said.kind == kind, phrase


@given(st.integers(1, 999_999))
def test_numbers_in_words_are_read_back(number: int) -> None:
    for said in (english(number), chinese(number)):
        (found,) = numerals.find(said)
        assert (found.low, found.high) == (number, number), said


@pytest.mark.parametrize(
    ("number", "in_english", "in_chinese"),
    [
        (7, "seven", "七"),
        (12, "twelve", "十二"),
        (110, "one hundred ten", "一百一十"),
        (205, "two hundred five", "二百零五"),
        (2_000, "two thousand", "两千"),
        (2_500, "two thousand five hundred", "两千五百"),
        (4_050, "four thousand fifty", "四千零五十"),
        (12_000, "twelve thousand", "一万两千"),
        (20_010, "twenty thousand ten", "两万零一十"),
    ],
)
def test_numbers_in_words(number: int, in_english: str, in_chinese: str) -> None:
    assert (english(number), chinese(number)) == (in_english, in_chinese)


def test_kinds_come_by_lot_in_their_shares() -> None:
    shares: dict[Kind, float] = {"about": 0.4, "range": 0.25, "above": 0.1, "below": 0.25}
    drawn = Counter(draw(500, "en", shares, random.Random(n)).kind for n in range(4000))
    for kind, share in shares.items():
        assert abs(drawn[kind] / 4000 - share) < 0.03


def test_numbers_are_round() -> None:
    about: dict[Kind, float] = {"about": 1.0}
    rounded = [draw(n, "en", about, random.Random(0)).low for n in (47, 62, 128, 777, 1234, 6789)]
    assert rounded == [47, 60, 130, 800, 1200, 7000]


def test_an_instruction_without_an_end_gets_one() -> None:
    demand = Demand("below", None, 800)
    woven = phrasing.weave("Write a story", demand, "en", False, random.Random(0))
    assert woven is not None and woven.text.startswith("Write a story. ")
    woven = phrasing.weave(
        "写一个故事", Demand("below", None, 800, "characters"), "zh", True, random.Random(0)
    )
    assert woven is not None and woven.text.startswith("写一个故事。") and "八百" in woven.text


def test_where_no_wording_is_read_as_meant_there_is_none() -> None:
    instruction = "Write an essay of at least 9,000 words."
    assert (
        phrasing.weave(instruction, Demand("about", 500, 500), "en", False, random.Random(0))
        is None
    )


def test_the_tongue_is_that_of_the_instruction() -> None:
    assert tongue_of("写一篇小说。", "en") == "zh"
    assert tongue_of("Write a novel.", "zh") == "en"
    assert tongue_of("Write a story about Adam.", "pocket") == "pocket"
