"""Lengths in a text: numbers of words or characters, and what is said around them.

What they are the lengths of is not decided here (see demand.py). Numbers are looked for before what
makes a length of them (words, characters, 字) and after what announces one (word count, 字数).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from selflengthen.length import numerals
from selflengthen.length.numerals import Number

Kind = Literal["about", "range", "above", "below"]
KINDS: tuple[Kind, ...] = get_args(Kind)
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
_TITLE = re.compile(r"《[^》\n]{0,60}》")
_ITEM = re.compile(r"\n[ \t]*\d{1,2}[.)、](?!000|\d+(?:\.\d+)?\s?(?:k|thousand|[百千万]))")
_STEM = re.compile("word|char|字|词|汉字|单词")  # quick to search for
_UNIT = re.compile(
    r"(?P<head>字数|(?P<english>word(?<![a-z]word)) ?(?:count|limit|length|target)"
    r"|words(?:(?<=number of words)|(?<=length in words)))"
    r"|(?P<unit>words?(?<![a-z]word)(?<![a-z]words)(?![a-z])|char(?<![a-z]char)(?:acter)?s?(?![a-z])"
    r"|字符|汉字|字(?![节段典母体幕眼号形帖数符])|单词|词(?![汇语条组性典频义根缀类句牌]))"
)
_BEFORE, _AFTER = 120, 60  # how many characters around a number are looked at
_WINDOW = 64  # the longest range in words fits
_NEAR = 48  # how near to a number stands what qualifies it
_SENTENCE_END = re.compile(r"[。!?;\n.](?<!\.(?=\S))(?<!min\.)(?<!max\.)(?<!approx\.)")
_TO = re.compile(
    r"\s*(?:个?(?:汉字|单词|[字词])|words?|characters?)?\s*-?\s*"
    r"(?P<to>-{1,2}|~|to|or|至|到|、|and|和)\s*",
)
_BETWEEN = re.compile(r"(?:between|介于|从|在|于)\s*$")
_AND = re.compile(r"[\s,、]*(?:\b(?:and|but)\b|而|且|并且?|但)?[\s,]*")
_CHANGED = re.compile(
    r"\b(?:expand|extend|lengthen|increas|grow|shorten|cut|reduc|condens|trim|compress)[^.!?\n]*"
    r"\bfrom\s*$",
)

# What qualifies a number from behind it: among number and unit, and after the unit.
_ABOUT_AFTER = "左右|上下(?!文)|or so|or thereabouts|more or less|give or take"
_ABOVE_AFTER = (
    r"(?:及|或)?以上|起(?![草来到])|往上|开外|(?:or|and) (?:more|longer|over|above|up)\b"
    r"|min(?:imum)?\b|at (?:the )?(?:very )?least|\+"
)
_BELOW_AFTER = (
    r"(?:及|或)?[以之]内|[以之]下(?![面列内是])|内(?![容部外涵心])|为限|封顶"
    r"|or (?:less|fewer|under|shorter|below)\b|max(?:imum)?\b|limit\b|cap\b|at (?:the )?most|tops\b"
)
_AFTER_ALL = (
    rf"(?:(?P<about>{_ABOUT_AFTER})|(?P<above>{_ABOVE_AFTER}{{more}})|(?P<below>{_BELOW_AFTER}))"
)
_GAP = re.compile(
    rf"\)?[\s-]*(?:{_AFTER_ALL.replace('{more}', '|[多余来]|plus')})?[\s-]*"
    r"(?:(?:total|full|english|chinese|英文|英语|中文|的|个)[\s-]*)*",
)
_RIGHT = re.compile(
    r"(?:的?篇幅)?[\s,(-]*(?:(?:word|in length|long|total)[\s,(]+)*"
    + _AFTER_ALL.replace("{more}", ""),
)

# What qualifies it from before. A comparative is turned round by a negation before it.
_FILL = (
    r"(?:[\s:*_\"“”(\[,~-]|\b(?:of|is|are|be|a|an|the|to|at|in|it|total|length|count|limit|words?"
    r"|somewhere)\b|字数|篇幅|总|共|为|在|到|达|于|是|一|个|篇|份|的|成|出|写)*$"
)
_QUALIFIER = re.compile(
    r"(?:(?P<about>\b(?:about|around|approximately|roughly|circa|nearly|almost|some|close to)\b"
    r"|\b(?:approx|ca)\b\.?|in the (?:region|neighbou?rhood|vicinity) of|[≈~]|大约|大概|约|差不多"
    r"|将近|接近|近)"
    r"|(?P<above>\b(?:at (?:the )?(?:very )?least|at a minimum|min(?:imum)?|upwards? of|reach)\b\.?"
    r"|>=?|≥|至少|最少|起码|最低|不止|达)"
    r"|(?P<below>\b(?:within|up to|at (?:the )?most|at a maximum|max(?:imum)?|limit(?:ed|ing)?"
    r"(?: (?!to|of)\w+){0,3} (?:to|of)|(?:word|length) limit|limit(?=:)|capped)\b\.?|<=?"
    r"|≤|最多|至多|最长|上限|限)"
    r"|(?P<over>\b(?:(?:more|longer|greater|higher) than|over|above|beyond|exceed(?:s|ed|ing)?"
    r"|surpass(?:es|ing)?|in excess of)\b|超过|超出|超|多于|大于|高于|长于)"
    r"|(?P<under>\b(?:(?:less|fewer|shorter|lower) than|under|below)\b|少于|小于|低于|短于|不足))"
    + _FILL,
)
# One of these is in whatever that finds, and they are found much quicker.
_QUALIFYING = re.compile(
    r"ab|arou|ap|roug|circa|nea|alm|some|close|region|neigh|vicin|ca|least|min|upw|reach|with|up to"
    r"|most|max|limit|than|over|bey|exc|surp|under|below|[≈~>=<≥≤约大近差将接至最起不达多上限超高长少小低短]"
)
_NEGATION = re.compile(
    r"(?:(?:\b(?:not|never|cannot)|n't)\b(?:\s+[a-z]+)?|\b(?:no|without|avoid)\b|[不别勿]|避免)"
    r"(?:\s*(?:\b(?:be|go|get|run|to)\b|得|能|要|可|以|应|该|宜|准|许|会|当|必))*\s*$",
)
_TURNED: dict[str, Kind] = {"over": "below", "under": "above"}
_STRAIGHT: dict[str, Kind] = {"over": "above", "under": "below", "about": "about"}
_STRAIGHT |= {"above": "above", "below": "below"}

# What may stand between `word count` and its number, and what shows that it counts something else.
_HEADED = re.compile(r"[^\d。,;.!?\n%#]{0,24}")
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
    gap = _GAP.fullmatch(window, numbers[-1].end, len(window) - 1) if numbers else None
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
    if last.bare and not re.search(r"[近约上达个篇写出部份成到满]$", left):
        return None  # 几万字, 每千字
    kinds, rest = _qualifiers(left)
    if first is last and len(numbers) > 1 and (floor := _other_bound(text, offset, numbers, kinds)):
        low, high = sorted((floor, high))
    kinds += ["above"] if last.bare and left.endswith("上") else []
    for after in (gap, _RIGHT.match(right)):
        kinds += [_STRAIGHT[after.lastgroup]] if after is not None and after.lastgroup else []
    said = text[begin:end]
    attributive = said.endswith(("word", "character")) or right.startswith("的")
    kind = "range" if low < high else _kind(kinds)
    qualified = bool(kinds) or kind == "range"
    return Length(kind, low, high, unit, said, rest, right, qualified, attributive)


def _other_bound(text: str, offset: int, numbers: list[Number], kinds: list[Kind]) -> int | None:
    """Return the bound that shares its unit: no less than 800 and no more than 1,000 words."""
    earlier, last = numbers[-2:]
    here, rest = _qualifiers(text[offset + earlier.end : offset + last.start])
    if not here or not _AND.fullmatch(rest):
        return None
    start = offset + earlier.start
    there, _ = _qualifiers(_SENTENCE_END.split(text[max(0, start - _BEFORE) : start])[-1])
    bounds = {*here[:1], *there[:1]}
    return earlier.low if bounds == {"above", "below"} else None


def _joined(between: str, before: str) -> bool:
    """Say whether two numbers are a range; `expand it from 500 to 2,000 words` is none."""
    to = _TO.fullmatch(between)
    if to is None or _CHANGED.search(before):
        return False
    return to["to"] not in ("and", "和") or _BETWEEN.search(before) is not None


def _qualifiers(left: str) -> tuple[list[Kind], str]:
    """Return what the words before a number make of it, the nearest first, and what is before."""
    kinds: list[Kind] = []
    while _QUALIFYING.search(left, near := max(0, len(left) - _NEAR)):
        match = _QUALIFIER.search(left, near)
        if match is None:
            break
        left, group = left[: match.start()], str(match.lastgroup)
        negated = _NEGATION.search(left) if group in _TURNED else None
        if negated:
            left = left[: negated.start()]
        kinds.append(_TURNED[group] if negated else _STRAIGHT[group])
    return kinds, left


def _kind(kinds: list[Kind]) -> Kind:
    """Decide between what was said before and after a number.

    A rough ceiling is a target (within about 4,000 words); a rough floor is a floor.
    """
    if "about" in kinds:
        return "above" if "above" in kinds else "about"
    return kinds[0] if kinds else "about"
