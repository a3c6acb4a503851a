"""Words that make a number a floor, a ceiling or a target: at least, no more than, 左右, 以内.

They are searched for before a number (nearest first) and after it, in text from
`mentions.normalize`.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

Kind = Literal["about", "range", "above", "below"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_NEAR = 48  # characters before a number in which to look for its qualifier

# Qualifiers after a number: between number and unit, and after the unit.
_ABOUT_AFTER = "左右|上下(?!文)|or so|or thereabouts|more or less|give or take"
_ABOVE_AFTER = (
    r"(?:及|或)?以上|起(?![草来到])|往上|开外|(?:or|and) (?:more|longer|over|above|up)\b"
    r"|(?:at (?:an? )?|(?:is|are) (?:the|my|our|an?) (?:bare )?)?min(?:imum)?\b"
    r"|at (?:the )?(?:very )?least|\+"
)
_BELOW_AFTER = (
    r"(?:及|或)?[以之]内|[以之]下(?![面列内是])|内(?![容部外涵心])|为限|封顶"
    r"|or (?:less|fewer|under|shorter|below)\b"
    r"|(?:at (?:an? )?|(?:is|are) (?:the|my|our|an?) (?:absolute )?)?(?:max(?:imum)?|limit|cap)\b"
    r"|at (?:the )?most|tops\b"
)


def _any_after(about: str = "", above: str = "") -> str:
    """Return a pattern of all qualifiers after a number, with additional ones of two kinds."""
    return (
        rf"(?:(?P<about>{_ABOUT_AFTER}{about})|(?P<above>{_ABOVE_AFTER}{above})"
        rf"|(?P<below>{_BELOW_AFTER}))"
    )


GAP = re.compile(
    rf"\)?[\s-]*(?:{_any_after('|来', '|[多余]|plus')})?[\s-]*"
    r"(?:(?:total|full|english|chinese|英文|英语|中文|的|个)[\s-]*)*",
)
AFTER = re.compile(
    r"(?:的?篇幅)?[\s,(-]*(?:(?:word|in length|long|total)[\s,(]+)*" + _any_after(),
)

# Qualifiers before a number. A negation reverses a comparative: no more than.
_FILL = (
    r"(?:[\s:*_\"“”(\[,~-]|\b(?:of|is|are|be|a|an|the|to|at|in|it|total|length|count|limit|words?"
    r"|somewhere|or equal)\b|字数|篇幅|总|共|为|在|到|达|于|是|一|个|篇|份|的|成|出|写"
    r"|有|要|需|须|得|应|当|该|能|只|可|以|也|用|够|等|给|我|你)*$"
)
# the minimum length of the essay (is 500 words); the upper limit
_OF_ITS_LENGTH = (
    r"(?: word)? (?:length|count|limit|bound|size)\b"
    r"(?: (?:of|for) (?:the|your|an?|my|this) [a-z]+)?"
)
_QUALIFIER = re.compile(
    r"(?:(?P<about>\b(?:about|around|approximately|roughly|circa|nearly|almost|some|close to)\b"
    r"|\b(?:approx|ca)\b\.?|in the (?:region|neighbou?rhood|vicinity) of|[≈~]|大约|大概|约|差不多"
    r"|将近|接近|近)"
    r"|(?P<above>\b(?:at (?:the )?(?:very )?least|at a minimum|min(?:imum)?|upwards? of|reach)\b\.?"
    rf"|\b(?:min(?:imum)?|lower){_OF_ITS_LENGTH}|>=?|≥|至少|最少|起码|最低|最短|下限|不止|(?<![表传抵发])达|写满"
    r"|(?<![能足不])够)"
    r"|(?P<below>\b(?:within|up to|at (?:the )?most|at a maximum|max(?:imum)?"
    r"|(?:limit|restrict|confine)(?:e?d|ing)?"
    r"(?: (?!to|of)\w+){0,3} (?:to|of)|(?:word|length) limit|limit(?=:)|capped|cap(?: \w+){1,3} at"
    r"|(?:may|can) (?:be |have |run )?as (?:long|many|much) as)\b\.?"
    rf"|\b(?:max(?:imum)?|upper){_OF_ITS_LENGTH}|<=?|≤|最多|至多|最长|上限|(?<![有无局权])限)"
    r"|(?P<over>\b(?:(?:more|longer|greater|higher) than|over|exceed(?:s|ed|ing)?"
    r"|surpass(?:es|ing)?|in excess of"
    r"|(?:above|beyond)(?! (?:in|is|are|has)\b))\b|超过|超出|超|多于|大于|高于|长于)"
    r"|(?P<under>\b(?:(?:less|fewer|shorter|lower) than|under"
    r"|below(?! (?:in|is|are|has)\b))\b"
    r"|少于|小于|低于|短于|不足(?![写的要可])|不到|不够|(?<!有)没有))" + _FILL,
)
# Every match of `_QUALIFIER` contains one of these, and they are much faster to find.
_QUALIFYING = re.compile(
    r"ab|arou|ap|roug|circa|nea|alm|some|close|region|neigh|vicin|ca|least|min|upw|reach|with|up to"
    r"|most|max|limit|than|over|bey|exc|surp|under|below|restrict|confin|lower|upper|as long|as m"
    r"|[≈~>=<≥≤约大近差将接至最起不达多上下限超高长少小低短满够没]"
)
_NEGATION = re.compile(
    r"(?:(?:\b(?:not|never|cannot)|n't)\b(?:\s+[a-z]+(?:\s+(?:anything|any|me|us|a word)){0,2})?"
    r"|\b(?:no|nothing|without|avoid)\b|[不别勿]|避免)"
    r"(?:\s*(?:\b(?:be|go|get|run|to|any)\b|得|能|要|可|以|应|该|宜|准|许|会|当|必|写|再))*\s*$",
)
# "Essays of fewer than (500 words) will be rejected" states a floor.
REJECTED = re.compile(
    r"\s*(?:long\s+|in length\s+)?(?:will|are|is|may|shall)\s+be\s+(?:rejected|refused|disqualified"
    r"|discarded|returned|ignored)"
    r"|\s+(?:is|are)\s+too\s+(?:short|long)\b"
    r"|\s*(?:long\s+|in length\s+)?(?:won't|(?:will|can|may|shall) ?not|can't)\s+be\s+(?:accepted"
    r"|considered|read|marked|graded)"
    r"|\s*的?(?:都|均|将|会|一律|视为|算)?(?:不合格|不及格|不予|不收|不通过|不接受|不给分|退回|作废|扣分|无效)",
)
_OPPOSITE: dict[Kind, Kind] = {"above": "below", "below": "above"}
_NEGATED: dict[str, Kind] = {"over": "below", "under": "above"}
_PLAIN: dict[str, Kind] = {"over": "above", "under": "below", "about": "about"}
_PLAIN |= {"above": "above", "below": "below"}


def before(left: str) -> tuple[list[Kind], str]:
    """Read the qualifiers before a number.

    Returns:
        The kinds they stand for, nearest first, and the text before them.
    """
    kinds: list[Kind] = []
    while _QUALIFYING.search(left, near := max(0, len(left) - _NEAR)):
        match = _QUALIFIER.search(left, near)
        if match is None:
            break
        left = left[: match.start()]
        group = str(match.lastgroup)
        negated = _NEGATION.search(left) if group in _NEGATED else None
        if negated:
            left = left[: negated.start()]
        kinds.append(_NEGATED[group] if negated else _PLAIN[group])
    return kinds, left


def after(*matches: re.Match[str] | None) -> list[Kind]:
    """Return the kinds that matches of `GAP` and `AFTER` stand for."""
    groups = (match.lastgroup for match in matches if match is not None)
    return [_PLAIN[group] for group in groups if group]


def decide(kinds: list[Kind], right: str) -> Kind:
    """Decide on one kind for a number.

    An approximate ceiling is a target (within about 4,000 words); an approximate floor stays a
    floor. A length that gets a text rejected is the opposite of the one asked for.

    Args:
        kinds: The kinds before and after the number.
        right: The rest of its sentence.
    """
    kind: Kind = kinds[0] if kinds else "about"
    if "about" in kinds:
        kind = "above" if "above" in kinds else "about"
    return _OPPOSITE.get(kind, kind) if REJECTED.match(right) else kind
