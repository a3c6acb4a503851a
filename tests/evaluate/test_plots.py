"""The plots: pictures of any evaluation there can be, drawn the same each time."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from selflengthen.evaluate import plots
from selflengthen.evaluate.length import Scored
from selflengthen.evaluate.tasks import TASKS


def scored(words: int = 100, **groups: str) -> list[Scored]:
    said = {"kind": "about", "band": "50-100"} | groups
    return [Scored(required, words, 0.5, said) for required in (50.0, 75.0, 100.0)]


def size(png: bytes) -> tuple[int, int]:
    from matplotlib.image import imread

    height, width, _ = imread(io.BytesIO(png)).shape
    return width, height


def sides() -> Iterator[tuple[str, dict[str, list[Scored]]]]:
    yield "one", {"a": scored()}
    yield "empty answers", {"a": scored(0), "b": scored(0)}
    yield "very long answers", {"a": scored(2_000_000)}
    yield "hostile names", {"$\\frac{1}{$ _x^": scored(), "_hidden": scored(), "漢" * 90: scored()}
    yield "many", {f"round {n}": scored(n * 20) for n in range(11)}
    yield "one row", {"a": scored()[:1]}
    yield "no kinds", {"a": [Scored(9.0, 9, 1.0, {"band": "under 500"})]}


@pytest.mark.parametrize(("name", "given"), sides())
def test_they_are_drawn(name: str, given: dict[str, list[Scored]]) -> None:
    for draw in (plots.lengths, plots.bands):
        png = draw(given, TASKS["pocket"])
        assert png == draw(given, TASKS["pocket"])
        width, height = size(png)
        assert 400 < width < 4000 and 300 < height < 4000


def test_a_text_stands_where_its_lengths_are() -> None:
    """Ink is where the texts are: above the line for long ones, below it for short ones."""
    import numpy as np
    from matplotlib.image import imread

    def height_of_ink(words: int) -> float:
        given = {"a": [Scored(100.0, words, 1.0, {"band": "x"})] * 30}
        given["a"] += [Scored(100.0, end, 1.0, {"band": "x"}) for end in (10, 1000)]
        picture = imread(io.BytesIO(plots.lengths(given, TASKS["pocket"])))[..., :3]
        red, green, blue = np.moveaxis(picture, -1, 0)
        ink = (blue - red > 0.3) & (green < 0.4)
        return float(np.flatnonzero(ink.any(axis=1)).mean())

    assert height_of_ink(400) < height_of_ink(100) < height_of_ink(25)
