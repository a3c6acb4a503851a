"""What is printed for people: counts, times, and texts that a model wrote."""

from __future__ import annotations

from collections.abc import Mapping

_CONTROLS = {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)}
_CONTROLS[0x7F] = 0x2421
# What turns the writing direction round can make a line seem to say something else.
_HIDDEN = [*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029]
_SHOWN: Mapping[int, int | str] = {
    **_CONTROLS,
    **{code: f"\\u{code:04x}" for code in [*_HIDDEN, *range(0xD800, 0xE000)]},
}


def visible(text: str) -> str:
    """Make control characters visible: what a model wrote gives no orders to a terminal."""
    return text.translate(_SHOWN)


def opening(text: str, most: int = 60) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(visible(text[: 4 * most]).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def duration(seconds: float | None) -> str:
    """Write a time for people."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def reasons(refusals: Mapping[str, int]) -> str:
    """Write refusals by reason, the most frequent first."""
    return ", ".join(f"{visible(reason)} {count}" for reason, count in refusals.items())
