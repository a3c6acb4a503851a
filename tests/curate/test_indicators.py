"""Indicators that need no model, distances to neighbours, and the cache of scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from selflengthen.curate.indicators.cache import ScoreFile, score_rows
from selflengthen.curate.indicators.neighbours import distances
from selflengthen.curate.indicators.registry import (
    Models,
    input_length,
    measure,
    mtld,
    output_length,
)
from selflengthen.curate.io.load import open_rows
from selflengthen.curate.io.rows import DataRow
from tests.cli.conftest import make_model
from tests.curate.conftest import lines, row


def test_lengths() -> None:
    one = DataRow(0, "Write a text.", "天地 two words。")
    assert (input_length(one), output_length(one)) == (3, 5)


def test_mtld_is_of_the_response() -> None:
    assert mtld(DataRow(0, "a a a a", "a b c d")) == 4
    assert mtld(DataRow(0, "a b c d", "a a a a")) == 2


def brute(vectors: np.ndarray, neighbour: int) -> np.ndarray:
    """Compare each pair, in double precision."""
    scaled = vectors.astype(float) / np.linalg.norm(vectors, axis=1, keepdims=True)
    apart = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
    return np.sort(apart, axis=1)[:, neighbour]


@pytest.mark.parametrize(("count", "width", "neighbour"), [(2, 5, 1), (300, 30, 6), (300, 16, 299)])
def test_distances_to_neighbours(count: int, width: int, neighbour: int) -> None:
    vectors = np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)
    assert distances(vectors, neighbour) == pytest.approx(brute(vectors, neighbour), abs=2e-3)


def test_duplicates_are_neighbours_at_no_distance() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    vectors[7] = 3 * vectors[20]
    near = distances(vectors, 1)
    assert near[7] == near[20] == pytest.approx(0, abs=1e-3)
    assert np.delete(near, [7, 20]).min() > 0.01


@pytest.mark.slow
def test_distances_among_many() -> None:
    """Beyond 20,000 rows neighbours are found by codes; few differ, and by little."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(21_000, 16)) @ rng.normal(size=(16, 64))
    vectors = vectors.astype(np.float32)
    scaled = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    nearest = np.sort(-(scaled[:500] @ scaled.T), axis=1)[:, 6]
    exact = np.sqrt(np.maximum(0, 2 + 2 * nearest))
    approximate = distances(vectors, 6)
    assert (approximate[:500] - exact).mean() < 0.01 * exact.mean()
    assert np.array_equal(approximate, distances(vectors, 6))


def values(keys: Sequence[bytes], width: int = 3) -> np.ndarray:
    """Return something that follows from the keys."""
    return np.array([[key[0] + column / 8 for column in range(width)] for key in keys], np.float32)


KEYS = [bytes([n]) * 16 for n in range(40)]


def test_scores_are_kept(tmp_path: Path) -> None:
    cache = ScoreFile(tmp_path / "new" / "scores.bin")
    assert KEYS[0] not in cache
    cache.add(KEYS[:10], values(KEYS[:10]))
    cache.add(KEYS[10:20], values(KEYS[10:20]))
    again = ScoreFile(tmp_path / "new" / "scores.bin")
    for opened in (cache, again):
        assert [key in opened for key in KEYS] == [True] * 20 + [False] * 20
        assert np.array_equal(opened.get(KEYS[15:3:-1]), values(KEYS[15:3:-1]))


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_what_a_kill_tore_is_scored_again(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "scores.bin"
    ScoreFile(path).add(KEYS[:2], values(KEYS[:2]))
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    cache = ScoreFile(path)
    missing = [key for key in KEYS[:2] if key not in cache]
    assert len(missing) == (1 if cut <= 28 else 2)
    cache.add(missing, values(missing))
    assert path.read_bytes() == whole


def test_two_write_at_once(tmp_path: Path) -> None:
    first, second = ScoreFile(tmp_path / "scores.bin"), ScoreFile(tmp_path / "scores.bin")
    for place in range(0, 40, 4):
        first.add(KEYS[place : place + 2], values(KEYS[place : place + 2]))
        second.add(KEYS[place + 2 : place + 4], values(KEYS[place + 2 : place + 4]))
    mine = [key for place, key in enumerate(KEYS) if place % 4 < 2]
    assert np.array_equal(first.get(mine), values(mine))
    assert np.array_equal(ScoreFile(tmp_path / "scores.bin").get(KEYS), values(KEYS))


def test_measured_in_the_order_that_was_asked(work: Path) -> None:
    rows = open_rows("six.jsonl")
    measured = measure(rows, ["output_length", "input_length"], Models())
    assert measured.names == ("output_length", "input_length")
    assert measured.values.tolist() == [[n, 2] for n in (1, 3, 2, 5, 4, 2)]


def test_only_what_is_new_is_scored(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By content: a row moved, or standing twice, is known; one word more, and it is not."""
    scorers = pytest.importorskip("selflengthen.curate.indicators.scorers")
    scored_texts: list[str] = []

    def score(rows: Sequence[DataRow]) -> np.ndarray:
        scored_texts.extend(r.response for r in rows)
        return np.array([[len(r.response), 0] for r in rows], np.float32)

    make_model(work / "model")
    monkeypatch.setattr(scorers, "load", lambda *_: score)
    progress: list[tuple[str, int, int]] = []
    options = Models(
        batch=2, cache=work / "scores", on_progress=lambda *line: progress.append(line)
    )
    args = ("reward", "model", options)
    texts = ["one", "four", "three", "three"]
    Path("a.jsonl").write_text(lines(row(0, text) for text in texts))
    scores, cut = score_rows(open_rows("a.jsonl"), *args)
    assert scores[:, 0].tolist() == [3, 4, 5, 5] and cut == 0
    assert scored_texts == ["three", "four", "one"], "the longest first, each once"
    assert progress == [("reward", 4, 4)]
    scored_texts.clear()
    Path("b.jsonl").write_text(lines(row(0, text) for text in ["one more", *texts[::-1]]))
    scores, _ = score_rows(open_rows("b.jsonl"), *args)
    assert scores[:, 0].tolist() == [8, 5, 5, 4, 3] and scored_texts == ["one more"]
    scored_texts.clear()
    config = work / "model" / "config.json"
    config.write_text(config.read_text().replace('"vocab_size": 16', '"vocab_size": 17'))
    score_rows(open_rows("b.jsonl"), *args)
    assert len(scored_texts) == 4
