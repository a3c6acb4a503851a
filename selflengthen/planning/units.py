"""How amounts are written for people."""

from __future__ import annotations

import math

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(count: float) -> str:
    """Write a number of bytes in the unit that suits it: 12.3 GiB."""
    power = min(len(_UNITS) - 1, int(math.log(count, 1024))) if count >= 1 else 0
    value = count / 1024**power
    return f"{value:.3g} {_UNITS[power]}" if value < 1000 else f"{value:,.0f} {_UNITS[power]}"
