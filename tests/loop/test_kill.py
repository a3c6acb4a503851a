"""SIGKILL at any moment: the same command goes on, and the run ends as if nothing had happened."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from selflengthen.runner import executor
from tests.loop.scripted_run import REQUESTS, WRITES, contents, play, survives
from tests.soak import many

KILLS, WHEN = many(100, 500), 8
LATENCY = 0.002


@pytest.mark.soak
def test_a_run_killed_over_and_over_ends_like_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at a write or among requests; later from kill to kill, so that every run ends."""
    monkeypatch.setattr(executor, "FLUSH_VERDICTS", 4)
    play(tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    assert len(whole) > 20
    rng, kills, runs = random.Random(5), 0, 0
    while kills < KILLS:
        folder, here, runs = tmp_path / f"killed-{runs}", 0, runs + 1
        while not _survives(folder, rng, WHEN + here // 2):
            here += 1
        assert here, "it ended unharmed"
        kills += here
        assert contents(folder) == whole


def _survives(folder: Path, rng: random.Random, most: int) -> bool:
    when, what = rng.choice([(rng.randint(1, most), WRITES), (rng.randint(1, 4 * most), REQUESTS)])
    return survives(partial(play, folder, latency=LATENCY), when, what)


def test_ids_are_unique_and_lead_back_to_a_seed(tmp_path: Path) -> None:
    play(tmp_path)
    made = {
        path: lines for path, lines in contents(tmp_path).items() if path.endswith("records.jsonl")
    }
    by_id = {record["id"]: record for lines in made.values() for record in lines}
    counts = Counter(record["id"] for lines in made.values() for record in lines)
    assert max(counts.values()) == 1
    expansion = next(name for name in by_id if "-expand-" in name)
    draft = by_id[expansion]["source"]
    assert "-draft-" in draft
    instruction = by_id[draft]["source"]
    assert "-instruct-" in instruction
    assert len(by_id[instruction]["details"]["shown"]) == 2
