"""The benchmarks' formulas: how close a response's length is to the required one."""

from __future__ import annotations

import math

from selflengthen.length.requirement import LengthRequirement


def longen_bounds(requirement: LengthRequirement) -> tuple[float, float]:
    """Return the shortest and the longest length that LonGen scores 1.

    About t: 0.8·t to 1.2·t; a range: its bounds; above t: t to 1.5·t; below t: 0.5·t to t.
    """
    low = requirement.low
    high = requirement.high
    if low is None and high is not None:
        return 0.5 * high, high
    if low is None or high is None:
        bound = float(low or 0)
        return bound, 1.5 * bound
    return (0.8 * low, 1.2 * high) if requirement.kind == "about" else (low, high)


def longen(words: int, requirement: LengthRequirement) -> float:
    """Return LonGen's score, 0 to 1: 1 within the bounds [a, b], falling to 0 at a/2 and 1.5·b.

    Shorter: max(0, 2·words/a − 1); longer: max(0, 3 − 2·words/b) (arXiv 2410.23933, section 4).
    """
    low, high = longen_bounds(requirement)
    if words < low:
        return max(0.0, 2 * words / low - 1)
    if words > high:
        return max(0.0, 3 - 2 * words / high)
    return 1.0


def s_l(required: float, produced: int) -> float:
    """Return LongBench-Write's S_L, 0 to 100.

    It is 100 at the required length x and falls to 0 at x/3 and at 4·x. Longer:
    100·max(0, 1 − (y/x − 1)/3); shorter: 100·max(0, 1 − (x/y − 1)/2), y being the produced length
    (arXiv 2408.07055, section 2).
    """
    if produced <= 0:
        return 0.0
    if produced > required:
        return 100 * max(0.0, 1 - (produced / required - 1) / 3)
    return 100 * max(0.0, 1 - (required / produced - 1) / 2)


def ld(required: float, produced: int) -> float:
    """Return LIFEBench's length deviation as a fraction: −1 for an empty text, 0 for a match."""
    return (produced - required) / required


def ls(required: float, produced: int, control: str) -> float:
    """Return LIFEBench's length score, 0 to 100 (arXiv 2505.16234).

    A response that is too short scores 100·e^(5·LD), one that is too long 100·e^(−2·LD); LD is a
    fraction, not a percentage. With `at most`, a shorter response scores 100; with `at least`, a
    longer one does.

    Args:
        required: The length asked for.
        produced: The length of the response, in the same unit.
        control: `equal to`, `at most` or `at least`.
    """
    deviation = ld(required, produced)
    if (control == "at most" and deviation < 0) or (control == "at least" and deviation > 0):
        return 100.0
    return 100 * math.exp(5 * deviation if deviation < 0 else -2 * deviation)
