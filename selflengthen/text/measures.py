"""What can be measured on a text alone: words, paragraphs, variety, repeats.

A *token* is a CJK character (CJK punctuation and full-width forms included) or a run of anything
else between white space and CJK characters. Words are counted in tokens, and n-grams are made of
them. Every string is a text: control characters and lone surrogates are characters like others.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Hashes = NDArray[np.uint64]

# The paper counts U+3000-303F, 4E00-9FFF and FF00-FFEF; kana, bopomofo and the rarer ideographs
# are added, as they too are written without spaces. Hangul is not: Korean has spaces.
_CJK_RANGES = (
    (0x3000, 0x312F),
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF00, 0xFFEF),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)
CJK = "".join(f"{chr(first)}-{chr(last)}" for first, last in _CJK_RANGES)  # for use inside [ ]
_TOKEN = re.compile(f"[{CJK}]|[^{CJK}\\s]+")
_HIGH = re.compile(rb"[\xe3-\xff]")  # begins each character from U+3000 on, as all of CJK is
_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")


def word_count(text: str) -> int:
    """Count words as the paper does: CJK characters, and what white space parts of the rest."""
    if text.isascii() or not _HIGH.search(text.encode("utf-8", "surrogatepass")):
        return len(text.split())
    return len(_find(text).starts)


def tokens(text: str) -> list[str]:
    """Split a text into the tokens that `word_count` counts."""
    return text.split() if text.isascii() else _TOKEN.findall(text)


@dataclass(frozen=True)
class Paragraphs:
    """A text's paragraphs in order, and what parted them: a blank line or a line's end."""

    parts: tuple[str, ...]
    separator: str

    def first(self, share: float) -> str:
        """Return the first `share` (0 to 1) of the paragraphs as one text.

        Their number is rounded, halves upwards, and at least one: half of five is three, two
        thirds of four are three, two thirds of two are one.
        """
        count = max(1, int(len(self.parts) * share + 0.5))
        return self.separator.join(self.parts[:count])

    def __str__(self) -> str:
        """Return the whole text again, tidied."""
        return self.separator.join(self.parts)


def paragraphs(text: str) -> Paragraphs:
    """Split at blank lines; at every line's end where that gives two paragraphs at most."""
    text = text.replace("\r\n", "\n")
    parts = _stripped(_BLANK_LINES.split(text))
    lines = _stripped(text.split("\n")) if len(parts) <= 2 else parts
    return Paragraphs(lines, "\n") if len(lines) > len(parts) else Paragraphs(parts, "\n\n")


