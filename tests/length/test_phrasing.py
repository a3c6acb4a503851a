"""Requirements are read back as written, and the text they were drawn for satisfies them."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selflengthen.inputs.seeds import load
from selflengthen.length import numerals, phrasing
from selflengthen.length.mentions import Kind
from selflengthen.length.phrasing import (
    PhrasingLanguage,
    append_requirement,
    chinese,
    draw_requirement,
    english,
    phrasing_language,
)
from selflengthen.length.requirement import LengthRequirement, read_requirement

KINDS: tuple[Kind, ...] = ("about", "range", "above", "below")
LANGUAGES: tuple[PhrasingLanguage, ...] = ("en", "zh", "pocket")
SEEDS = {language: [s.instruction for s in load(language)] for language in LANGUAGES}
EVEN: dict[Kind, float] = dict.fromkeys(KINDS, 1.0)

# Listed by hand, to catch a reader and a writer that confuse the same two kinds.
MARKERS: dict[Kind, tuple[str, ...]] = {
    "about": ("about", "around", "approximately", "roughly", "约", "左右"),
    "range": (" to ", " and ", "到", "至"),
    "above": ("more than", "over", "at least", "no fewer than", "超过", "多于", "至少", "不少于"),
    "below": ("fewer than", "under", "at most", "no more than", "不超过", "少于", "最多", "以内"),
}


@given(st.integers(1, 200_000), st.sampled_from(LANGUAGES), st.sampled_from(KINDS), st.randoms())
def test_a_length_satisfies_the_requirement_drawn_for_it(
    words: int, language: PhrasingLanguage, kind: Kind, rng: random.Random
) -> None:
    requirement = draw_requirement(words, language, {kind: 1.0}, rng=rng)
    assert requirement.kind == kind and requirement.satisfied(words)
    assert requirement.unit == ("characters" if language == "zh" else "words")
    if words >= 10:  # strictly within open limits, and by LonGen's bounds
        low = requirement.low or 0
        high = requirement.high or 10**9
        assert kind == "about" or low < words < high
        assert kind != "above" or words <= 1.5 * low
        assert kind != "below" or words >= 0.5 * high
        assert kind != "about" or 0.94 * words <= low <= 1.06 * words
        assert kind != "range" or (low >= 0.64 * words and high <= 1.36 * words)


@given(st.data(), st.integers(10, 60_000), st.booleans(), st.randoms())
def test_a_requirement_is_read_back_as_written(
    data: st.DataObject, words: int, spelled: bool, rng: random.Random
) -> None:
    language = data.draw(st.sampled_from(LANGUAGES))
    instruction = data.draw(st.sampled_from(SEEDS[language]))
    requirement = draw_requirement(words, language, EVEN, rng=rng)
    phrased = append_requirement(
        instruction, requirement, language=language, spelled=spelled, rng=rng
    )
    assert phrased is not None
    assert read_requirement(phrased.text) == requirement
    assert phrased.phrase in phrased.text and phrased.text.startswith(instruction)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_phrase_means_its_kind(language: PhrasingLanguage, kind: Kind) -> None:
    for phrase in phrasing._PHRASES[language][kind]:
        assert any(word in phrase for word in MARKERS[kind]), phrase
        for other in KINDS:
            if other not in (kind, "range"):
                matches = [w for w in MARKERS[other] if w in phrase]
                # 不超过 contains 超过, and no more than contains more than: the longer one counts.
                longer = [w for w in MARKERS[kind] if w in phrase]
                assert all(any(w in own and w != own for own in longer) for w in matches), phrase
        numbers = ("1200", "1500") if kind == "range" else ("1200",)
        for frame in phrasing._FRAMES[language]:
            sentence = frame.format(phrase.format(*numbers))
            requirement = read_requirement(phrasing._join(SEEDS[language][0], sentence, language))
            assert requirement is not None and requirement.kind == kind, phrase


@given(st.integers(1, 999_999))
def test_numbers_in_words_are_read_back(number: int) -> None:
    for phrase in (english(number), chinese(number)):
        (numeral,) = numerals.find(phrase)
        assert (numeral.low, numeral.high) == (number, number), phrase


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


def test_kinds_are_drawn_in_their_shares() -> None:
    shares: dict[Kind, float] = {"about": 0.4, "range": 0.25, "above": 0.1, "below": 0.25}
    drawn = Counter(
        draw_requirement(500, "en", shares, rng=random.Random(n)).kind for n in range(4000)
    )
    for kind, share in shares.items():
        assert abs(drawn[kind] / 4000 - share) < 0.03


def test_numbers_are_round() -> None:
    about: dict[Kind, float] = {"about": 1.0}
    rounded = [
        draw_requirement(n, "en", about, rng=random.Random(0)).low
        for n in (47, 62, 128, 777, 1234, 6789)
    ]
    assert rounded == [47, 60, 130, 800, 1200, 7000]


def test_an_instruction_without_a_full_stop_gets_one() -> None:
    requirement = LengthRequirement("below", None, 800)
    phrased = append_requirement(
        "Write a story", requirement, language="en", spelled=False, rng=random.Random(0)
    )
    assert phrased is not None and phrased.text.startswith("Write a story. ")
    requirement = LengthRequirement("below", None, 800, "characters")
    phrased = append_requirement(
        "写一个故事", requirement, language="zh", spelled=True, rng=random.Random(0)
    )
    assert phrased is not None and phrased.text.startswith("写一个故事。")
    assert "八百" in phrased.text


def test_no_wording_is_used_that_is_read_otherwise() -> None:
    instruction = "Write an essay of at least 9,000 words."
    requirement = LengthRequirement("about", 500, 500)
    phrased = append_requirement(
        instruction, requirement, language="en", spelled=False, rng=random.Random(0)
    )
    assert phrased is None


def test_the_phrasing_has_the_language_of_the_instruction() -> None:
    assert phrasing_language("写一篇小说。", "en") == "zh"
    assert phrasing_language("Write a novel.", "zh") == "en"
    assert phrasing_language("Write a story about Adam.", "pocket") == "pocket"
