"""Words and n-grams."""

from __future__ import annotations


def word_count(text: str) -> int:
    return len(text.split())


def has_repeat(text: str, size: int = 10) -> bool:
    words = text.split()
    grams = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
    return len(grams) != len(set(grams))