def _stripped(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(stripped for part in parts if (stripped := part.strip()))


def distinct(text: str, n: int) -> float:
    """Return the share of n-grams that are different from one another; 1 for a shorter text."""
    split = tokens(text)
    total = len(split) - n + 1
    return len(_grams(split, n)) / total if total > 0 else 1.0


def repetition(text: str, n: int = 4) -> float:
    """Return rep-n, the share of n-grams that were there before: 0 for none, near 1 for a loop."""
    return 1 - distinct(text, n)


def gzip_ratio(text: str) -> float:
    """Return bytes before over bytes after gzip: the more, the more of the text says it again.

    Prose of some length lies between 2 and 3; 0 for an empty text.
    """
    data = text.encode("utf-8", "surrogatepass")
    return len(data) / len(gzip.compress(data, mtime=0))


_SPOKEN = re.compile(f"(?=\\w)[{CJK}]|(?:(?![{CJK}])\\w)+(?:['’-](?:(?![{CJK}])\\w)+)*")
_FACTOR = 0.72


def mtld(text: str) -> float:
    """Return MTLD: how many words on average until the share of different ones falls to 0.72.

    The mean of reading forwards and backwards; what is left over at the end counts as the part of
    a stretch that its share makes it (McCarthy and Jarvis 2010). Words are CJK characters and runs
    of letters and digits, without regard to case or punctuation; a text whose words all differ has
    their number, so compare no texts under a hundred words.
    """
    words = _SPOKEN.findall(text.casefold())
    return (_stretch(words) + _stretch(words[::-1])) / 2


def _stretch(words: Sequence[str]) -> float:
    factors, start, seen = 0.0, 0, set[str]()
    for place, word in enumerate(words, 1):
        seen.add(word)
        if len(seen) <= _FACTOR * (place - start):
            factors, start, seen = factors + 1, place, set()
    if start < len(words):
        factors += (1 - len(seen) / (len(words) - start)) / (1 - _FACTOR)
    return len(words) / factors if factors else float(len(words))


def _grams(split: Sequence[str], n: int) -> set[tuple[str, ...]]:
    return set(zip(*(split[i:] for i in range(n)), strict=False))


def has_repeat(text: str, words: int = 10, chars: int = 13) -> bool:
    """Say whether a window of tokens stands in the text twice; the two may overlap.

    A window is `words` tokens that hold no CJK character, or `chars` tokens that hold one. So
    English keeps to the rule for words inside a Chinese text, a phrase that mixes both is found
    too, and text without CJK is judged by white-space words alone.

    Windows are found by hash and then compared for what they are: no answer rests on a hash.
    """
    import numpy as np

    found = _find(text)
    if len(found.starts) <= min(words, chars):
        return False
    keys = _keys(found)
    if found.cjk is None:
        return _twice(found, keys, words, None)
    before = np.concatenate(([0], np.cumsum(found.cjk)))
    return any(
        _twice(found, keys, n, (before[n:] > before[:-n]) == mixed)
        for n, mixed in ((words, False), (chars, True))
        if n < len(keys)
    )


class _Found(NamedTuple):
    """Where the tokens of a text stand, in characters, of which each has `width` bytes in raw."""

    raw: bytes
    width: int
    starts: Ints
    ends: Ints
    cjk: NDArray[np.bool_] | None  # which tokens are CJK characters; None: none is


_ASCII_KINDS = bytes(0 if chr(code).isspace() else 1 for code in range(128)) + bytes(128)
_ODD = 0x9E3779B97F4A7C15  # 2⁶⁴ over the golden ratio, a usual multiplier for hashes


@cache
def _kinds() -> NDArray[np.uint8]:
    """Return 0 for white space, 2 for CJK, 1 for the rest, by code point up to U+FFFF."""
    import numpy as np

    kinds = np.ones(0x10000, np.uint8)
    kinds[[code for code in range(0x3000) if chr(code).isspace()]] = 0
    for first, last in _CJK_RANGES:
        kinds[first : last + 1] = 2
    return kinds


def _find(text: str) -> _Found:
    import numpy as np

    kinds = np.zeros(len(text) + 2, np.uint8)
    before, here = kinds[:-1], kinds[1:]
    if text.isascii():
        raw, width = text.encode("ascii"), 1
        here[:-1] = np.frombuffer(raw.translate(_ASCII_KINDS), np.uint8)
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        highest = int(codes.max())
        width = 1 if highest < 0x100 else 2 if highest < 0x10000 else 4
        raw = codes.astype(f"<u{width}").tobytes()
        here[:-1] = _kinds().take(np.minimum(codes, 0xFFFF))
        if width == 4:
            for first, last in _CJK_RANGES[-2:]:
                here[:-1][(codes >= first) & (codes <= last)] = 2
    if not (here == 2).any():
        edges = np.flatnonzero(before != here)
        return _Found(raw, width, edges[::2].copy(), edges[1::2].copy(), None)
    starts = np.flatnonzero((here == 2) | ((here == 1) & (before != 1)))
    ends = np.flatnonzero((before == 2) | ((before == 1) & (here != 1)))
    return _Found(raw, width, starts, ends, here[starts] == 2)


def _keys(found: _Found) -> Hashes:
    """Hash each token: equal tokens get equal keys, others hardly ever.

    Read are the length, the first 8 characters and the last 8 bytes.
    """
    import numpy as np

    # Words of eight bytes from every byte on, without a copy; the end is padded for it.
    words: Hashes = np.ndarray(len(found.raw) + 1, "<u8", buffer=found.raw + bytes(8), strides=(1,))
    low = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
    odd = np.uint64(_ODD)
    at, size = found.starts * found.width, (found.ends - found.starts) * found.width
    keys: Hashes = words.take(at) & low.take(np.minimum(size, 8))
    keys += size.astype(np.uint64) * odd
    for skip in range(8, 8 * found.width, 8):
        more = np.flatnonzero(size > skip)
        read = words.take(at[more] + skip) & low.take(np.minimum(size[more] - skip, 8))
        keys[more] = keys[more] * odd + read
    long = np.flatnonzero(size > 8)
    keys[long] = keys[long] * odd + words.take((at + size - 8)[long])
    keys ^= keys >> np.uint64(32)
    keys *= odd
    keys ^= keys >> np.uint64(29)
    return keys


def _twice(found: _Found, keys: Hashes, n: int, among: NDArray[np.bool_] | None) -> bool:
    """Say whether one of the windows of n tokens (`among`: which of them) is there twice."""
    import numpy as np

    places = np.arange(len(keys) - n + 1) if among is None else np.flatnonzero(among)
    if len(places) < 2:
        return False
    windows = keys[: len(keys) - n + 1].copy()
    for i in range(1, n):
        windows *= np.uint64(_ODD)
        windows += keys[i : i + len(windows)]
    windows = windows[places]
    ordered = np.sort(windows)
    again = ordered[1:] == ordered[:-1]
    if not again.any():
        return False
    suspects = places[np.isin(windows, ordered[1:][again])].tolist()
    return _same(found, suspects, n)


def _same(found: _Found, places: Sequence[int], n: int) -> bool:
    """Say whether two of the windows at these places are equal token by token."""
    raw, width, seen = found.raw, found.width, set()
    for place in places:
        starts, ends = found.starts[place : place + n], found.ends[place : place + n]
        spans = zip((starts * width).tolist(), (ends * width).tolist(), strict=True)
        window = tuple(raw[start:end] for start, end in spans)
        if window in seen:
            return True
        seen.add(window)
    return False
