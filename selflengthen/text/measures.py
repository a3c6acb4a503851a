"""Measures of a single text: words, paragraphs, variety, repeats.

A *token* is a CJK character (CJK punctuation and full-width forms included) or a run of other
characters between white space and CJK characters. Words are counted as tokens, and n-grams consist
of them. Any string is accepted: control characters and lone surrogates are ordinary characters.
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

# The paper counts U+3000-303F, 4E00-9FFF and FF00-FFEF. Kana, bopomofo and the rarer ideographs are
# added because they are written without spaces, too; Hangul is not, because Korean has spaces.
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
_HIGH = re.compile(
    rb"[\xe3-\xff]"
)  # the first byte of each character from U+3000 on, which includes all of CJK
_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")


def word_count(text: str) -> int:
    """Count words as the paper does: CJK characters, and whitespace-separated runs of the rest."""
    if text.isascii() or not _HIGH.search(text.encode("utf-8", "surrogatepass")):
        return len(text.split())
    return len(_token_spans(text).starts)


def tokens(text: str) -> list[str]:
    """Split a text into the tokens that `word_count` counts."""
    return text.split() if text.isascii() else _TOKEN.findall(text)


@dataclass(frozen=True)
class Paragraphs:
    """A text's paragraphs in order, and their separator: a blank line or a line break."""

    parts: tuple[str, ...]
    separator: str

    def first(self, share: float) -> str:
        """Return the first `share` (0 to 1) of the paragraphs as one text.

        Their number is rounded, halves up, and is at least one: half of five is three, two thirds
        of four are three, two thirds of two are one.
        """
        count = max(1, int(len(self.parts) * share + 0.5))
        return self.separator.join(self.parts[:count])

    def __str__(self) -> str:
        """Return the text, without superfluous white space."""
        return self.separator.join(self.parts)


def paragraphs(text: str) -> Paragraphs:
    """Split at blank lines, or at every line break if blank lines give two paragraphs at most."""
    text = text.replace("\r\n", "\n")
    parts = _stripped(_BLANK_LINES.split(text))
    lines = _stripped(text.split("\n")) if len(parts) <= 2 else parts
    return Paragraphs(lines, "\n") if len(lines) > len(parts) else Paragraphs(parts, "\n\n")


