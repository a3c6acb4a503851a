"""What is printed for people: counts, times, and texts that a model wrote."""

from __future__ import annotations

from collections.abc import Mapping

from selflengthen.text.printable import one_line, visible

__all__ = ["counted", "duration", "opening", "reasons", "visible"]


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def opening(text: str, most: int = 60) -> str:
    """Return the beginning of a text, at most `most` characters, on one line."""
    return one_line(text, most)


def duration(seconds: float | None) -> str:
    """Write a time in seconds, minutes or hours; `?` for None."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def reasons(rejections: Mapping[str, int]) -> str:
    """Write rejections by reason, the most frequent first."""
    return ", ".join(f"{visible(reason)} {count}" for reason, count in rejections.items())
