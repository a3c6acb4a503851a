"""Numbers as people write them: 2000, 2,000, 2k, two thousand, 两千, 2千, 1.5万, 一万五.

Libraries such as cn2an and word2number expect a string that contains only the number. Here numbers
are found in running text, and once they are, converting them takes little code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WORDS = {word: value for value, word in enumerate(ONES)}
_WORDS |= {word: 10 * value for value, word in enumerate(TENS, 2)}
_SCALES = {"k": 1000, "hundred": 100, "thousand": 1000, "million": 1_000_000}
_CJK_DIGITS = dict(
    zip("〇零一二两俩三四五六七八九", (0, 0, 1, 2, 2, 2, *range(3, 10)), strict=True)
)
_CJK_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "w": 10_000}

_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
_SCALE = "hundred|thousand|million"
_CJK = "".join(_CJK_DIGITS)
_FIRST = re.compile(f"[0-9{_CJK}十百千万]")
_FIGURES = re.compile(
    # 两三千, 三五百: a range
    rf"(?P<pair>[一二两三四五六七八九][二两三四五六七八九][百千万])(?![{_CJK}十百千万])"
    # 2千, 1.5万, 2万5千, 1w字
    rf"|(?P<mixed>(?<!\d)(?<!\d[.,])\d+(?:\.\d+)?\s?(?:[百千万]|w(?=\s*字))(?:[\d{_CJK}]+[百千]?)*)"
    rf"|(?P<cjk>[{_CJK}十百千万]+)"
    # 2,000, 2 000, 2.000, 2'000, 1.5k, 2 thousand; not a price, not a part of a name
    r"|(?<![\d$€£¥a-z_])(?<!\d[.,])(?P<digits>[1-9]\d{0,2}(?:(?P<mark>[, '.])\d{3})"
    r"(?:(?P=mark)\d{3})*(?!\d|,\d)|\d+(?:\.\d+)?)"
    rf"(?:[\s-]?(?P<scale>k(?![a-z])|(?:{_SCALE})\b))?",
)
# two thousand five hundred, twenty-five hundred. `and` joins only a smaller number: a hundred and
# fifty, two thousand and five hundred; not eleven and fifteen, one thousand and fifteen hundred.
_REST = rf"(?=[\s-]+(?:{_WORD})\b(?!(?:[\s-]+(?:{_WORD}))?[\s-]+(?:{_SCALE})\b))"
_HUNDREDS = rf"(?=[\s-]+(?:{'|'.join(ONES[1:10])})[\s-]+hundred\b(?![\s-]+(?:{_SCALE})\b))"
_SPELT = re.compile(
    rf"\b(?:an?(?=[\s-]+(?:{_SCALE})\b)|(?:{_WORD})\b)"
    rf"(?:[\s-]+(?:(?:{_SCALE})[\s-]+and{_REST}|(?:thousand|million)[\s-]+and{_HUNDREDS}"
    rf"|(?:{_SCALE}|{_WORD})\b))*"
)
_ANY_SPELT = re.compile(f"{_SCALE}|{_WORD}")  # a quick search; most texts then need no slow one


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number in a text.

    Attributes:
        start: Where it begins in the text.
        end: Where it ends in the text.
        low: Its value; of a pair such as 两三千, the lower one.
        high: Its value; of a pair, the higher one.
        scale: What its last word multiplies by: 1000 for `2k`, `two thousand` and 两千; else 1.
        spaced: Whether a space separates its digits.
        bare: Whether it is a lone 百, 千 or 万.
    """

    start: int
    end: int
    low: int
    high: int
    scale: int = 1
    spaced: bool = False
    bare: bool = False


def find(text: str) -> list[Numeral]:
    """Return the whole numbers from 1 to 10⁹ in a lower-case text, in order."""
    numerals = list(_figures(text))
    if _ANY_SPELT.search(text):
        for match in _SPELT.finditer(text):
            numerals.append(_number(match, _english(match[0]), _scale(match[0])))
        numerals.sort(key=lambda number: number.start)
    return [number for number in numerals if 1 <= number.low <= number.high < 10**9]


def _figures(text: str) -> Iterator[Numeral]:
    position = 0
    while first := _FIRST.search(text, position):
        match = _FIGURES.match(text, first.start())
        position = match.end() if match else first.end()
        if match is None:
            continue
        if match["digits"]:
            digits = match["digits"]
            if match["mark"]:
                digits = re.sub(r"[, '.]", "", digits)
            scale = _SCALES[match["scale"]] if match["scale"] else 1
            yield _number(match, float(digits) * scale, scale, spaced=match["mark"] == " ")
        elif match["pair"]:
            unit = _CJK_UNITS[match[0][2]]
            low, high = (_CJK_DIGITS[digit] * unit for digit in match[0][:2])
            yield Numeral(*match.span(), low, high, unit)
        else:
            bare = match[0] in ("百", "千", "万")
            yield _number(match, _chinese(match[0]), _scale(match[0]), bare=bare)


def _number(
    match: re.Match[str], value: float, scale: int, *, spaced: bool = False, bare: bool = False
) -> Numeral:
    number = int(value) if value == int(value) else 0
    return Numeral(*match.span(), number, number, scale, spaced, bare)


def _scale(phrase: str) -> int:
    return _CJK_UNITS.get(phrase[-1]) or _SCALES.get(re.split(r"[\s-]", phrase)[-1], 1)


def _english(phrase: str) -> float:
    total = 0
    current = 0
    for word in re.split(r"[\s-]+", phrase):
        if word in _WORDS:
            current += _WORDS[word]
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word in _SCALES:
            total += max(current, 1) * _SCALES[word]
            current = 0
    return float(total + current)


def _chinese(phrase: str) -> float:
    """Return the value of 一万五千, 2万5千, 两千五, 二〇〇〇; 0 if malformed, as 五六百七."""
    total = 0.0
    section = 0.0  # what is below 万
    last = 1  # the last unit read
    current: float | None = None
    for part in re.findall(rf"\d+(?:\.\d+)?|[{_CJK}]+|[十百千万w]", phrase):
        if part in _CJK_UNITS:
            last = _CJK_UNITS[part]
            if last == 10_000:
                total += ((section + (current or 0)) or 1) * last
                section = 0
            else:
                section += (1 if current is None else current) * last
            current = None
        elif part[0] in _CJK_DIGITS:
            zero = part.startswith(("零", "〇")) and len(part) > 1
            if zero and last > 1:
                part = part.lstrip("零〇")
                last = 10
            if len(part) > 1 and last > 1:
                return 0.0
            current = float("".join(str(_CJK_DIGITS[digit]) for digit in part) or 0)
        else:
            current = float(part)
    if current is not None and current < 10 and last >= 100:
        current *= last / 10
    return total + section + (current or 0)
