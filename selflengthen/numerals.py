"""Numbers as people write them: 2000, 2,000, 2k, two thousand, 两千, 2千, 1.5万, 一万五.

Libraries read a number that has been cut out already (cn2an, word2number); here it has to be found
in running text first, and by then little is left to do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WORDS = {word: value for value, word in enumerate(_ONES)}
_WORDS |= {word: 10 * value for value, word in enumerate(_TENS, 2)}
_SCALES = {"k": 1000, "hundred": 100, "thousand": 1000, "million": 1_000_000}
_CJK_DIGITS = dict(zip("〇零一二两俩三四五六七八九", (0, 0, 1, 2, 2, 2, *range(3, 10)), strict=True))
_CJK_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "w": 10_000}

_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
_SCALE = "hundred|thousand|million"
_CJK = "".join(_CJK_DIGITS)
_NUMBER = re.compile(
    # 两三千, 三五百: from the one to the other
    rf"(?P<pair>[一二两三四五六七八九][二两三四五六七八九][百千万])(?![{_CJK}十百千万])"
    # 2千, 1.5万, 2万5千, 1w字
    rf"|(?P<mixed>(?<!\d)(?<!\d[.,])\d+(?:\.\d+)?\s?(?:[百千万]|w(?=\s*字))(?:[\d{_CJK}]+[百千]?)*)"
    rf"|(?P<cjk>[{_CJK}十百千万]+)"
    # 2,000, 2 000, 2.000, 2'000, 1.5k, 2 thousand; no price, no part of a name
    r"|(?<![\d$€£¥a-z_])(?<!\d[.,])(?P<digits>[1-9]\d{0,2}(?:(?P<mark>[, '.])\d{3})(?:(?P=mark)\d{3})*"
    rf"(?!\d|,\d)|\d+(?:\.\d+)?)(?:[\s-]?(?P<scale>k(?![a-z])|(?:{_SCALE})\b))?"
    # two thousand five hundred, a hundred and fifty, twenty-five hundred
    rf"|\b(?P<words>(?:an?(?=[\s-]+(?:{_SCALE})\b)|(?:{_WORD})\b)"
    rf"(?:[\s-]+(?:{_SCALE}|and[\s-]+(?:{_WORD})(?![\s-]+(?:{_SCALE}))|{_WORD})\b)*)",
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text: where it stands and from what to what it goes (the same, mostly).

    `scale` is what its last word multiplies by: 1000 for `2k`, `two thousand` and 两千; else 1.
    `spaced` says that a space stands among its digits, `bare` that it is a lone 百, 千 or 万.
    """

    start: int
    end: int
    low: int
    high: int
    scale: int = 1
    spaced: bool = False
    bare: bool = False


def find(text: str) -> list[Number]:
    """Return the whole numbers above 0 of a text in small letters, in order."""
    found = (_read(match) for match in _NUMBER.finditer(text))
    return [number for number in found if number is not None]


def _read(match: re.Match[str]) -> Number | None:
    start, end = match.span()
    said = match[0]
    if match["pair"]:
        unit = _CJK_UNITS[said[2]]
        low, high = (_CJK_DIGITS[digit] * unit for digit in said[:2])
        return Number(start, end, low, high, unit) if low < high else None
    if match["digits"]:
        scale = _SCALES.get(match["scale"] or "", 1)
        whole = re.sub(r"[, '.]", "", match["digits"]) if match["mark"] else match["digits"]
        value, spaced = float(whole) * scale, match["mark"] == " "
    else:
        scale, spaced = _scale(said), False
        read = _english(said) if match["words"] else _chinese(said)
        if read is None:
            return None
        value = read
    if value < 1 or value != int(value) or value > 10**9:
        return None
    return Number(start, end, int(value), int(value), scale, spaced, said in ("百", "千", "万"))


def _scale(said: str) -> int:
    return _CJK_UNITS.get(said[-1]) or _SCALES.get(re.split(r"[\s-]", said)[-1], 1)


def _english(said: str) -> float:
    total, current = 0, 0
    for word in re.split(r"[\s-]+", said):
        if word in _WORDS:
            current += _WORDS[word]
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word in _SCALES:
            total, current = total + max(current, 1) * _SCALES[word], 0
    return float(total + current)


def _chinese(said: str) -> float | None:
    """Read 一万五千, 2万5千, 两千五 (2,500), 二〇〇〇; None for what is no number, as 五六百七."""
    total, section, last = 0.0, 0.0, 1
    current: float | None = None
    for part in re.findall(rf"\d+(?:\.\d+)?|[{_CJK}]+|[十百千万w]", said):
        if part in _CJK_UNITS:
            last = _CJK_UNITS[part]
            if last == 10_000:
                total, section = ((section + (current or 0)) or 1) * last + total, 0
            else:
                section += (1 if current is None else current) * last
            current = None
        elif part[0] in _CJK_DIGITS:
            zero = part.startswith(("零", "〇")) and len(part) > 1
            if zero and last > 1:
                part, last = part.lstrip("零〇"), 10
            if len(part) > 1 and last > 1:
                return None
            current = float("".join(str(_CJK_DIGITS[digit]) for digit in part) or 0)
        else:
            current = float(part)
    if current is not None and current < 10 and last >= 100:
        current *= last / 10
    return total + section + (current or 0)
