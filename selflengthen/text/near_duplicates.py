"""Whether a text is too much like one that is there already: ROUGE-L against a growing pool."""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain

from selflengthen.text.token_arrays import CJK

_WORD = re.compile(f"[^{CJK}\\W_]+|(?!\\W)[{CJK}]")


def rouge_l(a: str, b: str) -> float:
    """Return the ROUGE-L F-measure of two texts, 0 to 1, over lower-case words without marks.

    CJK characters are words. F = 2·LCS / (len a + len b), which is what rapidfuzz calls the
    normalised Indel similarity; 0 where one of the two has no words.
    """
    return _similarity(_words(a), _words(b))


class NearDuplicates:
    """A pool of texts, and whether another is too much like one of them.

    The rule is Self-Instruct's (arXiv 2212.10560): ROUGE-L of `threshold` or more. Two texts share
    at most as many words in order as they share in any order, so an index from words to texts
    leaves few to be compared: with 20,000 in the pool a check takes a few milliseconds.
    """

    def __init__(self, texts: Iterable[str] = (), threshold: float = 0.7) -> None:
        """Begin with `texts`; `threshold` is above 0, at most 1."""
        self.threshold = threshold
        self._pool: list[list[str]] = []
        self._lengths = array("q")
        self._holders: dict[str | tuple[str, int], array[int]] = defaultdict(partial(array, "q"))
        for text in texts:
            self.add(text)

    def __len__(self) -> int:
        """Return how many texts are in the pool."""
        return len(self._pool)

    def add(self, text: str) -> None:
        """Take one more text into the pool."""
        words = _words(text)
        for key in _keys(words):
            self._holders[key].append(len(self._pool))
        self._pool.append(words)
        self._lengths.append(len(words))

    def matches(self, text: str) -> bool:
        """Say whether `text` is a near-duplicate of one of the pool."""
        words, least = _words(text), self.threshold
        return any(
            _similarity(words, self._pool[place], least) >= least
            for place in self._candidates(words)
        )

    def _candidates(self, words: list[str]) -> Sequence[int]:
        """Return the texts that share enough words, in any order, to reach the threshold."""
        import numpy as np

        holders_of = [self._holders[key] for key in _keys(words) if key in self._holders]
        if not holders_of:
            return []
        holders = np.concatenate([np.frombuffer(f, np.int64) for f in holders_of])
        shared = np.bincount(holders, minlength=len(self._pool))
        needed = self.threshold * (np.frombuffer(self._lengths, np.int64) + len(words)) / 2
        places: list[int] = np.flatnonzero(shared >= needed - 1e-6).tolist()
        return places


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _keys(words: list[str]) -> Iterable[str | tuple[str, int]]:
    """Return each word for its first time in the text, (word, 1) for its second, and so on."""
    once = set(words)
    if len(once) == len(words):
        return once
    again = ((word, i) for word, n in Counter(words).items() if n > 1 for i in range(1, n))
    return chain(once, again)


def _similarity(a: Sequence[str], b: Sequence[str], least: float = 0.0) -> float:
    from rapidfuzz.distance import Indel

    return Indel.normalized_similarity(a, b, score_cutoff=least) if a and b else 0.0
