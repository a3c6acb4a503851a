"""How each benchmark counts words. The counts are those of its own patterns, to the last one.

Each character's kind is looked up in a table; the patterns themselves read 10 to 15 MB/s.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Kinds = NDArray[np.uint8]

# What a character is, in bits: white space; an ASCII letter; what words are made of; what LonGen
# counts one by one; an ideograph; what LIFEBench makes words of.
_SPACE, _LETTER, _WORDLIKE, _WIDE, _HAN, _JOINED = (1 << bit for bit in range(6))


def longen_words(text: str) -> int:
    """Count as LonGen does: wide characters one by one, and what white space parts of the rest.

    Wide are U+3000-303F, U+4E00-9FFF and U+FF00-FFEF. `text.word_count` counts more scripts so.
    """
    if text.isascii():
        return len(text.split())
    import numpy as np

    kinds = _kinds(text)
    wide = kinds & _WIDE > 0
    token = kinds & (_WIDE | _SPACE) == 0
    begins = np.count_nonzero(token[1:] & ~token[:-1]) + int(token[0])
    return int(np.count_nonzero(wide) + begins)


def longbench_words(text: str) -> int:
    """Count as LongBench-Write does: ideographs, and runs of ASCII letters between word boundaries.

    Ideographs are U+4E00-9FFF. A boundary is where a character of words (a letter of any script,
    a digit, an underscore) meets another one: neither `GPT4` nor the GPU of 用GPU训练 counts, and
    `don't` counts twice.
    """
    import numpy as np

    kinds = np.zeros(len(text) + 2, np.uint8)
    kinds[1:-1] = _kinds(text)
    letter = kinds & _LETTER > 0
    wordlike = kinds & _WORDLIKE > 0
    edges = np.flatnonzero(letter[1:] != letter[:-1])
    begins, ends = edges[::2], edges[1::2]  # before the first letter, on the last
    words = np.count_nonzero(~wordlike[begins] & ~wordlike[ends + 1])
    return int(np.count_nonzero(kinds & _HAN) + words)


def lifebench_words(text: str) -> int:
    """Count as LIFEBench does: ideographs, and runs of ASCII letters, digits, `'` and `-`.

    A run counts where it has two word boundaries in it or at its ends (see `longbench_words`; `'`
    and `-` are not part of words): `it's` and `GPT-4` are one, `--` is none, nor is the GPU of
    用GPU训练.
    """
    import numpy as np

    kinds = np.zeros(len(text) + 2, np.uint8)
    kinds[1:-1] = _kinds(text)
    joined = kinds & _JOINED > 0
    wordlike = kinds & _WORDLIKE > 0
    edges = np.flatnonzero(joined[1:] != joined[:-1])
    begins, ends = edges[::2], edges[1::2]  # before the first character of a run, on the last
    boundaries = np.cumsum(wordlike[1:] != wordlike[:-1])
    first = wordlike[begins + 1] != wordlike[begins]
    words = np.count_nonzero(boundaries[ends] - boundaries[begins] + first >= 2)
    return int(np.count_nonzero(kinds & _HAN) + words)


def _kinds(text: str) -> Kinds:
    import numpy as np

    if text.isascii():
        return _table().take(np.frombuffer(text.encode("ascii"), np.uint8))
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    kinds: Kinds = _table().take(np.minimum(codes, 0xFFFF))
    for place in np.flatnonzero(codes > 0xFFFF).tolist():
        kinds[place] = _kind(text[place])
    return kinds


@cache
def _table() -> Kinds:
    """Return the kind of every character up to U+FFFF."""
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
