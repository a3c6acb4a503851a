"""A rule from real tunings (InstructMining, arXiv 2307.06290, section 3).

Draw subsets of a data set, tune a model on each, and measure its loss on an evaluation set. From
these losses and the mean indicators of each subset's rows `fit.least_squares` fits a rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from selflengthen.curate.indicators.registry import Measured
from selflengthen.curate.io.rows import OnProgress, Rows, count_text, mask
from selflengthen.curate.io.work_dir import content_digest
from selflengthen.curate.rule import fit
from selflengthen.curate.rule.fit import Subset
from selflengthen.curate.rule.rules import Rule
from selflengthen.curate.rule.tuning import Tune, TuningSetup, tune_on
from selflengthen.errors import UserError
from selflengthen.storage.atomic import rewrite
from selflengthen.storage.records import derive_seed, encode, fingerprint

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Floats, Ints

SUBSETS, ROWS = 129, 1000
"""How many subsets, and rows of each, as in the paper."""

_STRATA = 5
_CONCENTRATION = 0.5  # of the Dirichlet draw; below 1, one or two strata supply most of the rows
_UNIFORM = 0.02  # weight of a uniform draw over all rows: no stratum is ever ruled out


@dataclass(frozen=True)
class SubsetPlan:
    """How many subsets of how many rows to draw; a larger `subsets` adds to those on file."""

    subsets: int = SUBSETS
    rows: int = ROWS
    target: Literal["log loss", "loss"] = "log loss"


@dataclass(frozen=True)
class SubsetDraw:
    """A subset: the positions of its rows, ascending, and the indicator whose strata it mixes."""

    places: Ints
    by: str


def draw(measured: Measured, rows: int, number: int, seed: int) -> SubsetDraw:
    """Draw subset `number`: a mixture of strata of one indicator, so that indicators vary.

    Uniformly drawn subsets all have nearly the same mean indicators, which leaves least squares
    nothing to fit. The paper therefore fuses data sets of different quality. Here, each subset
    picks an indicator at random, cuts the rows, ordered by it, into five strata of equal size,
    draws the strata's shares (Dirichlet, 0.5), and draws rows by these shares without replacement.
    Fused data sets differ in their indicators, so this separates them too.

    Args:
        measured: the indicators of all rows.
        rows: how many rows to draw.
        number: of the subset, from 1.
        seed: of all subsets; each depends on it and its own number alone.
    """
    import numpy as np

    rng = np.random.default_rng(derive_seed(seed, "subset", number))
    column = int(rng.integers(len(measured.names)))
    values = measured.values[:, column]
    shuffled = rng.permutation(len(values))  # breaks ties at random
    rank = np.empty(len(values), np.int64)
    rank[shuffled[np.argsort(values[shuffled], kind="stable")]] = np.arange(len(values))
    stratum = rank * _STRATA // len(values)
    shares = rng.dirichlet([_CONCENTRATION] * _STRATA)
    sizes = np.bincount(stratum, minlength=_STRATA)
    weights = (1 - _UNIFORM) * shares[stratum] / sizes[stratum] + _UNIFORM / len(values)
    places = rng.choice(len(values), rows, replace=False, p=weights / weights.sum())
    return SubsetDraw(np.sort(places), measured.names[column])


class Fitting:
    """Fits a rule over the indicators `measured`, from tunings on subsets of the rows.

    Run again, it resumes from what is on file and ends with the same rule. It writes the table of
    all subsets to `subsets.jsonl` in its folder, in the form that `fit.read` reads.
    """

    def __init__(
        self, rows: Rows, measured: Measured, plan: SubsetPlan, setup: TuningSetup
    ) -> None:
        """Draw the subsets; nothing is written yet.

        Raises UserError for all that can be known before the first tuning: too few rows, too few
        subsets, or a singular fit.
        """
        if plan.rows > len(rows):
            raise UserError(
                f"fit: a subset needs {plan.rows:,} rows, but {rows.name} has {count_text(rows)}; "
                f"set --rows to at most {len(rows):,}."
            )
        self.rows = rows
        self.measured = measured
        self.plan = plan
        self.setup = setup
        self.drawn = [draw(measured, plan.rows, n, setup.seed) for n in range(1, plan.subsets + 1)]
        self.means = _means(measured, self.drawn)
        fit.check(measured.names, self.means)
        self.identity: Mapping[str, Any] = {
            "work": "fit",
            "data": content_digest(rows),
            "indicators": list(measured.names),
            "measured": fingerprint(measured.values.tolist()).hex(),
            "rows": plan.rows,
            **setup.identity(),
        }

    async def play(self, folder: Path, tune: Tune, on_progress: OnProgress | None = None) -> Rule:
        """Tune on each subset and fit the rule; `on_progress` is called after each subset.

        Raises TrainingError if a tuning fails, UserError if the losses cannot be fitted.
        """
        subsets: list[Subset] = []
        for number in range(1, self.plan.subsets + 1):
            subset = await self._tuned(number, folder, tune)
            subsets.append(subset)
            if on_progress:
                on_progress(f"{subset.name}, loss {subset.loss:.4f}", number, self.plan.subsets)
        rewrite(folder / "subsets.jsonl", map(encode, subsets))
        return fit.least_squares(subsets, self.measured.names, self.plan.target)

    async def _tuned(self, number: int, folder: Path, tune: Tune) -> Subset:
        subset = self.drawn[number - 1]
        means = self.means[number - 1].tolist()
        return await tune_on(
            self.setup,
            self.rows.only(mask(subset.places, len(self.rows))),
            folder / "subsets" / f"{number:03d}",
            tune=tune,
            evaluation=folder / "evaluation.jsonl",
            labels={
                "name": f"subset {number:03d}",
                "by": subset.by,
                "indicators": dict(zip(self.measured.names, means, strict=True)),
            },
            result=Subset,
        )


def _means(measured: Measured, drawn: Sequence[SubsetDraw]) -> Floats:
    """Return the mean indicators as (subsets, indicators)."""
    import numpy as np

    return np.array([measured.values[subset.places].mean(0) for subset in drawn])
