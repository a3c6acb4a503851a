"""Measures of a single text: words, paragraphs, variety.

A *token* is a CJK character (CJK punctuation and full-width forms included) or a run of other
characters between white space and CJK characters. Words are counted as tokens, and n-grams consist
of them. Any string is accepted: control characters and lone surrogates are ordinary characters.
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
    """Count words as the paper does: CJK characters, and whitespace-separated runs of the rest."""
    if text.isascii() or not _HIGH.search(text.encode("utf-8", "surrogatepass")):
        return len(text.split())
    return len(find_tokens(text).starts)


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


def is_divider(line: str) -> bool:
    """Say whether a line only divides: `---`, `***`, `* * *`, `___`, `———`."""
    return bool(_DIVIDER.fullmatch(line))


def paragraphs(text: str, *, dividers: bool = False) -> Paragraphs:
    """Split at blank lines, or at every line break if blank lines give two paragraphs at most.

    A dividing line is a blank line: it belongs to no paragraph. If `dividers`, each dividing line
    stands among the paragraphs.
    """
    text = text.replace("\r\n", "\n")
    undivided = _DIVIDER.sub("", text)
    parts = _stripped(_BLANK_LINES.split(undivided))
    lines = _stripped(undivided.split("\n")) if len(parts) <= 2 else parts
    by_line = len(lines) > len(parts)
    if dividers:
        text = _DIVIDER.sub(r"\n\n\g<0>\n\n", text)
        lines, parts = _stripped(text.split("\n")), _stripped(_BLANK_LINES.split(text))
    return Paragraphs(lines, "\n") if by_line else Paragraphs(parts, "\n\n")


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


def _grams(split: Sequence[str], n: int) -> set[tuple[str, ...]]:
    return set(zip(*(split[i:] for i in range(n)), strict=False))
