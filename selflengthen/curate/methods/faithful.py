"""Rows that keep the length they were asked for (Minimum Tuning, arXiv 2410.10210)."""

from __future__ import annotations

import re

from selflengthen.curate.io.rows import Choice, Dropped, Rows
from selflengthen.errors import UserError
from selflengthen.length.counters import longbench_words
from selflengthen.length.requirement import LengthRequirement, read_requirement
from selflengthen.length.scores import s_l

LEAST = 80.0
_HAN = re.compile("[\u4e00-\u9fff]")


def faithful(rows: Rows, least: float = LEAST) -> Choice:
    """Keep rows whose prompt asks for a length and whose response has an S_L of `least` or more.

    Raises UserError where none is left.
    """
    import numpy as np

    scores = np.full(len(rows), -1.0)
    for place, row in enumerate(rows):
        demand = read_requirement(row.prompt)
        if demand is not None:
            scores[place] = score(demand, row.response)
    unasked, keep = scores < 0, scores >= least
    if not keep.any():
        asked = len(rows) - int(unasked.sum())
        raise UserError(
            f"faithful: no row of {rows.name} would be left: {asked:,} of {len(rows):,} ask for a "
            f"length, and none of those has an S_L of {least:g}; give another set or a lower least."
        )
    low = ~unasked & ~keep
    return Choice(
        rows.only(keep),
        (
            Dropped("no demand", rows.numbers[unasked]),
            Dropped("length", rows.numbers[low], "s_l", scores[low].round(2)),
        ),
        {
            "mean_s_l": round(float(scores[~unasked].mean()), 2),
            "mean_s_l_kept": round(float(scores[keep].mean()), 2),
        },
    )


def score(demand: LengthRequirement, response: str) -> float:
    """Return S_L of a response, 0 to 100, against the nearest length that the demand allows.

    Within a range, above a floor or below a ceiling that is 100. Words are counted as the score's
    authors do; where an English text was to have so many characters, those are counted.
    """
    words = longbench_words(response)
    if demand.unit == "characters" and not _HAN.search(response):
        words = len(response)
    nearest = words
    if demand.low is not None:
        nearest = max(nearest, demand.low)
    if demand.high is not None:
        nearest = min(nearest, demand.high)
    return s_l(nearest, words)