def _stripped(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(stripped for part in parts if (stripped := part.strip()))


def distinct(text: str, n: int) -> float:
    """Return distinct-n: distinct n-grams ÷ all n-grams; 1 for a text shorter than n tokens."""
    text_tokens = tokens(text)
    total = len(text_tokens) - n + 1
    return len(_grams(text_tokens, n)) / total if total > 0 else 1.0


def repetition(text: str, n: int = 4) -> float:
    """Return rep-n, the share of n-grams that occurred before: 0 for none, near 1 for a loop."""
    return 1 - distinct(text, n)


def gzip_ratio(text: str) -> float:
    """Return the size in bytes before ÷ after gzip: the higher, the more the text repeats itself.

    Longer prose has between 2 and 3, an empty text 0.
    """
    data = text.encode("utf-8", "surrogatepass")
    return len(data) / len(gzip.compress(data, mtime=0))


_WORD = re.compile(f"(?=\\w)[{CJK}]|(?:(?![{CJK}])\\w)+(?:['’-](?:(?![{CJK}])\\w)+)*")
_MTLD_THRESHOLD = 0.72  # type-token ratio at which a factor is complete


def mtld(text: str) -> float:
    """Return MTLD: the mean number of words until the type-token ratio falls to 0.72.

    It is the mean over reading forwards and backwards; the words left over at the end count as a
    partial factor (McCarthy and Jarvis 2010). Words are CJK characters and runs of letters and
    digits; case and punctuation are ignored. A text whose words are all distinct has its number of
    words as its MTLD, so do not compare texts of under a hundred words.
    """
    words = _WORD.findall(text.casefold())
    return (_mean_factor(words) + _mean_factor(words[::-1])) / 2


def _mean_factor(words: Sequence[str]) -> float:
    factors = 0.0
    start = 0
    types = set[str]()
    for position, word in enumerate(words, 1):
        types.add(word)
        if len(types) <= _MTLD_THRESHOLD * (position - start):
            factors += 1
            start = position
            types = set()
    if start < len(words):
        factors += (1 - len(types) / (len(words) - start)) / (1 - _MTLD_THRESHOLD)
    return len(words) / factors if factors else float(len(words))


def _grams(text_tokens: Sequence[str], n: int) -> set[tuple[str, ...]]:
    return set(zip(*(text_tokens[i:] for i in range(n)), strict=False))


def has_repeat(text: str, words: int = 10, chars: int = 13) -> bool:
    """Say whether a window of tokens occurs twice in the text; the two may overlap.

    A window is `words` tokens without a CJK character, or `chars` tokens with at least one. So the
    rule for words also applies to English inside a Chinese text, repeats that mix both scripts are
    found, and a text without CJK is judged by its whitespace-separated words alone.

    Candidates are found by hash and then compared token by token, so collisions do no harm.
    """
    import numpy as np

    spans = _token_spans(text)
    if len(spans.starts) <= min(words, chars):
        return False
    hashes = _hashes(spans)
    if spans.cjk is None:
        return _repeats(spans, hashes, words, None)
    before = np.concatenate(([0], np.cumsum(spans.cjk)))
    return any(
        _repeats(spans, hashes, n, (before[n:] > before[:-n]) == mixed)
        for n, mixed in ((words, False), (chars, True))
        if n < len(hashes)
    )


class _TokenSpans(NamedTuple):
    """The tokens of a text.

    Attributes:
        raw: the text, encoded with a fixed number of bytes per character.
        width: that number.
        starts: positions of the tokens' first characters, shape (tokens,).
        ends: positions after their last characters, shape (tokens,).
        cjk: which tokens are CJK characters, shape (tokens,); None if the text has none.
    """

    raw: bytes
    width: int
    starts: Ints
    ends: Ints
    cjk: NDArray[np.bool_] | None


_ASCII_KINDS = bytes(0 if chr(code).isspace() else 1 for code in range(128)) + bytes(128)
_MULTIPLIER = 0x9E3779B97F4A7C15  # 2⁶⁴ over the golden ratio, a common multiplier for hashes


@cache
def _kinds() -> NDArray[np.uint8]:
    """Return 0 for white space, 2 for CJK, 1 for the rest, by code point up to U+FFFF."""
    import numpy as np

    kinds = np.ones(0x10000, np.uint8)
    kinds[[code for code in range(0x3000) if chr(code).isspace()]] = 0
    for first, last in _CJK_RANGES:
        kinds[first : last + 1] = 2
    return kinds


def _token_spans(text: str) -> _TokenSpans:
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
        return _TokenSpans(raw, width, edges[::2].copy(), edges[1::2].copy(), None)
    starts = np.flatnonzero((here == 2) | ((here == 1) & (before != 1)))
    ends = np.flatnonzero((before == 2) | ((before == 1) & (here != 1)))
    return _TokenSpans(raw, width, starts, ends, here[starts] == 2)


def _hashes(spans: _TokenSpans) -> Hashes:
    """Hash the length, the first 8 characters and the last 8 bytes of each token."""
    import numpy as np

    # Eight bytes from every byte on, as a view without a copy; the padding is for the last ones.
    words: Hashes = np.ndarray(len(spans.raw) + 1, "<u8", buffer=spans.raw + bytes(8), strides=(1,))
    masks = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
    multiplier = np.uint64(_MULTIPLIER)
    starts = spans.starts * spans.width
    sizes = (spans.ends - spans.starts) * spans.width
    hashes: Hashes = words.take(starts) & masks.take(np.minimum(sizes, 8))
    hashes += sizes.astype(np.uint64) * multiplier
    for skip in range(8, 8 * spans.width, 8):
        longer = np.flatnonzero(sizes > skip)
        mask = masks.take(np.minimum(sizes[longer] - skip, 8))
        part = words.take(starts[longer] + skip) & mask
        hashes[longer] = hashes[longer] * multiplier + part
    long = np.flatnonzero(sizes > 8)
    hashes[long] = hashes[long] * multiplier + words.take((starts + sizes - 8)[long])
    hashes ^= hashes >> np.uint64(32)
    hashes *= multiplier
    hashes ^= hashes >> np.uint64(29)
    return hashes


def _repeats(spans: _TokenSpans, hashes: Hashes, n: int, among: NDArray[np.bool_] | None) -> bool:
    """Say whether a window of n tokens occurs twice; `among` selects the windows, by position."""
    import numpy as np

    positions = np.arange(len(hashes) - n + 1) if among is None else np.flatnonzero(among)
    if len(positions) < 2:
        return False
    windows = hashes[: len(hashes) - n + 1].copy()
    for i in range(1, n):
        windows *= np.uint64(_MULTIPLIER)
        windows += hashes[i : i + len(windows)]
    windows = windows[positions]
    ordered = np.sort(windows)
    equal = ordered[1:] == ordered[:-1]
    if not equal.any():
        return False
    candidates = positions[np.isin(windows, ordered[1:][equal])].tolist()
    return _has_equal_windows(spans, candidates, n)


def _has_equal_windows(spans: _TokenSpans, positions: Sequence[int], n: int) -> bool:
    """Compare the windows at these positions token by token."""
    width = spans.width
    seen = set()
    for position in positions:
        starts = spans.starts[position : position + n] * width
        ends = spans.ends[position : position + n] * width
        bounds = zip(starts.tolist(), ends.tolist(), strict=True)
        window = tuple(spans.raw[start:end] for start, end in bounds)
        if window in seen:
            return True
        seen.add(window)
    return False
