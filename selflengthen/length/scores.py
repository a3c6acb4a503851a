"""The benchmarks' formulas: how well the length of a response is the length that was asked for."""

from __future__ import annotations

import math

from selflengthen.length.requirement import Demand


def longen_bounds(demand: Demand) -> tuple[float, float]:
    """Return the lengths from which to which LonGen takes a response for right.

    About t: 0.8·t to 1.2·t; a range as it is; above t: t to 1.5·t; below t: 0.5·t to t.
    """
    low, high = demand.low, demand.high
    if low is None and high is not None:
        return 0.5 * high, high
    if low is None or high is None:
        bound = float(low or 0)
        return bound, 1.5 * bound
    return (0.8 * low, 1.2 * high) if demand.kind == "about" else (low, high)


def longen(words: int, demand: Demand) -> float:
    """Return LonGen's score, 0 to 1: 1 within the bounds [a, b], falling to 0 at a/2 and 1.5·b.

    Shorter: max(0, 2·words/a − 1); longer: max(0, 3 − 2·words/b) (arXiv 2410.23933, section 4).
    """
    low, high = longen_bounds(demand)
    if words < low:
        return max(0.0, 2 * words / low - 1)
    if words > high:
        return max(0.0, 3 - 2 * words / high)
    return 1.0


def s_l(required: float, produced: int) -> float:
    """Return LongBench-Write's S_L, 0 to 100: 100 at the required length, 0 at a third and at 4 ×.

    Longer: 100·max(0, 1 − (y/x − 1)/3); else 100·max(0, 1 − (x/y − 1)/2), x required, y produced
    (arXiv 2408.07055, section 2).
    """
    if produced <= 0:
        return 0.0
    if produced > required:
        return 100 * max(0.0, 1 - (produced / required - 1) / 3)
    return 100 * max(0.0, 1 - (required / produced - 1) / 2)


def ld(required: float, produced: int) -> float:
    """Return LIFEBench's length deviation as a fraction: −1 for nothing, 0 for as asked."""
    return (produced - required) / required


def ls(required: float, produced: int, control: str) -> float:
    """Return LIFEBench's length score, 0 to 100 (arXiv 2505.16234).

    `control` is `equal to`, `at most` or `at least`. 100·e^(5·LD) where it is too short,
    100·e^(−2·LD) where too long; 100 where at most so many were asked and it is shorter, or at
    least so many and it is longer. LD is the fraction, not the percentage.
    """
    deviation = ld(required, produced)
    if (control == "at most" and deviation < 0) or (control == "at least" and deviation > 0):
        return 100.0
    return 100 * math.exp(5 * deviation if deviation < 0 else -2 * deviation)
