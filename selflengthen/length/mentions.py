"""Lengths in a text: numbers of words or characters, and what is said around them.

What they are the lengths of is not decided here (see demand.py). Numbers are looked for before what
makes a length of them (words, characters, 字) and after what announces one (word count, 字数).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from selflengthen.length import numerals, qualifiers
from selflengthen.length.numerals import Number
from selflengthen.length.qualifiers import KINDS as KINDS
from selflengthen.length.qualifiers import Kind as Kind

Unit = Literal["words", "characters"]


@dataclass(frozen=True, slots=True)
class Length:
    """A length, where it stands, and what stands around it in its sentence.

    `left` ends before the words that qualify the number (at least, about); `qualified` says that
    there are some, or a range. `attributive`: a noun has this length, as in `a 500-word story`.
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


# Punctuation is unified by itself: to translate all characters takes ten times as long.
_SAME = (
    *zip("，：；！？（）％＋＜＞．", ",:;!?()%+<>.", strict=True),
    *((wide, "~") for wide in "～〜∼"),
    *((dash, "-") for dash in "–—−‒‑－"),
    *((space, " ") for space in "\u00a0\u202f\u2009\u3000"),
    ("’", "'"),
    ("İ", "I"),  # the only letter that is two in small
)
_WIDE = re.compile("[０-９Ａ-Ｚａ-ｚ]")
_NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
# Code and titles ask for no length; the number of an item of a list is no part of one.
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_TITLE = re.compile(r"(?<=《)[^》\n]{0,60}(?=》)")
_ITEM = re.compile(r"\n[ \t]*\d{1,2}[.)、](?!000|\d+(?:\.\d+)?\s?(?:k|thousand|[百千万]))")
_STEM = re.compile("word|char|字|词|汉字|单词")  # quick to search for
_UNIT = re.compile(
    r"(?P<head>字数|(?P<english>word(?<![a-z]word)) ?(?:count|limit|length|target|budget)"
    r"|words(?:(?<=number of words)|(?<=length in words)))"
    r"|(?P<unit>words?(?<![a-z]word)(?<![a-z]words)(?![a-z])|char(?<![a-z]char)(?:acter)?s?(?![a-z])"
    r"|字符|汉字|字(?![节段典母体幕眼号形帖数符])|单词|词(?![汇语条组性典频义根缀类句牌]))"
)
_BEFORE, _AFTER = 120, 60  # how many characters around a number are looked at
_WINDOW = 64  # the longest range in words fits
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
# What may stand between `word count` and its number, and what shows that it counts something else.
_HEADED = re.compile(r"(?:[^\d。,;.!?\n%#]|(?<=approx)\.|(?<=m(?:in|ax))\.){0,24}")
_UNLIMITED = re.compile("不限|不作?要求|no limit")
_COUNTED = re.compile(
    r"\s*(?:[%年月日页章段篇个次条节号岁元集回课]|pages?|paragraphs?|sentences?|sections?|min|hours?"
    r"|points?|chapters?|steps?|people|\.\d|:\d)",
)


def plain(text: str) -> str:
    """Return a text in small letters and plain punctuation, blank where it asks for no length."""
    if not text.isascii():
        if _WIDE.search(text):
            text = text.translate(_NARROW)
        for wide, narrow in _SAME:
            text = text.replace(wide, narrow)
    text = f"\n{text.lower()}"
    for mark, aside in (("`", _CODE), ("《", _TITLE), ("\n", _ITEM)):
        if mark in text:
            text = aside.sub(lambda match: " " * len(match[0]), text)
    return text


def find(text: str) -> Iterator[Length]:
    """Yield the lengths in a text that `plain` has made plain."""
    place = 0
    while stem := _STEM.search(text, place):
        match = _UNIT.match(text, stem.start())
        place = match.end() if match else stem.end()
        if match is None:
            continue
        unit = "unit" if match["unit"] else "english"
        found = _before(text, *match.span(unit)) if match[unit] else None
        if found is None and match["head"]:
            found = _after(text, match)
        if found is not None:
            yield found


