"""Signs of padding in one text: sentences that come again in other words, and variety by position.

A longer text is no better if its second half says the first half again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from selflengthen.text.measures import tokens
from selflengthen.text.token_arrays import CJK

TENTHS = 10
LONG = 100
"""Tokens from which a text has tenths."""

_BORDER = re.compile("\n|(?<=[.!?…])[\"”’')*_]*\\s+|(?<=[。！？；])[”」』]*")
_LETTER = re.compile(r"[^\W\d_]")
_DIGIT = re.compile(r"\d")
_IS_CJK = re.compile(f"[{CJK}]")
_MARKS = re.compile(r"^\W+|\W+$")
_SHARED = 2  # words at either end of a sentence by which candidates are found
_MOST = 200  # sentences with which one is compared


def near_repeats(text: str) -> float:
    """Return the share of sentences that say an earlier one again, 0 to 1.

    Two sentences are alike if they are equal but for one place: one word, any numbers, or two CJK
    characters. Sentences of under five words (eight CJK characters) do not count; a line is a
    sentence, too.
    """
    starts: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    ends: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    count = 0
    repeated = 0
    for words in _sentences(text):
        same_start = starts[words[:_SHARED]]
        same_end = ends[words[-_SHARED:]]
        count += 1
        candidates = (*same_start[-_MOST:], *same_end[-_MOST:])
        repeated += any(_is_alike(words, earlier) for earlier in candidates)
        same_start.append(words)
        same_end.append(words)
    return repeated / count if count else 0.0


def _sentences(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of each sentence, without case and marks; any number is `#`."""
    for sentence in _BORDER.split(text):
        bare = (_MARKS.sub("", token.casefold()) for token in tokens(sentence))
        words = tuple("#" if _DIGIT.search(word) else word for word in bare if word)
        while words and words[0] == "#":  # of a list item
            words = words[1:]
        letters = sum(_LETTER.search(word) is not None for word in words)
        if letters >= (8 if _IS_CJK.search(sentence) else 5):
            yield words


def _is_alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """Say whether two sentences are equal but for one place."""
    most = 2 if any(_IS_CJK.match(word) for word in one) else 1
    short, long = sorted((len(one), len(other)))
    if long - short > most:
        return False
    head = next((i for i in range(short) if one[i] != other[i]), short)
    rest = short - head
    tail = next((i for i in range(rest) if one[-1 - i] != other[-1 - i]), rest)
    return long - head - tail <= most


def new_bigrams(text: str) -> list[float]:
    """Return, for each tenth of a text, the share of its bigrams that are new in the text.

    Their mean is about distinct-2. [] for a text of under a hundred tokens.
    """
    words = tokens(text)
    if len(words) < LONG:
        return []
    seen = set[tuple[str, str]]()
    counts = [0] * TENTHS
    new = [0] * TENTHS
    for place, pair in enumerate(pairwise(words)):
        tenth = place * TENTHS // (len(words) - 1)
        counts[tenth] += 1
        new[tenth] += pair not in seen
        seen.add(pair)
    return [fresh / count for fresh, count in zip(new, counts, strict=True)]
