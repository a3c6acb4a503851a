"""Figures of held-out texts in a run: on file, in metrics.json, and what stops no run."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path

import pytest

from selflengthen.curate.indicators import pairs
from selflengthen.curate.indicators.pairs import TextPair
from selflengthen.errors import DamagedFile, UserError
from selflengthen.inputs.models import Model
from selflengthen.runner import metrics
from selflengthen.storage.run_dir import RunFolder
from tests.loop.scripted_run import config, play, rounds


def measured(folder: Path, model: Path, notes: list[str], **changes: object) -> RunFolder:
    """Play a run whose held-out texts are scored by this model; return it."""
    held_out = {"texts": 6, "relevance": "on", **changes}
    controller = rounds(folder, config(iterations=1, held_out=held_out))
    controller.context = dataclasses.replace(
        controller.context, model=Model("scripted", model, {}, "0" * 64)
    )
    controller.services = dataclasses.replace(controller.services, note=notes.append)
    asyncio.run(controller.play())
    return RunFolder(folder)


def test_relevance_is_on_file_and_in_the_metrics(tmp_path: Path, pocket_model: Path) -> None:
    notes: list[str] = []
    run = measured(tmp_path / "run", pocket_model, notes)
    assert [n for n in notes if "scoring" in n] == [
        f"Round {n}: scoring held-out texts against their instructions." for n in (0, 1)
    ]
    base, first = (json.loads(run.relevance(n).read_text()) for n in (0, 1))
    assert base["texts"] == first["texts"] == 6
    assert 0 <= first["share"] <= 1 and 0.5 < first["ifd"] < 1.5 and 0.5 < base["shuffled"] < 1.5
    assert json.loads(run.metrics(1).read_text())["held_out"]["relevance"] == {
        name: value for name, value in first.items() if name != "digest"
    }
    assert sorted(p.name for p in (run.rounds / "01").iterdir() if "rel" in p.name) == [
        "relevance.json"
    ]
    # Resumed, the run scores nothing again; edited, the file is named; of other texts, it is none.
    before = run.relevance(1).read_bytes()
    measured(tmp_path / "run", tmp_path / "none", notes)
    assert run.relevance(1).read_bytes() == before
    run.relevance(1).write_text(json.dumps(first | {"share": 1.0, "ifd": 0.1}))
    with pytest.raises(DamagedFile, match=r"relevance\.json: .*changed after"):
        metrics.relevance_on_file(run, 1)
    run.relevance(1).write_bytes(run.relevance(0).read_bytes())
    assert metrics.relevance_on_file(run, 1) is None


def test_a_model_that_cannot_score_stops_no_run(tmp_path: Path) -> None:
    notes: list[str] = []
    run = measured(tmp_path / "run", tmp_path / "none", notes, texts=2)
    assert sum("their relevance is not measured: " in note for note in notes) == 2
    figures = metrics.on_file(run, 1)
    assert figures is not None and figures.held_out.relevance is None
    assert not run.relevance(0).exists()


def test_by_default_nothing_is_scored_without_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selflengthen.inputs.hardware.has_gpu", lambda: False)
    play(tmp_path, config(iterations=1))
    assert list(tmp_path.rglob("relevance*")) == []


def test_scores_of_pairs_are_those_of_the_indicator(tmp_path: Path, pocket_model: Path) -> None:
    """In a child; what was scored before a kill is not scored again."""
    from selflengthen.curate.indicators import scorers
    from selflengthen.curate.io.rows import DataRow

    texts = [
        TextPair("Tell of a fox.", "At noon. The fox walked home."),
        TextPair("Tell of a fox.", ""),
        TextPair("Write a speech for Jane.", "On Wednesday. Jane ran."),
    ]
    rows = [DataRow(n, *pair) for n, pair in enumerate(texts)]
    expected = scorers.load("ifd", str(pocket_model))(rows)[:, 0]
    scores = asyncio.run(pairs.score(pocket_model, texts, tmp_path / "work"))
    assert scores.values[1] is None
    assert [scores.values[0], scores.values[2]] == pytest.approx(expected[[0, 2]], rel=1e-4)
    (cache,) = (tmp_path / "work").glob("ifd-*.bin")
    before = cache.read_bytes()
    again = asyncio.run(pairs.score(pocket_model, texts[::-1], tmp_path / "work"))
    assert again.values == scores.values[::-1]
    assert cache.read_bytes() == before


def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError) as failure:
        asyncio.run(pairs.score(tmp_path, [TextPair("a", "b")], tmp_path / "work"))
    assert "\n" not in str(failure.value)
