"""Finds lengths in a text: numbers of words or characters, with their context.

`requirement.py` decides which text a length belongs to. A number is searched for before a unit
(words, characters, 字) and after an announcement (word count, 字数).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from selflengthen.length import numerals, qualifiers
from selflengthen.length.numerals import Numeral
from selflengthen.length.qualifiers import KINDS as KINDS
from selflengthen.length.qualifiers import Kind as Kind

Unit = Literal["words", "characters"]


@dataclass(frozen=True, slots=True)
class LengthMention:
    """A length in a text, with its context.

    Attributes:
        kind: Whether it is a target, a range, a floor or a ceiling.
        low: The number; of a range, its lower end.
        high: The number; of a range, its upper end.
        unit: What is counted.
        text: The number and its unit as written.
        left: The sentence before it, without the words that qualify the number (at least, about).
        right: The rest of the sentence.
        qualified: Whether the number is qualified or a range.
        attributive: Whether it modifies a noun, as in `a 500-word story`.
    """

    kind: Kind
    low: int
    high: int
    unit: Unit
    text: str
    left: str
    right: str
    qualified: bool
    attributive: bool


# Replaced one by one: `str.translate` over all characters takes ten times as long.
_EQUIVALENTS = (
    *zip("，：；！？（）％＋＜＞．", ",:;!?()%+<>.", strict=True),
    *((wide, "~") for wide in "～〜∼"),
    *((dash, "-") for dash in "–—−‒‑－"),
    *((space, " ") for space in "\u00a0\u202f\u2009\u3000"),
    ("’", "'"),
    ("İ", "I"),  # the only letter whose lower case has two characters
)
_WIDE = re.compile("[０-９Ａ-Ｚａ-ｚ]")
_NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
# Lengths in code and in titles are not requests, and the number of a list item is no part of one.
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_TITLE = re.compile(r"(?<=《)[^》\n]{0,60}(?=》)")
_ITEM = re.compile(r"\n[ \t]*\d{1,2}[.)、](?!000|\d+(?:\.\d+)?\s?(?:k|thousand|[百千万]))")
_STEM = re.compile("word|char|字|词|汉字|单词")  # a quick search for places where `_UNIT` may match
_UNIT = re.compile(
    r"(?P<head>字数|(?P<english>word(?<![a-z]word)) ?(?:count|limit|length|target|budget)"
    r"|words(?:(?<=number of words)|(?<=length in words)))"
    r"|(?P<unit>words?(?<![a-z]word)(?<![a-z]words)(?![a-z])|char(?<![a-z]char)(?:acter)?s?(?![a-z])"
    r"|字符|汉字|字(?![节段典母体幕眼号形帖数符])|单词|词(?![汇语条组性典频义根缀类句牌]))"
)
_BEFORE = 120  # characters of context before a number
_AFTER = 60  # characters of context after it
_WINDOW = 64  # characters; long enough for any range that is spelled out
_SENTENCE_END = re.compile(r"[。!?;\n.](?<!\.(?=\S))(?<!min\.)(?<!max\.)(?<!approx\.)")
_TO = re.compile(
    r"\s*(?:个?(?:汉字|单词|[字词])|words?|characters?)?\s*-?\s*"
    r"(?P<to>-{1,2}|~|to|or|至|到|、|and|和|与)\s*",
)
_BETWEEN = re.compile(r"(?:between|介于|从|在|于)\s*$")
_AND = re.compile(r"[\s,、]*(?:\b(?:and|but)\b|而|且|并且?|但)?[\s,]*")
_CHANGED = re.compile(
    r"\b(?:expand|extend|lengthen|increas|grow|shorten|cut|reduc|condens|trim|compress)[^.!?\n]*"
    r"\bfrom\s*$",
)

_BARE_AFTER = re.compile("[近约上达个篇写出部份成到满]$")
_BARE_BOUND = re.compile("[以之][内上下]")
_BARE_BEGINS = re.compile(r"(?:^|[,:()])\s*$")
# What may separate `word count` from its number, and what shows that the number counts no words.
_HEADED = re.compile(r"(?:[^\d。,;.!?\n%#]|(?<=approx)\.|(?<=m(?:in|ax))\.){0,24}")
_UNLIMITED = re.compile("不限|不作?要求|no limit")
_COUNTED = re.compile(
    r"\s*(?:[%年月日页章段篇个次条节号岁元集回课]|pages?|paragraphs?|sentences?|sections?|min|hours?"
    r"|points?|chapters?|steps?|people|\.\d|:\d)",
)


def normalize(text: str) -> str:
    """Return a text in lower case, with ASCII punctuation, and with code and titles blanked out."""
    if not text.isascii():
        if _WIDE.search(text):
            text = text.translate(_NARROW)
        for wide, narrow in _EQUIVALENTS:
            text = text.replace(wide, narrow)
    text = f"\n{text.lower()}"
    for mark, ignored in (("`", _CODE), ("《", _TITLE), ("\n", _ITEM)):
        if mark in text:
            text = ignored.sub(lambda match: " " * len(match[0]), text)
    return text


def find(text: str) -> Iterator[LengthMention]:
    """Yield the lengths in a text that `normalize` returned."""
    position = 0
    while stem := _STEM.search(text, position):
        match = _UNIT.match(text, stem.start())
        position = match.end() if match else stem.end()
        if match is None:
            continue
        unit = "unit" if match["unit"] else "english"
        mention = _before(text, *match.span(unit)) if match[unit] else None
        if mention is None and match["head"]:
            mention = _after(text, match)
        if mention is not None:
            yield mention


def _before(text: str, start: int, end: int) -> LengthMention | None:
    """Read the number before a unit: 2,000 words, 两三千字, 1,000- to 1,500-word."""
    offset = max(0, start - _WINDOW)
    window = text[offset : start + 1]  # including the unit's first letter, for 1w字
    numbers = numerals.find(window)
    gap = qualifiers.GAP.fullmatch(window, numbers[-1].end, len(window) - 1) if numbers else None
    if gap is None:
        return None
    if gap[0].startswith("-") and _counts(window, numbers):
        return None
    unit: Unit = "words" if text[start] in "w单词" else "characters"
    return _mention(text, numbers, offset=offset, end=end, unit=unit, gap=gap)


def _counts(window: str, numbers: list[Numeral]) -> bool:
    """Say whether a number counts the texts: three 500-word stories, 3 500-word stories."""
    if numbers[-1].spaced:
        return True
    return len(numbers) > 1 and not window[numbers[-2].end : numbers[-1].start].strip()


def _after(text: str, head: re.Match[str]) -> LengthMention | None:
    """Read the number after an announcement: word count: 1500, 字数在4000至5000之间."""
    window = text[head.end() : head.end() + _AFTER]
    numbers = numerals.find(window)[:2]
    lead = _HEADED.fullmatch(window, 0, numbers[0].start) if numbers else None
    if lead is None or _UNLIMITED.search(lead[0]):
        return None
    if len(numbers) == 2 and not _TO.fullmatch(window, numbers[0].end, numbers[1].start):
        del numbers[1]
    after = window[numbers[-1].end :]
    if _COUNTED.match(after) or _UNIT.match(after.lstrip(" -个")):  # those are read at their unit
        return None
    unit: Unit = "words" if head[0].isascii() else "characters"
    end = head.end() + numbers[-1].end
    return _mention(text, numbers, offset=head.end(), end=end, unit=unit, gap=None)


def _mention(
    text: str,
    numbers: list[Numeral],
    *,
    offset: int,
    end: int,
    unit: Unit,
    gap: re.Match[str] | None,
) -> LengthMention | None:
    """Return a mention of the last number, or of the last two if they are a range.

    Numbers are relative to `offset`, the mention ends at `end`, `gap` matched `qualifiers.GAP`.
    """
    last = numbers[-1]
    high = last.high
    first, low = _first_number(text, numbers, offset)
    start = offset + first.start
    left = _SENTENCE_END.split(text[max(0, start - _BEFORE) : start])[-1]
    right = _SENTENCE_END.split(text[end : end + _AFTER])[0]
    if last.bare and not _is_number_alone(left, right):
        return None
    kinds, rest = qualifiers.before(left)
    if first is last and len(numbers) > 1 and (bound := _other_bound(text, offset, numbers, kinds)):
        low, high = sorted((bound, high))
    if last.bare and left.endswith("上"):
        kinds.append("above")
    kinds += qualifiers.after(gap, qualifiers.AFTER.match(right))
    phrase = text[start:end]
    kind = "range" if low < high else qualifiers.decide(kinds, right)
    return LengthMention(
        kind=kind,
        low=low,
        high=high,
        unit=unit,
        text=phrase,
        left=rest,
        right=right,
        qualified=bool(kinds) or kind == "range",
        attributive=phrase.endswith(("word", "character")) or right.startswith("的"),
    )


def _first_number(text: str, numbers: list[Numeral], offset: int) -> tuple[Numeral, int]:
    """Return the number that a mention begins with, and the lower end of its length."""
    last = numbers[-1]
    if len(numbers) == 1:
        return last, last.low
    earlier = numbers[-2]
    between = text[offset + earlier.end : offset + last.start]
    if between.strip() == "(" and earlier.low == last.low:
        return earlier, last.low  # 2,000 (two thousand)
    shares_scale = earlier.scale == 1 and earlier.low < last.low // last.scale  # 2-3k
    low = earlier.low * (last.scale if shares_scale else 1)
    start = offset + earlier.start
    if low < last.high and _joined(between, text[max(0, start - _WINDOW) : start]):
        return earlier, low
    return last, last.low


def _is_number_alone(left: str, right: str) -> bool:
    """Say whether a lone 百, 千 or 万 is a number: 近万字, 千字以内; not 几万字, 每千字."""
    if _BARE_AFTER.search(left):
        return True
    return bool(_BARE_BEGINS.search(left) and _BARE_BOUND.match(right))


def _other_bound(text: str, offset: int, numbers: list[Numeral], kinds: list[Kind]) -> int | None:
    """Return the bound that shares its unit: no less than 800 and no more than 1,000 words."""
    earlier, last = numbers[-2:]
    here, rest = qualifiers.before(text[offset + earlier.end : offset + last.start])
    if not here or not _AND.fullmatch(rest):
        return None
    start = offset + earlier.start
    there, _ = qualifiers.before(_SENTENCE_END.split(text[max(0, start - _BEFORE) : start])[-1])
    bounds = {*here[:1], *there[:1]}
    return earlier.low if bounds == {"above", "below"} else None


def _joined(between: str, before: str) -> bool:
    """Say whether two numbers are a range; `expand it from 500 to 2,000 words` is not."""
    to = _TO.fullmatch(between)
    if to is None or _CHANGED.search(before):
        return False
    return to["to"] not in ("and", "和", "与") or _BETWEEN.search(before) is not None
