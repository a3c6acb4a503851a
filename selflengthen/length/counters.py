"""Counts words exactly as each benchmark does.

The benchmarks use regular expressions, which process 10 to 15 MB/s. Here a table maps each
character to its kinds and numpy counts them; the result is the same.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Kinds = NDArray[np.uint8]

# The kinds of a character, as bits.
_SPACE = 1 << 0  # white space
_LETTER = 1 << 1  # an ASCII letter
_WORDLIKE = 1 << 2  # matched by \w: a letter of any script, a digit, an underscore
_WIDE = 1 << 3  # counted one by one by LonGen
_HAN = 1 << 4  # an ideograph
_JOINED = 1 << 5  # joined into words by LIFEBench


def longen_words(text: str) -> int:
    """Count as LonGen does: each wide character, and the whitespace-separated tokens of the rest.

    Wide characters are U+3000-303F, U+4E00-9FFF and U+FF00-FFEF. (`measures.word_count` counts the
    characters of more scripts one by one.)
    """
    if text.isascii():
        return len(text.split())
    import numpy as np

    kinds = _kinds(text)
    wide = kinds & _WIDE > 0
    token = kinds & (_WIDE | _SPACE) == 0
    starts = np.count_nonzero(token[1:] & ~token[:-1]) + int(token[0])
    return int(np.count_nonzero(wide) + starts)


def longbench_words(text: str) -> int:
    """Count as LongBench-Write does: ideographs, and runs of ASCII letters between word boundaries.

    Ideographs are U+4E00-9FFF. A word boundary lies between a word character (a letter of
    any script, a digit, an underscore) and any other: neither `GPT4` nor the GPU in 用GPU训练
    counts, and `don't` counts twice.
    """
    import numpy as np

    kinds = np.zeros(len(text) + 2, np.uint8)
    kinds[1:-1] = _kinds(text)
    letter = kinds & _LETTER > 0
    wordlike = kinds & _WORDLIKE > 0
    edges = np.flatnonzero(letter[1:] != letter[:-1])
    starts = edges[::2]  # the position before the first letter of a run
    ends = edges[1::2]  # the position of its last letter
    words = np.count_nonzero(~wordlike[starts] & ~wordlike[ends + 1])
    return int(np.count_nonzero(kinds & _HAN) + words)


def lifebench_words(text: str) -> int:
    """Count as LIFEBench does: ideographs, and runs of ASCII letters, digits, `'` and `-`.

    A run counts if it has at least two word boundaries, inside or at its ends (see
    `longbench_words`; `'` and `-` are not word characters): `it's` and `GPT-4` count once, `--` and
    the GPU in 用GPU训练 do not.
    """
    import numpy as np

    kinds = np.zeros(len(text) + 2, np.uint8)
    kinds[1:-1] = _kinds(text)
    joined = kinds & _JOINED > 0
    wordlike = kinds & _WORDLIKE > 0
    edges = np.flatnonzero(joined[1:] != joined[:-1])
    starts = edges[::2]  # the position before the first character of a run
    ends = edges[1::2]  # the position of its last character
    boundaries = np.cumsum(wordlike[1:] != wordlike[:-1])
    first = wordlike[starts + 1] != wordlike[starts]
    words = np.count_nonzero(boundaries[ends] - boundaries[starts] + first >= 2)
    return int(np.count_nonzero(kinds & _HAN) + words)


def _kinds(text: str) -> Kinds:
    """Return the kinds of each character of a text, shape (characters,)."""
    import numpy as np

    if text.isascii():
        return _table().take(np.frombuffer(text.encode("ascii"), np.uint8))
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    kinds: Kinds = _table().take(np.minimum(codes, 0xFFFF))
    # Characters beyond the table are rare; each is classified individually.
    for position in np.flatnonzero(codes > 0xFFFF).tolist():
        kinds[position] = _kind(text[position])
    return kinds


@cache
def _table() -> Kinds:
    """Return the kinds of every character up to U+FFFF, shape (65536,)."""
    import numpy as np

    return np.array([_kind(chr(code)) for code in range(0x10000)], np.uint8)


def _kind(character: str) -> int:
    han = "\u4e00" <= character <= "\u9fff"
    wide = han or "\u3000" <= character <= "\u303f" or "\uff00" <= character <= "\uffef"
    return (
        _SPACE * character.isspace()
        | _LETTER * (character.isascii() and character.isalpha())
        | _WORDLIKE * (character.isalnum() or character == "_")
        | _WIDE * wide
        | _HAN * han
        | _JOINED * (character.isascii() and (character.isalnum() or character in "'-"))
    )
