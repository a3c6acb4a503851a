"""How well demands are followed: the scores by kind, and the seam to other benchmarks."""

from __future__ import annotations

import msgspec
import pytest

from selflengthen.config import Config
from selflengthen.inputs.seeds import Seed
from selflengthen.length.requirement import LengthRequirement, read_requirement
from selflengthen.pipeline import final_figures
from selflengthen.pipeline.final_figures import LengthRequest
from tests.stages.test_stages import record

ABOUT, BELOW = LengthRequirement("about", 1000, 1000), LengthRequirement("below", None, 1000)


def test_held_out_demands_lie_around_lengths_of_the_data() -> None:
    held = [Seed(f"h{n}", f"Write a story about {n} owls and a lamp.") for n in range(200)]
    asked = final_figures.ask(held, [300, 5000], Config())
    assert len(asked) == 200 and {one.demand.kind for one in asked} == set(final_figures.KINDS)
    for one in asked:
        assert read_requirement(one.text) == one.demand
        assert one.demand.satisfied(300) or one.demand.satisfied(5000)
    assert asked == final_figures.ask(held, [300, 5000], Config())


def test_a_held_out_instruction_keeps_its_own_length() -> None:
    held = [Seed("h", "Write an essay of at least 900 words on bees.")]
    (asked,) = final_figures.ask(held, [20], Config())
    assert (asked.text, asked.demand) == (
        held[0].instruction,
        LengthRequirement("above", 900, None),
    )


def test_figures_over_all_and_by_kind() -> None:
    asked = [
        LengthRequest("a", "A", ABOUT),
        LengthRequest("b", "B", BELOW),
        LengthRequest("c", "C", ABOUT),
    ]
    texts = [
        record(n, "w " * words, source=n) for n, words in (("a", 1000), ("b", 1250), ("c", 600))
    ]
    figures = final_figures.measure(asked, {r.source: r for r in texts})
    assert figures.texts == 3
    assert figures.score == pytest.approx(2 / 3, abs=1e-4)
    assert msgspec.to_builtins(figures.by_kind["about"]) == {"texts": 2, "score": 0.75}
    assert msgspec.to_builtins(figures.by_kind["range"]) == {"texts": 0, "score": None}
    assert figures.satisfied == pytest.approx(1 / 3, abs=1e-4)
    compared = final_figures.compare(asked, texts[:2], texts)
    assert compared.final == figures and compared.base.texts == 2
    lines = msgspec.to_builtins(compared)["texts"]
    assert lines[1]["final"] == {"words": 1250, "score": 0.5}
    assert "base" not in lines[2]
