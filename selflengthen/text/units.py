"""The units of a text: its sentences, list items and lines, without bullets and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from selflengthen.text.token_arrays import Tokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from selflengthen.text.token_arrays import Hashes, Ints

    Codes = NDArray[np.unsignedinteger[Any]]

NUMBER = "#"
"""Stands for any number in the words of a unit."""

_TRIMMED = 3  # tokens without letters at either end of a unit, such as bullets
_MARKS = 12  # characters before an item in which its number stands
_DIGIT = re.compile("[0-9]")
_LETTER_OF_WORD = re.compile(r"[^\W\d_]")


class Units(NamedTuple):
    """Units of a text, each from its first word to its last, without marks and numbers around it.

    Attributes:
        tokens: of the text.
        keys: hashes of the tokens; all numbers have the same.
        starts: the first token of each unit.
        sizes: how many tokens it has.
    """

    tokens: Tokens
    keys: Hashes
    starts: Ints
    sizes: Ints


def codes_of(tokens: Tokens) -> Codes:
    """Return the characters of a text as numbers."""
    import numpy as np

    return np.frombuffer(tokens.raw, f"<u{tokens.width}")


def find_numbers(codes: Codes, tokens: Tokens) -> Ints:
    """Return the tokens with a digit in them."""
    import numpy as np

    digits = np.flatnonzero((codes >= ord("0")) & (codes <= ord("9")))
    return np.unique(np.searchsorted(tokens.starts, digits, "right") - 1)


def find_units(codes: Codes, tokens: Tokens, keys: Hashes) -> Units:
    """Return the units of a text."""
    import numpy as np

    starts = tokens.starts
    first = np.searchsorted(starts, _unit_ends(codes), "right")
    first = np.concatenate(([0], first[first < len(starts)]))
    first = first[np.diff(first, prepend=-1) > 0]
    last = np.append(first[1:], len(starts)) - 1
    for _ in range(_TRIMMED):
        words = _are_words(codes, tokens, keys, np.concatenate((first, last)))
        if words.all():
            return Units(tokens, keys, first, last - first + 1)
        long = first < last
        first = first + (long & ~words[: len(long)])
        last = last - (long & ~words[len(long) :] & (first < last))
    whole = _are_words(codes, tokens, keys, first)  # not a number alone on its line
    return Units(tokens, keys, first[whole], (last - first + 1)[whole])


def _unit_ends(codes: Codes) -> Ints:
    """Return the characters after which a sentence or a line has ended."""
    import numpy as np

    marks = (codes == ord("\n")) | (codes == ord(".")) | (codes == ord("!")) | (codes == ord("?"))
    if codes.itemsize > 1:
        for mark in "。！？；":
            marks |= codes == ord(mark)
    places = np.flatnonzero(marks)
    here = codes[places]
    first, second = (_kinds_at(codes, np.minimum(places + i, len(codes) - 1)) for i in (1, 2))
    latin = (here < 128) & (here != ord("\n"))
    goes_on = (first != _SPACE) & ((first != _CLOSE) | (second != _SPACE))
    ends: Ints = places[~(latin & goes_on)]
    return ends


_LETTER, _SPACE, _CLOSE = 1, 2, 4


@cache
def _kinds() -> NDArray[np.uint8]:
    """Return what each character up to U+FFFF is, as bits."""
    import numpy as np

    kinds = np.fromiter((chr(code).isalpha() for code in range(0x10000)), np.uint8, 0x10000)
    kinds[0xFFFF] = _LETTER  # stands for all beyond it
    kinds[[code for code in range(0x3001) if chr(code).isspace()]] = _SPACE
    kinds[[ord(char) for char in "\"'”’»)*_"]] = _CLOSE
    return kinds


def _kinds_at(codes: Codes, places: Ints) -> NDArray[np.uint8]:
    import numpy as np

    there = codes[places]
    return _kinds()[np.minimum(there, 0xFFFF) if codes.itemsize > 2 else there]


def _are_words(codes: Codes, tokens: Tokens, keys: Hashes, places: Ints) -> NDArray[np.bool_]:
    """Say which tokens have a letter among their first three characters, and no digit."""
    import numpy as np

    starts, ends = tokens.starts[places], tokens.ends[places] - 1
    letters = _kinds_at(codes, starts)
    for skip in (1, 2):
        letters = letters | _kinds_at(codes, np.minimum(starts + skip, ends))
    words: NDArray[np.bool_] = ((letters & _LETTER) != 0) & (keys[places] != 0)
    return words


def is_item(units: Units, unit: int) -> bool:
    """Say whether a number, a bullet or the mark of a heading stands before a unit on its line."""
    start = int(units.tokens.starts[units.starts[unit]])
    first = max(0, start - _MARKS)
    _, line, mark = _text(units.tokens, first, start).rpartition("\n")
    return bool(mark.strip()) and (bool(line) or not first)


def is_row(units: Units, unit: int) -> bool:
    """Say whether a unit is the row of a table: bars or tabs stand between its words."""
    first, last = units.starts[unit], units.starts[unit] + units.sizes[unit] - 1
    inside = _text(units.tokens, int(units.tokens.starts[first]), int(units.tokens.ends[last]))
    return "|" in inside or "\t" in inside


def unit_words(units: Units, unit: int) -> tuple[str, ...]:
    """Return the words of a unit as they stand in the text, all numbers as the same."""
    return words_at(units.tokens, int(units.starts[unit]), int(units.sizes[unit]))


def words_at(tokens: Tokens, first: int, count: int) -> tuple[str, ...]:
    """Return tokens as they stand in the text, all numbers as the same."""
    places = slice(first, first + count)
    spans = zip(tokens.starts[places].tolist(), tokens.ends[places].tolist(), strict=True)
    words = (_text(tokens, start, end) for start, end in spans)
    return tuple(NUMBER if _DIGIT.search(word) else word for word in words)


def letters(words: Iterable[str]) -> int:
    """Return how many of the words have letters."""
    return sum(_LETTER_OF_WORD.search(word) is not None for word in words)


def _text(tokens: Tokens, start: int, end: int) -> str:
    codec = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[tokens.width]
    return tokens.raw[start * tokens.width : end * tokens.width].decode(codec, "surrogatepass")
