"""The tokens of a text as numpy arrays: where each stands, and a hash of each."""

from __future__ import annotations

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


class Tokens(NamedTuple):
    """Where the tokens of a text stand, in characters, of which each has `width` bytes in raw."""

    raw: bytes
    width: int
    starts: Ints
    ends: Ints
    cjk: NDArray[np.bool_] | None  # which tokens are CJK characters; None: none is


_ASCII_KINDS = bytes(0 if chr(code).isspace() else 1 for code in range(128)) + bytes(128)
ODD = 0x9E3779B97F4A7C15  # 2⁶⁴ over the golden ratio, a usual multiplier for hashes


@cache
def _kinds() -> NDArray[np.uint8]:
    """Return 0 for white space, 2 for CJK, 1 for the rest, by code point up to U+FFFF."""
    import numpy as np

    kinds = np.ones(0x10000, np.uint8)
    kinds[[code for code in range(0x3000) if chr(code).isspace()]] = 0
    for first, last in _CJK_RANGES:
        kinds[first : last + 1] = 2
    return kinds


def find_tokens(text: str) -> Tokens:
    """Find the tokens of a text."""
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
        return Tokens(raw, width, edges[::2].copy(), edges[1::2].copy(), None)
    starts = np.flatnonzero((here == 2) | ((here == 1) & (before != 1)))
    ends = np.flatnonzero((before == 2) | ((before == 1) & (here != 1)))
    return Tokens(raw, width, starts, ends, here[starts] == 2)


def token_keys(tokens: Tokens) -> Hashes:
    """Hash each token: equal tokens get equal keys, others hardly ever.

    Read are the length, the first 8 characters and the last 8 bytes.
    """
    import numpy as np

    # Words of eight bytes from every byte on, without a copy; the end is padded for it.
    raw = tokens.raw + bytes(8)
    words: Hashes = np.ndarray(len(raw) - 7, "<u8", buffer=raw, strides=(1,))
    low = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
    odd = np.uint64(ODD)
    at, size = tokens.starts * tokens.width, (tokens.ends - tokens.starts) * tokens.width
    keys: Hashes = words.take(at) & low.take(np.minimum(size, 8))
    keys += size.astype(np.uint64) * odd
    for skip in range(8, 8 * tokens.width, 8):
        more = np.flatnonzero(size > skip)
        read = words.take(at[more] + skip) & low.take(np.minimum(size[more] - skip, 8))
        keys[more] = keys[more] * odd + read
    long = np.flatnonzero(size > 8)
    keys[long] = keys[long] * odd + words.take((at + size - 8)[long])
    keys ^= keys >> np.uint64(32)
    keys *= odd
    keys ^= keys >> np.uint64(29)
    return keys
