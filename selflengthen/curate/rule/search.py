"""How many of the best rows to take (InstructMining, arXiv 2307.06290, section 4).

Rows are ranked by the loss that a rule predicts. FLAML's BlendSearch then looks for the size whose
tuned model has the lowest loss on an evaluation set. A trial is a real tuning on the best rows of a
size; sizes stand on a grid, so that trials that are nearly the same are shared.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selflengthen.curate.io.rows import Choice, Dropped, Rows, Tell, counted, mask
from selflengthen.curate.io.work_dir import content
from selflengthen.curate.methods.quality import ranking
from selflengthen.curate.rule.tuning import Setup, Tune, tuned
from selflengthen.errors import UserError
from selflengthen.storage.records import derive_seed, fingerprint

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Bools, Floats

Curve = Mapping[int, float]
"""Loss by size."""

_IDLE = 20  # suggestions a trial that may be known ones; then the search has nothing new
_CLEAR = 0.01  # of the loss: smaller rises and falls may be chance, and are not named


@dataclass(frozen=True)
class Range:
    """Which sizes are tried: `points` from `least` to `most`, in equal ratios."""

    least: int
    most: int
    points: int = 24

    def grid(self) -> list[int]:
        """Return the sizes, ascending, each once."""
        ratio = self.most / self.least
        last = max(1, self.points - 1)
        return sorted({round(self.least * ratio ** (n / last)) for n in range(self.points)})


@dataclass(frozen=True)
class Descent:
    """A double descent: sizes at which the loss began, fell to, rose to, and fell to again."""

    start: int
    valley: int
    peak: int
    end: int


@dataclass(frozen=True)
class Found:
    """What a search found: the curve, the size of the lowest loss, and what is kept."""

    curve: Curve
    best: int
    choice: Choice


class Searching:
    """A search for the size of the lowest loss, in at most `trials` tunings.

    `predicted` is the loss that a rule foretells of each row. The same work goes on with what is on
    file and ends with the same result; more trials go on from fewer. Of sizes with the same loss
    the smaller is taken.
    """

    def __init__(
        self, rows: Rows, predicted: Floats, sizes: Range, trials: int, setup: Setup
    ) -> None:
        """Rank the rows; nothing is written yet. Raises UserError where the set is too small."""
        if not 1 <= sizes.least <= sizes.most:
            raise UserError(
                f"search: there are no sizes from {sizes.least:,} to {sizes.most:,}; give a least "
                "that is 1 or more, and no more than the most."
            )
        if sizes.most > len(rows):
            raise UserError(
                f"search: sizes go up to {sizes.most:,}, but {rows.name} has {counted(rows)}; ask "
                f"for {len(rows):,} at most."
            )
        self.rows, self.predicted, self.setup = rows, predicted, setup
        self.grid, self.ranked = sizes.grid(), ranking(predicted)
        self.trials = min(trials, len(self.grid))
        self.identity: dict[str, Any] = {
            "work": "search",
            "data": content(rows),
            "ranking": fingerprint(self.ranked.tolist()).hex(),
            "sizes": self.grid,
            **setup.identity(),
        }

    async def play(self, folder: Path, tune: Tune, tell: Tell | None = None) -> Found:
        """Try sizes; `tell` hears of each. Raises TrainingError where a tuning fails."""
        blend, curve = _Blend(self.grid, self.setup.seed), dict[int, float]()
        while len(curve) < self.trials and (size := blend.suggest(curve)) is not None:
            some, name = self.rows.only(self._best(size)), f"sizes/{size:09d}"
            found = await tuned(self.setup, some, folder, name, tune, {"size": size})
            curve[size] = found["loss"]
            blend.tell(size, found["loss"])
            if tell:
                tell(f"{size:,} rows, loss {found['loss']:.4f}", len(curve), self.trials)
        best = min(curve, key=lambda size: (curve[size], size))
        return Found(dict(sorted(curve.items())), best, self._choice(best))

    def _best(self, size: int) -> Bools:
        return mask(self.ranked[:size], len(self.rows))

    def _choice(self, size: int) -> Choice:
        keep, predicted = self._best(size), self.predicted
        dropped = Dropped("predicted loss", self.rows.numbers[~keep], "predicted", predicted[~keep])
        means = {"mean": predicted.mean(), "mean_kept": predicted[keep].mean()}
        told = {name: round(float(mean), 4) for name, mean in means.items()}
        return Choice(self.rows.only(keep), (dropped,), told)


class _Blend:
    """BlendSearch over places on a grid.

    A trial's cost is its rows, not its seconds, and chance is seeded: asked again and told the same
    losses it suggests the same sizes.
    """

    def __init__(self, grid: Sequence[int], seed: int) -> None:
        self._grid, self._count = grid, 0
        self._open: tuple[str, Any] | None = None
        self._search: Any = None
        if len(grid) > 1:  # it divides by the width of its space
            self._search = self._begun(seed)

    def _begun(self, seed: int) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of parts of FLAML that are not used
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
        """Return a size that is not known; sizes that are, are told at once. None: nothing new."""
        for _ in range(_IDLE * len(self._grid) if self._search else 0):
            self._count += 1
            name = f"trial-{self._count}"
            config = self._search.suggest(name)
            if config is None:
                continue
            size = self._grid[int(config["place"])]
            self._open = name, config
            if size not in known:
                return size
            self.tell(size, known[size])
        return next((size for size in self._grid if size not in known), None)

    def tell(self, size: int, loss: float) -> None:
        """Hear the loss of what was suggested last."""
        if self._open is None:
            return
        name, config = self._open
        self._open = None
        self._search.on_trial_complete(name, {"loss": loss, "rows": size, "config": config})


def double_descent(curve: Curve) -> Descent | None:
    """Return where a curve falls, rises and falls again, or None where it does not.

    Sizes a < b < c < d of the curve with a fall from a to b, a rise from b to c and a second fall
    from c to d. Each must be more than one in a hundred of the loss at b. Of several, that whose
    smallest step is the largest, and of those that with the highest peak.
    """
    sizes = sorted(curve)
    found, largest = None, (_CLEAR, math.inf)
    for at, peak in enumerate(sizes):
        if at < 2 or at == len(sizes) - 1:
            continue
        valley = min(sizes[1:at], key=lambda size: curve[size])
        start = max(sizes[: sizes.index(valley)], key=lambda size: curve[size])
        end = min(sizes[at + 1 :], key=lambda size: curve[size])
        steps = (
            curve[start] - curve[valley],
            curve[peak] - curve[valley],
            curve[peak] - curve[end],
        )
        clear = (min(steps) / abs(curve[valley]), curve[peak])
        if clear > largest:
            found, largest = Descent(start, valley, peak, end), clear
    return found


def figures(found: Found) -> dict[str, Any]:
    """Return the curve and what it shows, for programs."""
    descent = double_descent(found.curve)
    return {
        "best": found.best,
        "loss": found.curve[found.best],
        "curve": [{"rows": size, "loss": loss} for size, loss in found.curve.items()],
        "double_descent": None if descent is None else asdict(descent),
    }


def table(found: Found) -> list[list[str]]:
    """Return the curve as a table: size, loss, and what it is."""
    descent = double_descent(found.curve)
    marks = {} if descent is None else {size: name for name, size in asdict(descent).items()}
    lines = [["rows", "loss", ""]]
    for size, loss in found.curve.items():
        said = [marks.get(size, ""), "lowest" if size == found.best else ""]
        lines.append([f"{size:,}", f"{loss:.4f}", ", ".join(filter(None, said))])
    return lines


def plot(found: Found) -> bytes:
    """Return a PNG of loss over size, with the double descent where there is one."""
    import io

    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.plot(list(found.curve), list(found.curve.values()), "o-", color="#2a5d84", markersize=4)
    axes.plot([found.best], [found.curve[found.best]], "o", color="#c2552d", markersize=9,
              fillstyle="none")  # fmt: skip
    axes.annotate("lowest", (found.best, found.curve[found.best]), (0, -14), fontsize=9,
                  textcoords="offset points", ha="center")  # fmt: skip
    descent = double_descent(found.curve)
    if descent is not None:
        axes.axvspan(descent.valley, descent.end, color="#e3ecf3", zorder=0)
        axes.set_title(
            f"double descent: {descent.valley:,} to {descent.end:,} rows, peak at "
            f"{descent.peak:,}", fontsize=10,
        )  # fmt: skip
    axes.margins(y=0.15)
    if max(found.curve) > 4 * min(found.curve):
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(LogFormatter())
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("rows tuned on, the best by the rule")
    axes.set_ylabel("loss on the evaluation set")
    axes.grid(linewidth=0.5, alpha=0.5)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
    return file.getvalue()
