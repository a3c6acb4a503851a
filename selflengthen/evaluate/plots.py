"""Plots an evaluation: required against produced length, and scores by band of required length."""

from __future__ import annotations

import io
import math
import statistics
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from selflengthen.evaluate import tasks
from selflengthen.evaluate.length import ScoredResponse
from selflengthen.evaluate.tasks import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ScoresByLabel = Mapping[str, Sequence[ScoredResponse]]
"""The scores of each model's answers, by the model's label."""

_MARKS = {"about": "o", "range": "D", "above": "^", "below": "v"}
_MARKS |= {"equal to": "o", "at least": "^", "at most": "v"}
_INK = "#2a5d84"
_GREY = "#8a8a8a"
_SIDE = 3.2  # inches; the width and height of a panel
_PANELS = 4  # panels in a row
_FAR = 5  # factor beyond the required lengths at which the axes end


def lengths(scores: ScoresByLabel) -> bytes:
    """Return a PNG with one panel per model: required words against produced words, per text.

    Texts on the line have the required length; texts in the band are within a fifth of it. Empty
    texts and those far outside are drawn at the edge.
    """
    columns = min(_PANELS, len(scores))
    rows = math.ceil(len(scores) / columns)
    figure = _figure(0.9 + _SIDE * columns, 1.0 + _SIDE * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    responses = [response for scored in scores.values() for response in scored]
    low, high = _edges(responses)
    for panel in panels.flat[len(scores) :]:
        panel.axis("off")
    labelled = zip(_labels(scores), scores.values(), strict=True)
    for place, (label, scored) in enumerate(labelled):
        panel = panels.flat[place]
        _panel(panel, scored, low, high)
        panel.set_title(label, fontsize=10, parse_math=False)
        if place + columns >= len(scores):  # there is no panel below with the labels
            panel.tick_params(labelbottom=True)
    _legend(figure, panels.flat[0], responses)
    figure.supxlabel("words required", fontsize=10)
    figure.supylabel("words produced", fontsize=10)
    return _png(figure)


def bands(scores: ScoresByLabel, task: Task) -> bytes:
    """Return a PNG with the mean score of each model in each band of required length."""
    names = tasks.bands(response for scored in scores.values() for response in scored)
    inches = max(5.0, 1.6 + 0.3 * (len(scores) + 1) * len(names))
    figure = _figure(inches, 3.6)
    labels = _labels(scores)
    axes = figure.subplots()
    width = 0.8 / len(scores)
    colours = _colours(len(scores))
    for place, scored in enumerate(scores.values()):
        means = [_band_mean(scored, name) for name in names]
        at = [i - 0.4 + width * (place + 0.5) for i in range(len(names))]
        axes.bar(at, means, width * 0.92, color=colours[place], label=labels[place])
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(0, task.best)
    axes.set_xlabel("words required")
    axes.set_ylabel(f"{task.figure} (0 to {task.best:g})")
    axes.grid(axis="y", linewidth=0.5, alpha=0.5)
    axes.set_axisbelow(True)
    label_inches = 0.7 + 0.08 * max(map(len, labels))
    legend = figure.legend(
        loc="outside upper center",
        ncols=max(1, int(inches / label_inches)),
        frameon=False,
        fontsize=9,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return _png(figure)


def _band_mean(scored: Sequence[ScoredResponse], band: str) -> float:
    scores = [r.score for r in scored if r.counts and r.groups["band"] == band]
    return statistics.fmean(scores) if scores else 0.0


def _panel(panel: Any, scored: Sequence[ScoredResponse], low: float, high: float) -> None:
    line = (low, high)
    panel.fill_between(line, [0.8 * x for x in line], [1.2 * x for x in line], color="#e3ecf3")
    panel.plot(line, line, color=_GREY, linewidth=0.8)
    for mark, group in _by_mark(scored).items():
        panel.scatter(
            [response.required for response in group],
            [min(max(response.words, low), high) for response in group],
            s=18,
            marker=mark,
            color=_INK,
            alpha=0.6,
            linewidths=0,
            clip_on=False,
        )
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlim(low, high)
    panel.set_ylim(low, high)
    panel.set_aspect("equal")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(_ticks(low, high))
        axis.set_major_formatter("{x:,.0f}")
        axis.set_minor_locator(_no_ticks())
    panel.tick_params(labelsize=8)


def _legend(figure: Figure, panel: Any, scored: Sequence[ScoredResponse]) -> None:
    """Explain the marks if there is more than one."""
    kinds = sorted({_kind(response) for response in scored} & _MARKS.keys(), key=list(_MARKS).index)
    if len(kinds) < 2:
        return
    handles = [
        panel.scatter([], [], s=18, marker=_MARKS[kind], color=_INK, label=kind) for kind in kinds
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=len(kinds), frameon=False, fontsize=9
    )


def _by_mark(scored: Sequence[ScoredResponse]) -> dict[str, list[ScoredResponse]]:
    groups: dict[str, list[ScoredResponse]] = {}
    for response in scored:
        groups.setdefault(_MARKS.get(_kind(response), "o"), []).append(response)
    return groups


def _kind(response: ScoredResponse) -> str:
    return response.groups.get("kind") or response.groups.get("control") or ""


def _edges(scored: Sequence[ScoredResponse]) -> tuple[float, float]:
    """Return the limits of both axes: all required lengths, and the produced ones near them."""
    required = [response.required for response in scored]
    words = [response.words for response in scored if response.words]
    low = max(min([*required, *words]), min(required) / _FAR)
    high = min(max([*required, *words]), max(required) * _FAR)
    return max(1.0, 0.7 * low), 1.4 * high


def _ticks(low: float, high: float) -> Any:
    from matplotlib.ticker import FixedLocator

    steps = [n * 10**power for power in range(8) for n in (1, 2, 5)]
    inside = [step for step in steps if low <= step <= high]
    return FixedLocator(inside[:: math.ceil(len(inside) / 7)])


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _colours(count: int) -> list[str]:
    """Return colours from light to dark, since rounds have an order."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if count == 1:
        return [_INK]
    return [to_hex(colormaps["viridis_r"](0.12 + 0.8 * i / (count - 1))) for i in range(count)]


def _labels(scores: ScoresByLabel) -> list[str]:
    """Return short labels, without the run's name if all have the same one."""
    labels = list(scores)
    names = {label.partition(" ")[0] for label in labels}
    if len(labels) > 1 and len(names) == 1:
        suffixes = [label.partition(" ")[2] for label in labels]
        labels = suffixes if all(suffixes) else labels
    return [label if len(label) <= 32 else f"{label[:31]}…" for label in labels]


def _figure(width: float, height: float) -> Figure:
    """Return an empty figure that needs neither a display nor pyplot's global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Glyph"
        )  # one that is missing in the font becomes a box
        figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
    return file.getvalue()