def _before(text: str, start: int, end: int) -> Length | None:
    """Read the number before a unit: 2,000 words, 两三千字, 1,000- to 1,500-word."""
    offset = max(0, start - _WINDOW)
    window = text[offset : start + 1]  # with the unit's first letter: 1w字
    numbers = numerals.find(window)
    gap = qualifiers.GAP.fullmatch(window, numbers[-1].end, len(window) - 1) if numbers else None
    if gap is None:
        return None
    if gap[0].startswith("-") and _counts(window, numbers):
        return None
    unit: Unit = "words" if text[start] in "w单词" else "characters"
    return _length(text, numbers, offset, end, unit, gap)


def _counts(window: str, numbers: list[Number]) -> bool:
    """Say whether what seems one number is two: three 500-word stories, 3 500-word stories."""
    if numbers[-1].spaced:
        return True
    return len(numbers) > 1 and not window[numbers[-2].end : numbers[-1].start].strip()


def _after(text: str, head: re.Match[str]) -> Length | None:
    """Read the number after a head: word count: 1500, 字数在4000至5000之间."""
    window = text[head.end() : head.end() + _AFTER]
    numbers = numerals.find(window)[:2]
    lead = _HEADED.fullmatch(window, 0, numbers[0].start) if numbers else None
    if lead is None or _UNLIMITED.search(lead[0]):
        return None
    if len(numbers) == 2 and not _TO.fullmatch(window, numbers[0].end, numbers[1].start):
        del numbers[1]
    after = window[numbers[-1].end :]
    if _COUNTED.match(after) or _UNIT.match(after.lstrip(" -个")):  # these are read from the unit
        return None
    unit: Unit = "words" if head[0].isascii() else "characters"
    return _length(text, numbers, head.end(), head.end() + numbers[-1].end, unit, None)


def _length(
    text: str, numbers: list[Number], offset: int, end: int, unit: Unit, gap: re.Match[str] | None
) -> Length | None:
    """Make a length of the last number, or of the last two where they are a range."""
    last = first = numbers[-1]
    low, high = last.low, last.high
    if len(numbers) > 1:
        earlier = numbers[-2]
        between = text[offset + earlier.end : offset + last.start]
        if between.strip() == "(" and earlier.low == low:
            first = earlier  # 2,000 (two thousand)
        else:
            shares = earlier.scale == 1 and earlier.low < low // last.scale  # 2-3k
            from_ = earlier.low * (last.scale if shares else 1)
            start = offset + earlier.start
            if from_ < high and _joined(between, text[max(0, start - _WINDOW) : start]):
                low, first = from_, earlier
    begin = offset + first.start
    left = _SENTENCE_END.split(text[max(0, begin - _BEFORE) : begin])[-1]
    right = _SENTENCE_END.split(text[end : end + _AFTER])[0]
    if last.bare and not _is_number_alone(left, right):
        return None
    kinds, rest = qualifiers.before(left)
    if first is last and len(numbers) > 1 and (floor := _other_bound(text, offset, numbers, kinds)):
        low, high = sorted((floor, high))
    kinds += ["above"] if last.bare and left.endswith("上") else []
    kinds += qualifiers.behind(gap, qualifiers.AFTER.match(right))
    said = text[begin:end]
    attributive = said.endswith(("word", "character")) or right.startswith("的")
    kind = "range" if low < high else qualifiers.decide(kinds, right)
    qualified = bool(kinds) or kind == "range"
    return Length(kind, low, high, unit, said, rest, right, qualified, attributive)


def _is_number_alone(left: str, right: str) -> bool:
    """Say whether a lone 百, 千 or 万 is a number: 近万字, 千字以内; not 几万字, 每千字."""
    if _BARE_AFTER.search(left):
        return True
    return bool(_BARE_BEGINS.search(left) and _BARE_BOUND.match(right))


def _other_bound(text: str, offset: int, numbers: list[Number], kinds: list[Kind]) -> int | None:
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
    """Say whether two numbers are a range; `expand it from 500 to 2,000 words` is none."""
    to = _TO.fullmatch(between)
    if to is None or _CHANGED.search(before):
        return False
    return to["to"] not in ("and", "和", "与") or _BETWEEN.search(before) is not None
