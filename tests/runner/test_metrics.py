"""What a round is measured by: growth, signs of padding, relevance, and when a run stops."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from selflengthen.config import HeldOutConfig
from selflengthen.pipeline.relevance import summary
from selflengthen.runner import metrics
from selflengthen.storage.figures import TextQuality, read_metrics
from selflengthen.storage.records import Record
from selflengthen.text.measures import word_count
from tests.cli.test_older_runs import RUNS


def record(text: str, finish: str = "stop") -> Record:
    """Return a text of a stage."""
    return Record(
        id="r01-held-out-x",
        source="x",
        text=text,
        attempts=1,
        words=word_count(text),
        tokens=1,
        seed=1,
        finish_reason=finish,
        seconds=0.1,
    )


def quality(**changes: Any) -> TextQuality:
    """Return the quality of a hundred sound texts, with changes."""
    sound = metrics.quality([record("A whole text of seven words ends.")] * 100)
    return msgspec.structs.replace(sound, **changes)


def test_lengths_of_all_and_of_those_that_end() -> None:
    measured = metrics.quality([record("a b"), record("a b c d"), record("a " * 60, "length")])
    assert (measured.words.mean, measured.words.median) == (22, 4)
    assert measured.ended_words is not None
    assert (measured.ended_words.mean, measured.ended_words.median) == (3, 3)
    base = metrics.quality([record("a"), record("a b c"), record("a " * 8, "length")])
    assert msgspec.structs.astuple(metrics.growth(measured, base)) == (5.5, 1.3333, 1.5, 1.5)


def test_growth_from_nothing_is_not_known() -> None:
    empty = metrics.quality([record("", "length")])
    growth = metrics.growth(quality(), empty)
    assert set(msgspec.structs.astuple(growth)) == {None}


def test_signs_of_padding_are_means_over_texts() -> None:
    twice = "Then the old man went home alone. Then the old dog went home alone."
    measured = metrics.quality([record(twice), record("She sold the boat and left the town.")])
    assert measured.near_repeats == 0.25
    assert measured.new_bigrams == []
    long = " ".join(f"w{n}" for n in range(200))
    measured = metrics.quality([record(twice), record(long), record(f"{long} {long}")])
    assert measured.new_bigrams is not None
    assert measured.new_bigrams[:5] == [1.0] * 5
    assert all(0.5 <= share < 0.52 for share in measured.new_bigrams[5:])


def test_texts_that_talk_as_an_assistant_are_counted() -> None:
    talk = "I'd be happy to help you with that! What kind of text do you need?"
    texts = [record(talk), record("She sold the boat and left the town.")]
    assert metrics.quality(texts).assistant_talk == 0.5


@pytest.mark.parametrize(
    ("base", "held_out", "reason"),
    [
        ({}, {}, None),
        ({}, {"ends": 0.8, "repeats": 0.3}, None),
        ({}, {"ends": 0.79}, "only 79% of the held-out texts end by themselves, and 100% of the"),
        ({}, {"repeats": 0.31}, "31% of the held-out texts repeat themselves, and 0% of the base"),
        # A weak base model: what is as good as it goes on, what is much worse does not.
        ({"ends": 0.5}, {"ends": 0.5}, None),
        ({"ends": 0.5}, {"ends": 0.4}, None),
        ({"ends": 0.5}, {"ends": 0.39}, "only 39%"),
        ({"repeats": 0.6}, {"repeats": 0.6}, None),
        ({"repeats": 0.6}, {"repeats": 0.73}, "73% of the held-out texts repeat"),
        ({}, {"texts": 0, "ends": 0.0}, None),
    ],
)
def test_a_run_stops_after_a_round_much_worse_than_the_base_model(
    base: dict[str, float], held_out: dict[str, float], reason: str | None
) -> None:
    said = metrics.stop_reason(quality(**held_out), quality(**base), HeldOutConfig())
    assert said is None if reason is None else said is not None and said.startswith(reason)


@pytest.mark.parametrize("ends", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("repeats", [0.0, 0.3, 1.0])
def test_no_round_as_good_as_the_base_model_stops_a_run(ends: float, repeats: float) -> None:
    same = quality(ends=0.37, repeats=0.61)
    assert (
        metrics.stop_reason(same, same, HeldOutConfig(min_ends=ends, max_repeats=repeats)) is None
    )


def test_metrics_of_an_older_version_are_read() -> None:
    path = RUNS / "complete/rounds/01/metrics.json"
    assert "growth" not in json.loads(path.read_text())
    figures = read_metrics(path, "")
    assert figures is not None
    assert figures.growth is figures.held_out.near_repeats is figures.held_out.relevance is None
    assert figures.held_out.ended_words is None


def test_relevance_is_calibrated_on_shuffled_pairs() -> None:
    shuffled = [0.90 + n / 1000 for n in range(21)]  # a twentieth of them is below 0.901
    own = [0.5] * 10 + [0.905] * 11
    figures = summary(list(zip(own, shuffled, strict=True)), "digest")
    assert figures is not None
    assert (figures.of, figures.texts, figures.share) == ("digest", 21, round(10 / 21, 4))
    assert (figures.ifd, figures.shuffled) == (0.7121, 0.91)
    assert summary([(0.5, 0.9)], "") is None
