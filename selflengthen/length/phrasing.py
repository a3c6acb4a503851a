"""Draws length requirements and appends them to instructions.

The numbers are drawn around the length of an existing text, so that this text satisfies the
requirement, whatever its kind. Each wording is read back with `read_requirement`; if it is not read
as intended, the next one is tried.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from selflengthen.length.mentions import Kind, Unit
from selflengthen.length.numerals import ONES, TENS
from selflengthen.length.requirement import LengthRequirement, read_requirement
from selflengthen.text.endings import ends_sentence
from selflengthen.text.language import script

PhrasingLanguage = Literal["en", "zh", "pocket"]
Shares = Mapping[Kind, float]

# How far the numbers may be from the length, as a share of it or as a factor.
_RANGE = (0.05, 0.25)
_ABOVE = (0.80, 0.97)
_BELOW = (1.03, 1.30)
_PHRASES: Mapping[PhrasingLanguage, Mapping[Kind, tuple[str, ...]]] = {
    "en": {
        "about": (
            "about {} words",
            "around {} words",
            "approximately {} words",
            "roughly {} words",
        ),
        "range": ("between {} and {} words", "{} to {} words", "from {} to {} words"),
        "above": (
            "more than {} words",
            "over {} words",
            "at least {} words",
            "no fewer than {} words",
        ),
        "below": (
            "fewer than {} words",
            "under {} words",
            "at most {} words",
            "no more than {} words",
        ),
    },
    "zh": {
        "about": ("大约{}字", "约{}字", "{}字左右"),
        "range": ("{}到{}字", "{}至{}字", "{}字到{}字之间"),
        "above": ("超过{}字", "多于{}字", "至少{}字", "不少于{}字"),
        "below": ("不超过{}字", "少于{}字", "最多{}字", "{}字以内"),
    },
    "pocket": {
        "about": ("about {} words",),
        "range": ("{} to {} words",),
        "above": ("more than {} words",),
        "below": ("fewer than {} words",),
    },
}
_FRAMES: Mapping[PhrasingLanguage, tuple[str, ...]] = {
    "en": (
        "The text should have {}.",
        "Write {}.",
        "It should be {} long.",
        "Length: {}.",
        "The whole text should come to {}.",
    ),
    "zh": ("全文{}。", "篇幅{}。", "请写{}。", "字数要求：{}。", "全文字数为{}。"),
    "pocket": ("Use {}.",),
}
_DIGITS = "零一二三四五六七八九"


@dataclass(frozen=True)
class PhrasedInstruction:
    """An instruction with a length requirement.

    Attributes:
        text: The instruction, with the requirement.
        phrase: The words that state the length, such as `at most 1,500 words`.
    """

    text: str
    phrase: str


def phrasing_language(instruction: str, language: str) -> PhrasingLanguage:
    """Return the language to phrase a requirement in.

    That is pocket English if the run's `language` is `pocket`; else Chinese for an instruction in
    Chinese, and English for all others.
    """
    if language == "pocket":
        return "pocket"
    return "zh" if script(instruction) == "CJK" else "en"


def draw_requirement(
    words: int, language: PhrasingLanguage, shares: Shares, *, rng: random.Random
) -> LengthRequirement:
    """Draw a requirement that a text of the given length satisfies.

    Args:
        words: The text's length, at least 1; characters if `language` is Chinese.
        language: The language that the requirement will be phrased in.
        shares: The weight of each kind; they need not add up to 1.
        rng: Draws the kind first, then its numbers.
    """
    (kind,) = rng.choices(list(shares), list(shares.values()))
    unit: Unit = "characters" if language == "zh" else "words"
    low: int | None = None
    high: int | None = None
    if kind == "about":
        low = high = _round(words, words)
    elif kind == "range":
        below = rng.uniform(*_RANGE)
        above = rng.uniform(*_RANGE)
        low = _round_down(words, words * (1 - below))
        high = _round_up(words, words * (1 + above))
    elif kind == "above":
        low = _round_down(words, words * rng.uniform(*_ABOVE))
    else:
        high = _round_up(words, words * rng.uniform(*_BELOW))
    return LengthRequirement(kind, low, high, unit)


def append_requirement(
    instruction: str,
    requirement: LengthRequirement,
    *,
    language: PhrasingLanguage,
    spelled: bool,
    rng: random.Random,
) -> PhrasedInstruction | None:
    """Append a sentence with the requirement to an instruction.

    Args:
        instruction: The text to append to.
        requirement: The length to ask for.
        language: The language of the sentence.
        spelled: Whether to write numbers as words. Pocket English always has digits.
        rng: Draws the wording.

    Returns:
        The new instruction; None if no wording would be read as the requirement.
    """
    separated = rng.random() < 0.5
    values = [requirement.low]
    if requirement.kind != "about":
        values.append(requirement.high)
    numbers = [
        _number(value, language, spelled=spelled, separated=separated)
        for value in values
        if value is not None
    ]
    for template, frame in _wordings(requirement.kind, language, rng):
        phrase = template.format(*numbers)
        text = _join(instruction, frame.format(phrase), language)
        if read_requirement(text) == requirement:
            return PhrasedInstruction(text, phrase)
    return None


def english(number: int) -> str:
    """Write a whole number below a million in words."""
    if number >= 1000:
        rest = number % 1000
        return f"{english(number // 1000)} thousand" + (f" {english(rest)}" if rest else "")
    if number >= 100:
        rest = number % 100
        return f"{ONES[number // 100]} hundred" + (f" {english(rest)}" if rest else "")
    if number >= 20:
        rest = number % 10
        return TENS[number // 10 - 2] + (f"-{ONES[rest]}" if rest else "")
    return ONES[number]


def chinese(number: int) -> str:
    """Write a whole number below a hundred million in Chinese: 2500 is 两千五百."""
    high, low = divmod(number, 10_000)
    if not high:
        return _chinese(low, first=True) or "零"
    myriads = "两" if high == 2 else _chinese(high, first=True)
    return f"{myriads}万{'零' if 0 < low < 1000 else ''}{_chinese(low, first=False)}"


def _chinese(number: int, *, first: bool) -> str:
    """Write a number below 10,000; at the start of a numeral (`first`), 一十 is written as 十."""
    numeral = ""
    gap = False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // unit % 10
        if digit:
            short = first and not numeral and digit == 1 and unit == 10
            two = digit == 2 and unit == 1000
            numeral += "零" * gap + ("" if short else "两" if two else _DIGITS[digit]) + name
        gap = bool(numeral) and not digit
    return numeral


def _wordings(
    kind: Kind, language: PhrasingLanguage, rng: random.Random
) -> Iterator[tuple[str, str]]:
    """Yield all pairs of a phrase and a frame in random order."""
    wordings = [(p, f) for p in _PHRASES[language][kind] for f in _FRAMES[language]]
    yield from rng.sample(wordings, len(wordings))


def _join(instruction: str, sentence: str, language: PhrasingLanguage) -> str:
    text = instruction.rstrip()
    stop = "" if ends_sentence(text) else "。" if language == "zh" else "."
    return f"{text}{stop}{'' if language == 'zh' else ' '}{sentence}"


def _number(value: int, language: PhrasingLanguage, *, spelled: bool, separated: bool) -> str:
    if language == "en":
        return english(value) if spelled else f"{value:,}" if separated else str(value)
    return chinese(value) if spelled and language == "zh" else str(value)


def _step(words: int) -> int:
    """Return the step to round to: 1 or 5 followed by zeros, at most a tenth of the length."""
    power: int = 10 ** max(0, len(str(words)) - 2)
    return 5 * power if words >= 50 * power else power


def _round(words: int, value: float) -> int:
    step = _step(words)
    return max(1, math.floor(value / step + 0.5) * step)


def _round_down(words: int, value: float) -> int:
    step = _step(words)
    return max(1, math.floor(value / step) * step)


def _round_up(words: int, value: float) -> int:
    step = _step(words)
    return max(1, math.ceil(value / step) * step)
