"""A run's folder is moved or deleted while the run is played."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from selflengthen.cli import main
from tests.cli.test_signals import start, wait_for

RUN, ELSEWHERE = Path("runs/small"), Path("elsewhere")


def move() -> None:
    RUN.rename(ELSEWHERE)


def delete() -> None:
    while RUN.exists():  # what is written meanwhile is deleted, too
        shutil.rmtree(RUN, ignore_errors=True)


def replace() -> None:
    """Another run takes its place at once."""
    RUN.rename(ELSEWHERE)
    shutil.copytree(ELSEWHERE, RUN)


@pytest.mark.parametrize(
    ("act", "stage"),
    [
        (move, "00/6-held-out"), (move, "01/3-expand"), (delete, "01/2-draft"),
        (replace, "01/1-instruct"),
    ],
)  # fmt: skip
def test_a_run_that_loses_its_folder_says_so(
    work: Path, act: Callable[[], None], stage: str
) -> None:
    words = ["--engine.latency", "0.2", "--engine.in_flight", "2"]
    process = start("run", "small.yaml", *words)
    wait_for(RUN / "rounds" / stage / "records.jsonl", process)
    act()
    _, error = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Traceback" not in error
    last = error.strip().splitlines()[-1]
    assert last.startswith("selflengthen: runs/small: was moved or deleted while")
    if act is not replace:
        assert not RUN.exists()
    if act is move:
        again = ["run", "small.yaml", "--run-dir", str(ELSEWHERE), "--iterations", "1"]
        assert main([*again, "--engine.in_flight", "8"]) == 0
