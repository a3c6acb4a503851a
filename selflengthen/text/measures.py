"""What can be measured on a text alone: words, paragraphs, variety.

A *token* is a CJK character (CJK punctuation and full-width forms included) or a run of anything
else between white space and CJK characters. Words are counted in tokens, and n-grams are made of
them. Every string is a text: control characters and lone surrogates are characters like others.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from selflengthen.text.token_arrays import CJK, find_tokens

_TOKEN = re.compile(f"[{CJK}]|[^{CJK}\\s]+")
_HIGH = re.compile(rb"[\xe3-\xff]")  # begins each character from U+3000 on, as all of CJK is
_DIVIDER = re.compile(r"(?m)^[^\S\n]*([-*_—─━═＊※])(?:[^\S\n]*\1){2,}[^\S\n]*$")
_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")


def word_count(text: str) -> int:
    """Count words as the paper does: CJK characters, and what white space parts of the rest."""
    if text.isascii() or not _HIGH.search(text.encode("utf-8", "surrogatepass")):
        return len(text.split())
    return len(find_tokens(text).starts)


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


def is_divider(line: str) -> bool:
    """Say whether a line only divides: `---`, `***`, `* * *`, `___`, `———`."""
    return bool(_DIVIDER.fullmatch(line))


def paragraphs(text: str) -> Paragraphs:
    """Split at blank lines; at every line's end where that gives two paragraphs at most.

    A dividing line is a blank line: it belongs to no paragraph.
    """
    text = _DIVIDER.sub("", text.replace("\r\n", "\n"))
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
