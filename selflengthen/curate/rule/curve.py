"""The curve that a search draws: loss over the number of rows, and a double descent in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from selflengthen.curate.io.rows import Choice

Curve = Mapping[int, float]
"""Loss by size."""

_CLEAR = 0.01  # of the loss; smaller rises and falls may be noise


@dataclass(frozen=True)
class Descent:
    """A double descent: the sizes where the loss starts, bottoms out, peaks, and ends."""

    start: int
    valley: int
    peak: int
    end: int


@dataclass(frozen=True)
class SearchResult:
    """The curve, the size with the lowest loss, and the choice of that many rows."""

    curve: Curve
    best: int
    choice: Choice


class CurvePoint(msgspec.Struct, frozen=True):
    """A size, and the loss of the model tuned on that many rows."""

    rows: int
    loss: float


class CurveFigures(msgspec.Struct, frozen=True):
    """What `.curve.json` contains.

    Attributes:
        best: the size with the lowest loss.
        loss: that loss, in nats per target token.
        curve: all sizes that were tried, ascending.
        double_descent: where the curve falls, rises and falls again, or None.
    """

    best: int
    loss: float
    curve: list[CurvePoint]
    double_descent: Descent | None


def double_descent(curve: Curve) -> Descent | None:
    """Return where a curve falls, rises and falls again, or None if it does not.

    That is, sizes a < b < c < d with a fall from a to b, a rise from b to c and a second fall from
    c to d, each by more than a hundredth of the loss at b. Of several, take the one whose smallest
    step is the largest, and of those the one with the highest peak.
    """
    sizes = sorted(curve)
    clearest = None
    largest = (_CLEAR, math.inf)
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
            clearest = Descent(start, valley, peak, end)
            largest = clear
    return clearest


def figures(result: SearchResult) -> CurveFigures:
    """Return the curve and what it shows, for programs."""
    return CurveFigures(
        best=result.best,
        loss=result.curve[result.best],
        curve=[CurvePoint(size, loss) for size, loss in result.curve.items()],
        double_descent=double_descent(result.curve),
    )


def table(result: SearchResult) -> list[list[str]]:
    """Return the curve as a table with a head: rows, loss, and what is special about the size."""
    descent = double_descent(result.curve)
    marks = {} if descent is None else {size: name for name, size in asdict(descent).items()}
    lines = [["rows", "loss", ""]]
    for size, loss in result.curve.items():
        notes = [marks.get(size, ""), "lowest" if size == result.best else ""]
        lines.append([f"{size:,}", f"{loss:.4f}", ", ".join(filter(None, notes))])
    return lines


def plot(result: SearchResult) -> bytes:
    """Return a PNG of loss over size; a double descent is shaded."""
    import io

    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    sizes = list(result.curve)
    axes.plot(sizes, list(result.curve.values()), "o-", color="#2a5d84", markersize=4)
    lowest = (result.best, result.curve[result.best])
    axes.plot(*lowest, "o", color="#c2552d", markersize=9, fillstyle="none")
    axes.annotate("lowest", lowest, (0, -14), fontsize=9, textcoords="offset points", ha="center")
    descent = double_descent(result.curve)
    if descent is not None:
        axes.axvspan(descent.valley, descent.end, color="#e3ecf3", zorder=0)
        title = f"{descent.valley:,} to {descent.end:,} rows, peak at {descent.peak:,}"
        axes.set_title(f"double descent: {title}", fontsize=10)
    _label(axes, log=max(sizes) > 4 * min(sizes))
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
    return file.getvalue()


def _label(axes: Any, *, log: bool) -> None:
    """Scale and label the axes; `log` shows sizes on a logarithmic scale."""
    from matplotlib.ticker import LogFormatter

    axes.margins(y=0.15)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(LogFormatter())
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("rows tuned on, the best by the rule")
    axes.set_ylabel("loss on the evaluation set")
    axes.grid(linewidth=0.5, alpha=0.5)
