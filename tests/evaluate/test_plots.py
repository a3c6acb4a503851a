"""Plots are drawn for any evaluation, and the same each time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial

import pytest

from selflengthen.evaluate import plots
from selflengthen.evaluate.length import ScoredResponse
from selflengthen.evaluate.tasks import TASKS


def scored(words: int = 100, **groups: str) -> list[ScoredResponse]:
    all_groups = {"kind": "about", "band": "50-100"} | groups
    return [ScoredResponse(required, words, 0.5, all_groups) for required in (50.0, 75.0, 100.0)]


def size(png: bytes) -> tuple[int, int]:
    from matplotlib.image import imread

    height, width, _ = imread(io.BytesIO(png)).shape
    return width, height


def evaluations() -> Iterator[tuple[str, dict[str, list[ScoredResponse]]]]:
    yield "one", {"a": scored()}
    yield "empty answers", {"a": scored(0), "b": scored(0)}
    yield "very long answers", {"a": scored(2_000_000)}
    yield "hostile names", {"$\\frac{1}{$ _x^": scored(), "_hidden": scored(), "漢" * 90: scored()}
    yield "many", {f"round {n}": scored(n * 20) for n in range(11)}
    yield "one row", {"a": scored()[:1]}
    yield "no kinds", {"a": [ScoredResponse(9.0, 9, 1.0, {"band": "under 500"})]}


@pytest.mark.parametrize(("name", "scores"), evaluations())
def test_plots_are_drawn(name: str, scores: dict[str, list[ScoredResponse]]) -> None:
    for draw in (plots.lengths, partial(plots.bands, task=TASKS["pocket"])):
        png = draw(scores)
        assert png == draw(scores)
        width, height = size(png)
        assert 400 < width < 4000 and 300 < height < 4000


def test_a_text_is_drawn_at_its_lengths() -> None:
    """Texts that are too long are drawn above the line, those that are too short below it."""
    import numpy as np
    from matplotlib.image import imread

    def height_of_ink(words: int) -> float:
        scores = {"a": [ScoredResponse(100.0, words, 1.0, {"band": "x"})] * 30}
        scores["a"] += [ScoredResponse(100.0, end, 1.0, {"band": "x"}) for end in (10, 1000)]
        picture = imread(io.BytesIO(plots.lengths(scores)))[..., :3]
        red, green, blue = np.moveaxis(picture, -1, 0)
        ink = (blue - red > 0.3) & (green < 0.4)
        return float(np.flatnonzero(ink.any(axis=1)).mean())

    assert height_of_ink(400) < height_of_ink(100) < height_of_ink(25)
