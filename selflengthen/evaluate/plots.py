"""Two pictures of an evaluation: required against produced length, and scores by band of length."""

from __future__ import annotations

import io
import math
import statistics
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from selflengthen.evaluate import tasks
from selflengthen.evaluate.length import Scored
from selflengthen.evaluate.tasks import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Sides = Mapping[str, Sequence[Scored]]
"""By name: the scores of one model's answers."""

_MARKS = {"about": "o", "range": "D", "above": "^", "below": "v"}
_MARKS |= {"equal to": "o", "at least": "^", "at most": "v"}
_INK, _QUIET, _SIDE, _PANELS = "#2a5d84", "#8a8a8a", 3.2, 4  # inches; panels a line
_FAR = 5  # times what is required: beyond, texts stand at the edge


def lengths(sides: Sides, task: Task) -> bytes:
    """Return a PNG with a panel a model: each text by required and by produced words.

    On the line a text has the length that was named; in the band it is a fifth more or less. What
    is empty or far out of the picture stands at its edge.
    """
    columns = min(_PANELS, len(sides))
    lines = math.ceil(len(sides) / columns)
    figure = _figure(0.9 + _SIDE * columns, 1.0 + _SIDE * lines)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    every = [one for scored in sides.values() for one in scored]
    low, high = _edges(every)
    labels = _labels(sides)
    for place, panel in enumerate(panels.flat):
        if place >= len(sides):
            panel.axis("off")
            continue
        _panel(panel, list(sides.values())[place], low, high)
        panel.set_title(labels[place], fontsize=10, parse_math=False)
        if place + columns >= len(sides):  # nothing is below
            panel.tick_params(labelbottom=True)
    _legend(figure, panels.flat[0], every)
    figure.supxlabel("words required", fontsize=10)
    figure.supylabel("words produced", fontsize=10)
    return _png(figure)


def bands(sides: Sides, task: Task) -> bytes:
    """Return a PNG with the mean score of each model in each band of required length."""
    names = tasks.bands(one for scored in sides.values() for one in scored)
    inches = max(5.0, 1.6 + 0.3 * (len(sides) + 1) * len(names))
    figure, labels = _figure(inches, 3.6), _labels(sides)
    axes = figure.subplots()
    width = 0.8 / len(sides)
    colours = _colours(len(sides))
    for place, scored in enumerate(sides.values()):
        means = [
            statistics.fmean(
                [o.score for o in scored if o.counts and o.groups["band"] == name] or [0]
            )
            for name in names
        ]
        at = [i - 0.4 + width * (place + 0.5) for i in range(len(names))]
        axes.bar(at, means, width * 0.92, color=colours[place], label=labels[place])
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(0, task.best)
    axes.set_xlabel("words required")
    axes.set_ylabel(f"{task.figure} (0 to {task.best:g})")
    axes.grid(axis="y", linewidth=0.5, alpha=0.5)
    axes.set_axisbelow(True)
    fitting = int(inches / (0.7 + 0.08 * max(map(len, labels))))
    legend = figure.legend(
        loc="outside upper center", ncols=max(1, fitting), frameon=False, fontsize=9
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return _png(figure)


def _panel(panel: Any, scored: Sequence[Scored], low: float, high: float) -> None:
    line = (low, high)
    panel.fill_between(line, [0.8 * x for x in line], [1.2 * x for x in line], color="#e3ecf3")
    panel.plot(line, line, color=_QUIET, linewidth=0.8)
    for mark, some in _by_mark(scored).items():
        panel.scatter(
            [one.required for one in some], [min(max(one.words, low), high) for one in some],
            s=18, marker=mark, color=_INK, alpha=0.6, linewidths=0, clip_on=False,
        )  # fmt: skip
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlim(low, high)
    panel.set_ylim(low, high)
    panel.set_aspect("equal")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(_ticks(low, high))
        axis.set_major_formatter("{x:,.0f}")
        axis.set_minor_locator(_none())
    panel.tick_params(labelsize=8)


def _legend(figure: Figure, panel: Any, scored: Sequence[Scored]) -> None:
    """Say what the marks mean, where there is more than one."""
    kinds = sorted({_kind(one) for one in scored} & _MARKS.keys(), key=list(_MARKS).index)
    if len(kinds) < 2:
        return
    handles = [
        panel.scatter([], [], s=18, marker=_MARKS[kind], color=_INK, label=kind) for kind in kinds
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=len(kinds), frameon=False, fontsize=9
    )


def _by_mark(scored: Sequence[Scored]) -> dict[str, list[Scored]]:
    found: dict[str, list[Scored]] = {}
    for one in scored:
        found.setdefault(_MARKS.get(_kind(one), "o"), []).append(one)
    return found


def _kind(one: Scored) -> str:
    return one.groups.get("kind") or one.groups.get("control") or ""


def _edges(scored: Sequence[Scored]) -> tuple[float, float]:
    """Return the edges of both axes: all that is required, and what was produced near to that."""
    required = [one.required for one in scored]
    words = [one.words for one in scored if one.words]
    low = max(min([*required, *words]), min(required) / _FAR)
    high = min(max([*required, *words]), max(required) * _FAR)
    return max(1.0, 0.7 * low), 1.4 * high


def _ticks(low: float, high: float) -> Any:
    from matplotlib.ticker import FixedLocator

    steps = [n * 10**power for power in range(8) for n in (1, 2, 5)]
    inside = [step for step in steps if low <= step <= high]
    return FixedLocator(inside[:: math.ceil(len(inside) / 7)])


def _none() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _colours(count: int) -> list[str]:
    """Return colours from light to dark: rounds are an order."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if count == 1:
        return [_INK]
    return [to_hex(colormaps["viridis_r"](0.12 + 0.8 * i / (count - 1))) for i in range(count)]


def _labels(sides: Sides) -> list[str]:
    """Return short labels: what all begin with, the run's name, is left out."""
    starts = {label.partition(" ")[0] for label in sides}
    alike = len(sides) > 1 and len(starts) == 1
    said = [label.partition(" ")[2] if alike else label for label in sides]
    labels = said if all(said) else list(sides)
    return [label if len(label) <= 32 else f"{label[:31]}…" for label in labels]


def _figure(width: float, height: float) -> Figure:
    """Return an empty picture; it is drawn without a display and without pyplot's state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # of a name: it becomes a box
        figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
    return file.getvalue()
