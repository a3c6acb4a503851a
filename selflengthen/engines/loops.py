"""Loops in what a model writes, found while it writes.

A weak model falls into a list item, a phrase or a paragraph that it repeats to the token limit.
Every `EVERY` tokens the end of a text is compared with itself, shifted by each period up to 120
tokens.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

EVERY = 40
"""Tokens between two looks. They are at fixed places, so that timing decides nothing."""
_SHORT, _TIMES = 40, 5  # a phrase of up to so many tokens loops when it stands so often in a row
_LONGEST, _SPAN = 120, 240  # a longer one when it fills so many tokens


def looping(tokens: array[int]) -> bool:
    """Whether a text of token ids ends in a loop.

    That is a phrase of up to 40 tokens five times in a row and over at least 40 tokens, or one of
    up to 120 tokens over at least 240.
    """
    tail = tokens[-_SPAN:]
    for period in range(1, min(_LONGEST, len(tail) - 1) + 1):
        if tail[-1 - period] == tail[-1]:
            span = max(EVERY, _TIMES * period) if period <= _SHORT else _SPAN
            if span <= len(tail) and tail[period - span :] == tail[-span : len(tail) - period]:
                return True
    return False


class Writing:
    """A text as it comes, piece by piece: its tokens, its text, and why it ended.

    `reason` is "repetition" where it fell into a loop; `tokens` then end at the look that found it.
    """

    def __init__(self) -> None:
        """Begin with nothing written."""
        self.tokens = array("i")
        self.reason: str | None = None
        self._texts: list[str] = []
        self._looked = 0

    @property
    def text(self) -> str:
        """What was written; where a loop was found, some of what came after it, too."""
        return "".join(self._texts)

    def add(self, text: str, tokens: Sequence[int], reason: str | None) -> bool:
        """Add a piece; return whether the text now ends in a loop."""
        self.tokens.extend(tokens)
        self._texts.append(text)
        self.reason = reason
        while self._looked + EVERY <= len(self.tokens):
            self._looked += EVERY
            if looping(self.tokens[max(0, self._looked - _SPAN) : self._looked]):
                del self.tokens[self._looked :]
                self.reason = "repetition"
                return True
        return False
