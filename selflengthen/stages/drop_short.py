"""The lot against short texts (paper section 3.2)."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterable

from selflengthen.storage.records import derive_seed


def drop_short(lengths: Iterable[tuple[str, int]], seed: int) -> dict[str, str]:
    """Draw which texts are dropped for being short.

    With rank = share of texts that are as long or longer (1 for the shortest), a text is dropped
    with probability min(1, 2·rank³). `lengths` are (id, words); returned are ids with the reason.
    Where that would be all of them, the longest stay.
    """
    texts = list(lengths)
    ordered = sorted(words for _, words in texts)
    dropped = {}
    for name, words in texts:
        rank = (len(ordered) - bisect_left(ordered, words)) / len(ordered)
        if random.Random(derive_seed(seed, name, "lot")).random() < min(1.0, 2 * rank**3):
            dropped[name] = "lot"
    if len(dropped) == len(texts):
        longest = ordered[-1:]
        dropped = {name: "lot" for name, words in texts if [words] != longest}
    return dropped
