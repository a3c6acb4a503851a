"""Keep rows whose response has the length that the prompt asks for (arXiv 2410.10210)."""

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
    """Keep rows whose prompt asks for a length and whose response scores `least` or more.

    The score is S_L, 0 to 100 (`score`). A dropped row comes with its own, where it has one. Raises
    UserError if no row is left.
    """
    import numpy as np

    scores = np.full(len(rows), -1.0)
    for place, row in enumerate(rows):
        demand = read_requirement(row.prompt)
        if demand is not None:
            scores[place] = score(demand, row.response)
    without = scores < 0
    keep = scores >= least
    if not keep.any():
        demands = len(rows) - int(without.sum())
        raise UserError(
            f"faithful: no row of {rows.name} would be left: {demands:,} of {len(rows):,} ask for "
            f"a length, and none of those reaches an S_L of {least:g}; use another data set or a "
            "lower least."
        )
    low = ~without & ~keep
    return Choice(
        rows.only(keep),
        (
            Dropped("no demand", rows.numbers[without]),
            Dropped("length", rows.numbers[low], "s_l", scores[low].round(2)),
        ),
        {
            "mean_s_l": round(float(scores[~without].mean()), 2),
            "mean_s_l_kept": round(float(scores[keep].mean()), 2),
        },
    )


def score(demand: LengthRequirement, response: str) -> float:
    """Return S_L of a response, 0 to 100, against the nearest length that the demand allows.

    S_L is LongBench-Write's length score, and words are counted as its authors do. A response
    within a range, above a floor or below a ceiling scores 100. Where the demand is in characters
    and the response is not Chinese, characters are counted.
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
