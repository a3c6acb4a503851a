"""Dropping short texts by rank (paper section 3.2)."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterable

from selflengthen.storage.records import derive_seed

_REASON = "lot"  # on disk, in `dropped` of a record


def drop_short(lengths: Iterable[tuple[str, int]], seed: int) -> dict[str, str]:
    """Choose the texts to drop for being short.

    A text's rank is the share of texts that are at least as long (1 for the shortest). It is
    dropped with probability min(1, 2·rank³), drawn from `seed` and its id alone. If that would drop
    every text, the longest stay.

    Args:
        lengths: (id, words) of each text.
        seed: the run's.

    Returns:
        The ids to drop, with the reason.
    """
    texts = list(lengths)
    ordered = sorted(words for _, words in texts)
    dropped = {}
    for name, words in texts:
        rank = (len(ordered) - bisect_left(ordered, words)) / len(ordered)
        if random.Random(derive_seed(seed, name, "lot")).random() < min(1.0, 2 * rank**3):
            dropped[name] = _REASON
    if len(dropped) == len(texts):
        longest = ordered[-1:]
        dropped = {name: _REASON for name, words in texts if [words] != longest}
    return dropped
