"""Statistics over many texts: spreads of lengths, means, variety."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from selflengthen.text.measures import distinct, gzip_ratio, repetition
from selflengthen.text.repeats import has_repeat

_VARIETY: dict[str, Callable[[str], float]] = {
    "repeats": has_repeat,
    "rep_4": partial(repetition, n=4),
    "distinct_2": partial(distinct, n=2),
    "distinct_3": partial(distinct, n=3),
    "gzip_ratio": gzip_ratio,
}


def spread(values: Sequence[int]) -> dict[str, float]:
    """Return mean, median and 90th percentile; zeros without values."""
    if not values:
        return {"mean": 0.0, "median": 0.0, "p90": 0.0}
    ordered = sorted(values)
    return {
        "mean": round(statistics.fmean(ordered), 1),
        "median": round(statistics.median(ordered), 1),
        "p90": float(ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]),
    }


def mean(values: Iterable[float]) -> float:
    """Return the mean, rounded to four digits; 0 without values."""
    listed = list(values)
    return round(statistics.fmean(listed), 4) if listed else 0.0


def variety(texts: Iterable[str]) -> dict[str, float]:
    """Return the share of texts that repeat a 10-gram and mean variety; zeros without texts."""
    return mean_variety([text_variety(text) for text in texts])


def text_variety(text: str) -> tuple[float, ...]:
    """Return the measures of one text, for `mean_variety` to average."""
    return tuple(measure(text) for measure in _VARIETY.values())


def mean_variety(texts: Sequence[tuple[float, ...]]) -> dict[str, float]:
    """Return the mean of each measure over texts, by name."""
    return {name: mean(measures[i] for measures in texts) for i, name in enumerate(_VARIETY)}
