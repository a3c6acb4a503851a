"""SIGKILL at any moment: the same command goes on, and the run ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from selflengthen import drive
from tests.loop.scripted_run import contents, play

KILLS = 120
LATENCY = 0.002


def test_a_run_killed_over_and_over_ends_like_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    assert len(whole) > 20
    rng, kills, runs = random.Random(5), 0, 0
    monkeypatch.setattr(drive, "FLUSH_SECONDS", 0.01)
    while kills < KILLS:
        folder, runs = tmp_path / f"killed-{runs}", runs + 1
        while not _survives(folder, rng.uniform(0.01, 0.25)):
            kills += 1
        assert contents(folder) == whole
    assert runs > 3


def _survives(folder: Path, seconds: float) -> bool:
    """Play in a fork that is killed after `seconds`; say whether it had ended by then."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            play(folder, latency=LATENCY)
            status = 0
        finally:
            os._exit(status)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0
            return True
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
        return True
    return False


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
