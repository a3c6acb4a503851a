"""A rule by real tunings (InstructMining, arXiv 2307.06290, section 3).

Subsets of a data set are drawn, a model is tuned on each, and its loss on an evaluation set stands
against the mean indicators of the subset's rows: `fit.least_squares` makes a rule of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from selflengthen.curate.indicators.registry import Measured
from selflengthen.curate.io.rows import Rows, Tell, counted, mask
from selflengthen.curate.io.work_dir import content
from selflengthen.curate.rule import fit
from selflengthen.curate.rule.fit import Subset
from selflengthen.curate.rule.rules import Rule
from selflengthen.curate.rule.tuning import Setup, Tune, tuned
from selflengthen.errors import UserError
from selflengthen.storage.atomic import rewrite
from selflengthen.storage.records import derive_seed, fingerprint

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Floats, Ints

SUBSETS, ROWS = 129, 1000
"""The paper's: how many subsets, and rows of each."""

_STRATA = 5
_EVENNESS = 0.5  # of the Dirichlet draw: below 1 one or two strata have most of the rows
_LEAST = 0.02  # of the whole, that comes from all rows alike


@dataclass(frozen=True)
class Plan:
    """How many subsets of how many rows are drawn; growing `subsets` adds to those on file."""

    subsets: int = SUBSETS
    rows: int = ROWS
    target: Literal["log loss", "loss"] = "log loss"


@dataclass(frozen=True)
class Drawn:
    """A subset: the places of its rows, ascending, and the indicator whose strata it mixes."""

    places: Ints
    by: str


def draw(measured: Measured, rows: int, number: int, seed: int) -> Drawn:
    """Draw subset `number`: a mixture of strata of an indicator, so that indicators vary.

    Rows drawn evenly have nearly the same mean indicators in every subset, and least squares has
    nothing to hold on to. The paper fuses data sets of different quality for that. Here, for each
    subset, an indicator is drawn by lot; the rows, ordered by it, are cut into five strata of equal
    size; shares of the strata are drawn (Dirichlet, 0.5), and rows by these shares without
    replacement. Sets that were fused into one differ in their indicators, so this parts them, too.
    """
    import numpy as np

    chance = np.random.default_rng(derive_seed(seed, "subset", number))
    column = int(chance.integers(len(measured.names)))
    values = measured.values[:, column]
    mixed = chance.permutation(len(values))  # ties by lot
    rank = np.empty(len(values), np.int64)
    rank[mixed[np.argsort(values[mixed], kind="stable")]] = np.arange(len(values))
    stratum = rank * _STRATA // len(values)
    shares = chance.dirichlet([_EVENNESS] * _STRATA)
    sizes = np.bincount(stratum, minlength=_STRATA)
    weights = (1 - _LEAST) * shares[stratum] / sizes[stratum] + _LEAST / len(values)
    places = chance.choice(len(values), rows, replace=False, p=weights / weights.sum())
    return Drawn(np.sort(places), measured.names[column])


class Fitting:
    """A rule over the indicators `measured` of all rows, by tunings on subsets.

    The same work goes on with what is on file, and ends with the same rule. The table of all
    subsets, `subsets.jsonl` in the work's folder, is one that `fit.read` takes.
    """

    def __init__(self, rows: Rows, measured: Measured, plan: Plan, setup: Setup) -> None:
        """Draw the subsets; nothing is written yet.

        Raises UserError where the set is too small, subsets are too few, or the fit would be
        singular: all that is known before the first tuning.
        """
        if plan.rows > len(rows):
            raise UserError(
                f"fit: a subset is to have {plan.rows:,} rows, but {rows.name} has {counted(rows)};"
                f" ask for {len(rows):,} at most."
            )
        self.rows, self.measured, self.plan, self.setup = rows, measured, plan, setup
        self.drawn = [draw(measured, plan.rows, n, setup.seed) for n in range(1, plan.subsets + 1)]
        self.means = _means(measured, self.drawn)
        fit.check(measured.names, self.means)
        self.identity: dict[str, Any] = {
            "work": "fit",
            "data": content(rows),
            "indicators": list(measured.names),
            "measured": fingerprint(measured.values.tolist()).hex(),
            "rows": plan.rows,
            **setup.identity(),
        }

    async def play(self, folder: Path, tune: Tune, tell: Tell | None = None) -> Rule:
        """Tune on each subset and fit; `tell` hears of each. Raises TrainingError, UserError."""
        subsets: list[Subset] = []
        for number in range(1, self.plan.subsets + 1):
            found = await self._tuned(number, folder, tune)
            subsets.append(msgspec.convert(found, Subset))
            if tell:
                tell(f"{found['name']}, loss {found['loss']:.4f}", number, self.plan.subsets)
        encode = msgspec.json.Encoder().encode
        rewrite(folder / "subsets.jsonl", (encode(subset) + b"\n" for subset in subsets))
        return fit.least_squares(subsets, self.measured.names, self.plan.target)

    async def _tuned(self, number: int, folder: Path, tune: Tune) -> dict[str, Any]:
        one, means = self.drawn[number - 1], self.means[number - 1].tolist()
        indicators = dict(zip(self.measured.names, means, strict=True))
        said = {"name": f"subset {number:03d}", "by": one.by, "indicators": indicators}
        some = self.rows.only(mask(one.places, len(self.rows)))
        return await tuned(self.setup, some, folder, f"subsets/{number:03d}", tune, said)


def _means(measured: Measured, drawn: Sequence[Drawn]) -> Floats:
    """Return the mean indicators, a line a subset."""
    import numpy as np

    return np.array([measured.values[one.places].mean(0) for one in drawn])
