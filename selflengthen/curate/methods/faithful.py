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

    The score is S_L, 0 to 100 (`score`); a dropped row is reported with its score, if it has one.
    Raises UserError if no row is left.
    """
    import numpy as np

    scores = np.full(len(rows), -1.0)
    for place, row in enumerate(rows):
        requirement = read_requirement(row.prompt)
        if requirement is not None:
            scores[place] = score(requirement, row.response)
    without = scores < 0
    keep = scores >= least
    if not keep.any():
        requirements = len(rows) - int(without.sum())
        raise UserError(
            f"faithful: would drop every row of {rows.name}: {requirements:,} of {len(rows):,} ask "
            f"for a length, and none of those reaches an S_L of {least:g}; lower `least`, or use "
            "another data set."
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


def score(requirement: LengthRequirement, response: str) -> float:
    """Return S_L of a response, 0 to 100, against the nearest allowed length.

    S_L is LongBench-Write's length score, and words are counted as its authors do. A response
    within a range, above a minimum or below a maximum scores 100. If the requirement is in
    characters and the response is not Chinese, its characters are counted.
    """
    words = longbench_words(response)
    if requirement.unit == "characters" and not _HAN.search(response):
        words = len(response)
    nearest = words
    if requirement.low is not None:
        nearest = max(nearest, requirement.low)
    if requirement.high is not None:
        nearest = min(nearest, requirement.high)
    return s_l(nearest, words)
