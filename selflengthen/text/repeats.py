"""Whether a text says something twice: the same n-gram, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from selflengthen.text.token_arrays import ODD, Tokens, find_tokens, token_keys

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from selflengthen.text.token_arrays import Hashes


def has_repeat(text: str, words: int = 10, chars: int = 13) -> bool:
    """Say whether a window of tokens stands in the text twice; the two may overlap.

    A window is `words` tokens that hold no CJK character, or `chars` tokens that hold one. So
    English keeps to the rule for words inside a Chinese text, a phrase that mixes both is found
    too, and text without CJK is judged by white-space words alone.

    Windows are found by hash and then compared for what they are: no answer rests on a hash.
    """
    tokens = find_tokens(text)
    return len(tokens.starts) > min(words, chars) and repeats_window(
        tokens, token_keys(tokens), words, chars
    )


def repeats_window(tokens: Tokens, keys: Hashes, words: int, chars: int) -> bool:
    """Do what `has_repeat` does, for tokens and keys that are there already."""
    import numpy as np

    if tokens.cjk is None:
        return len(keys) > words and twice(tokens, keys, words, None)
    before = np.concatenate(([0], np.cumsum(tokens.cjk)))
    return any(
        twice(tokens, keys, n, (before[n:] > before[:-n]) == mixed)
        for n, mixed in ((words, False), (chars, True))
        if n < len(keys)
    )


def twice(tokens: Tokens, keys: Hashes, n: int, among: NDArray[np.bool_] | None) -> bool:
    """Say whether one of the windows of n tokens (`among`: which of them) is there twice."""
    import numpy as np

    places = np.arange(len(keys) - n + 1) if among is None else np.flatnonzero(among)
    if len(places) < 2:
        return False
    windows = keys[: len(keys) - n + 1].copy()
    for i in range(1, n):
        windows *= np.uint64(ODD)
        windows += keys[i : i + len(windows)]
    windows = windows[places]
    ordered = np.sort(windows)
    again = ordered[1:] == ordered[:-1]
    if not again.any():
        return False
    suspects = places[np.isin(windows, ordered[1:][again])].tolist()
    return _same(tokens, suspects, n)


def _same(tokens: Tokens, places: Sequence[int], n: int) -> bool:
    """Say whether two of the windows at these places are equal token by token."""
    raw, width, seen = tokens.raw, tokens.width, set()
    for place in places:
        starts, ends = tokens.starts[place : place + n], tokens.ends[place : place + n]
        spans = zip((starts * width).tolist(), (ends * width).tolist(), strict=True)
        window = tuple(raw[start:end] for start, end in spans)
        if window in seen:
            return True
        seen.add(window)
    return False
