"""What is printed for people: counts, times, and texts that a model wrote."""

from __future__ import annotations

from collections.abc import Mapping

from selflengthen.text.printable import one_line, visible

__all__ = ["duration", "opening", "reasons", "visible"]


def opening(text: str, most: int = 60) -> str:
    """Return the beginning of a text on one line."""
    return one_line(text, most)


def duration(seconds: float | None) -> str:
    """Write a time for people."""
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
