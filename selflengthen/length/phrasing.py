"""Writes a length demand into an instruction: the numbers, the words for them, and their place.

The numbers are chosen around a length that is there already, so that a text of that length
satisfies the demand, whatever its kind. What was written is read back with the reader of demands;
a wording that it does not read as meant is passed over for another.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from selflengthen.length.mentions import Kind, Unit
from selflengthen.length.numerals import ONES, TENS
from selflengthen.length.requirement import Demand, read_demand
from selflengthen.text.endings import ends_sentence
from selflengthen.text.language import script

Tongue = Literal["en", "zh", "pocket"]
Shares = Mapping[Kind, float]

# How far the numbers may be from the length, as shares of it.
_RANGE, _ABOVE, _BELOW = (0.05, 0.25), (0.80, 0.97), (1.03, 1.30)
_PHRASES: Mapping[Tongue, Mapping[Kind, tuple[str, ...]]] = {
    "en": {
        "about": (
            "about {} words", "around {} words", "approximately {} words", "roughly {} words",
        ),
        "range": ("between {} and {} words", "{} to {} words", "from {} to {} words"),
        "above": (
            "more than {} words", "over {} words", "at least {} words", "no fewer than {} words",
        ),
        "below": (
            "fewer than {} words", "under {} words", "at most {} words", "no more than {} words",
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
}  # fmt: skip
_FRAMES: Mapping[Tongue, tuple[str, ...]] = {
    "en": (
        "The text should have {}.", "Write {}.", "It should be {} long.", "Length: {}.",
        "The whole text should come to {}.",
    ),
    "zh": ("全文{}。", "篇幅{}。", "请写{}。", "字数要求：{}。", "全文字数为{}。"),
    "pocket": ("Use {}.",),
}  # fmt: skip
_DIGITS = "零一二三四五六七八九"


@dataclass(frozen=True)
class Woven:
    """An instruction with a demand, and how the demand is put: `at most 1,500 words`."""

    text: str
    phrase: str


def tongue_of(instruction: str, language: str) -> Tongue:
    """Return what an instruction is written in: pocket English, Chinese, or else English."""
    if language == "pocket":
        return "pocket"
    return "zh" if script(instruction) == "CJK" else "en"


def draw(words: int, tongue: Tongue, shares: Shares, chance: random.Random) -> Demand:
    """Draw a demand that a text of `words` (at least 1) satisfies: its kind, then its numbers."""
    (kind,) = chance.choices(list(shares), list(shares.values()))
    unit: Unit = "characters" if tongue == "zh" else "words"
    if kind == "about":
        return _demand(kind, _near(words, words), _near(words, words), unit)
    if kind == "range":
        down, up = chance.uniform(*_RANGE), chance.uniform(*_RANGE)
        low, high = _under(words, words * (1 - down)), _over(words, words * (1 + up))
        return _demand(kind, low, high, unit)
    if kind == "above":
        return _demand(kind, _under(words, words * chance.uniform(*_ABOVE)), None, unit)
    return _demand(kind, None, _over(words, words * chance.uniform(*_BELOW)), unit)


def weave(
    instruction: str, demand: Demand, tongue: Tongue, spelled: bool, chance: random.Random
) -> Woven | None:
    """Write a demand behind an instruction; None where no wording would be read as meant.

    `spelled` writes numbers as words. Pocket English has only digits.
    """
    separated = chance.random() < 0.5
    numbers = [
        _number(value, tongue, spelled, separated)
        for value in (demand.low, None if demand.kind == "about" else demand.high)
        if value is not None
    ]
    for phrase, frame in _wordings(demand.kind, tongue, chance):
        said = phrase.format(*numbers)
        text = _join(instruction, frame.format(said), tongue)
        if read_demand(text) == demand:
            return Woven(text, said)
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
    """Write a number below 10,000; only where it is the `first` of a number, 一十 is 十."""
    said, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // unit % 10
        if digit:
            short = first and not said and digit == 1 and unit == 10
            two = digit == 2 and unit == 1000
            said += "零" * gap + ("" if short else "两" if two else _DIGITS[digit]) + name
        gap = bool(said) and not digit
    return said


def _wordings(kind: Kind, tongue: Tongue, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Yield all wordings in an order left to chance."""
    wordings = [(p, f) for p in _PHRASES[tongue][kind] for f in _FRAMES[tongue]]
    yield from chance.sample(wordings, len(wordings))


def _join(instruction: str, sentence: str, tongue: Tongue) -> str:
    text = instruction.rstrip()
    stop = "" if ends_sentence(text) else "。" if tongue == "zh" else "."
    return f"{text}{stop}{'' if tongue == 'zh' else ' '}{sentence}"


def _number(value: int, tongue: Tongue, spelled: bool, separated: bool) -> str:
    if tongue == "en":
        return english(value) if spelled else f"{value:,}" if separated else str(value)
    return chinese(value) if spelled and tongue == "zh" else str(value)


def _demand(kind: Kind, low: int | None, high: int | None, unit: Unit) -> Demand:
    return Demand(kind, low, high, unit)


def _step(words: int) -> int:
    """Return what people round such a length to: at most a tenth of it, a 1 or a 5 and zeros."""
    power: int = 10 ** max(0, len(str(words)) - 2)
    return 5 * power if words >= 50 * power else power


def _near(words: int, value: float) -> int:
    step = _step(words)
    return max(1, math.floor(value / step + 0.5) * step)


def _under(words: int, value: float) -> int:
    step = _step(words)
    return max(1, math.floor(value / step) * step)


def _over(words: int, value: float) -> int:
    step = _step(words)
    return max(1, math.ceil(value / step) * step)
