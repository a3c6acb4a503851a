"""How many of the best rows to take (InstructMining, arXiv 2307.06290, section 4).

Rows are ranked by the loss that a rule predicts. FLAML's BlendSearch then looks for the size whose
tuned model has the lowest loss on an evaluation set. Each trial is a real tuning on that many of
the best rows. Sizes lie on a grid, so that sizes that hardly differ share a trial.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selflengthen.curate.io.rows import Choice, Dropped, OnProgress, Rows, count_text, mask
from selflengthen.curate.io.work_dir import content_digest
from selflengthen.curate.methods.quality import ranking
from selflengthen.curate.rule.curve import Curve, SearchResult
from selflengthen.curate.rule.tuning import Loss, Tune, TuningSetup, tune_on
from selflengthen.errors import UserError
from selflengthen.storage.records import derive_seed, fingerprint

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Bools, Floats

_REPEATS = 20  # suggestions per size of the grid, before the search counts as out of new ones


@dataclass(frozen=True)
class SizeRange:
    """The sizes to try: `points` from `least` to `most` rows, in equal ratios."""

    least: int
    most: int
    points: int = 24

    def grid(self) -> list[int]:
        """Return the distinct sizes, ascending."""
        ratio = self.most / self.least
        last = max(1, self.points - 1)
        return sorted({round(self.least * ratio ** (n / last)) for n in range(self.points)})


class Searching:
    """Searches for the size with the lowest loss, in at most `trials` tunings.

    `predicted` is the loss that a rule predicts for each row. Run again, it resumes from what is on
    file and ends with the same result; with more trials it continues. Of sizes with equal losses
    the smaller wins.
    """

    def __init__(
        self, rows: Rows, predicted: Floats, sizes: SizeRange, trials: int, setup: TuningSetup
    ) -> None:
        """Rank the rows; nothing is written yet. Raises UserError if there are too few rows."""
        if not 1 <= sizes.least <= sizes.most:
            raise UserError(
                f"search: there are no sizes from {sizes.least:,} to {sizes.most:,}; set --least "
                "to 1 or more, and not above --most."
            )
        if sizes.most > len(rows):
            raise UserError(
                f"search: sizes go up to {sizes.most:,}, but {rows.name} has {count_text(rows)}; "
                f"set --most to at most {len(rows):,}."
            )
        self.rows = rows
        self.predicted = predicted
        self.setup = setup
        self.grid = sizes.grid()
        self.ranked = ranking(predicted)
        self.trials = min(trials, len(self.grid))
        self.identity: Mapping[str, Any] = {
            "work": "search",
            "data": content_digest(rows),
            "ranking": fingerprint(self.ranked.tolist()).hex(),
            "sizes": self.grid,
            **setup.identity(),
        }

    async def play(
        self, folder: Path, tune: Tune, on_progress: OnProgress | None = None
    ) -> SearchResult:
        """Try sizes; `on_progress` is called after each. Raises TrainingError if a tuning fails."""
        blend = _Blend(self.grid, self.setup.seed)
        curve: dict[int, float] = {}
        while len(curve) < self.trials and (size := blend.suggest(curve)) is not None:
            loss = (await self._tuned(size, folder, tune)).loss
            curve[size] = loss
            blend.report(size, loss)
            if on_progress:
                on_progress(f"{size:,} rows, loss {loss:.4f}", len(curve), self.trials)
        best = min(curve, key=lambda size: (curve[size], size))
        return SearchResult(dict(sorted(curve.items())), best, self._choice(best))

    async def _tuned(self, size: int, folder: Path, tune: Tune) -> Loss:
        return await tune_on(
            self.setup,
            self.rows.only(self._best(size)),
            folder / "sizes" / f"{size:09d}",
            tune=tune,
            evaluation=folder / "evaluation.jsonl",
            labels={"size": size},
            result=Loss,
        )

    def _best(self, size: int) -> Bools:
        return mask(self.ranked[:size], len(self.rows))

    def _choice(self, size: int) -> Choice:
        keep = self._best(size)
        predicted = self.predicted
        dropped = Dropped("predicted loss", self.rows.numbers[~keep], "predicted", predicted[~keep])
        means = {"mean": predicted.mean(), "mean_kept": predicted[keep].mean()}
        rounded = {name: round(float(mean), 4) for name, mean in means.items()}
        return Choice(self.rows.only(keep), (dropped,), rounded)


class _Blend:
    """BlendSearch over positions on a grid of sizes.

    A trial's cost is its rows, not its seconds, and the search is seeded: given the same losses
    again, it suggests the same sizes.
    """

    def __init__(self, grid: Sequence[int], seed: int) -> None:
        self._grid = grid
        self._count = 0
        self._open: tuple[str, Any] | None = None
        self._search: Any = None
        if len(grid) > 1:  # BlendSearch divides by the width of its space
            self._search = self._start(seed)

    def _start(self, seed: int) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about parts of FLAML that are not used
            from flaml import BlendSearch
            from flaml.tune import randint
            from optuna.logging import ERROR, set_verbosity

            set_verbosity(ERROR)
            return BlendSearch(
                metric="loss",
                mode="min",
                space={"place": randint(0, len(self._grid))},
                low_cost_partial_config={"place": 0},
                cost_attr="rows",
                seed=derive_seed(seed, "search"),
            )

    def suggest(self, known: Curve) -> int | None:
        """Return a size that is not in `known`, or None if there is no other.

        Where BlendSearch suggests a known size it gets that loss at once, and suggests again.
        """
        for _ in range(_REPEATS * len(self._grid) if self._search else 0):
            self._count += 1
            name = f"trial-{self._count}"
            config = self._search.suggest(name)
            if config is None:
                continue
            size = self._grid[int(config["place"])]
            self._open = name, config
            if size not in known:
                return size
            self.report(size, known[size])
        return next((size for size in self._grid if size not in known), None)

    def report(self, size: int, loss: float) -> None:
        """Report the loss of the last suggestion, if BlendSearch made it."""
        if self._open is None:
            return
        name, config = self._open
        self._open = None
        self._search.on_trial_complete(name, {"loss": loss, "rows": size, "config": config})
