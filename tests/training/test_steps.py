"""What is read of `metrics.jsonl` while a training writes it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from selflengthen.training.steps import StepReader, TrainingStep, read_steps

STEPS = [
    TrainingStep(step=n, loss=1 / n, learning_rate=1e-4, tokens=10, seconds=0.5)
    for n in range(1, 6)
]
LINES = [msgspec.json.encode(step) + b"\n" for step in STEPS]


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_steps_are_yielded_once_and_a_torn_line_when_it_is_whole(metrics: Path) -> None:
    reader = StepReader(metrics)
    assert list(reader.new_steps()) == []
    metrics.write_bytes(LINES[0] + LINES[1][:20])
    assert list(reader.new_steps()) == read_steps(metrics) == STEPS[:1]
    metrics.write_bytes(LINES[0] + LINES[1])
    assert list(reader.new_steps()) == STEPS[1:2]
    assert list(reader.new_steps()) == []


def test_steps_of_an_earlier_attempt_are_skipped_also_when_the_file_is_cut(metrics: Path) -> None:
    """A child that resumes drops the steps after its checkpoint, then appends its own."""
    metrics.write_bytes(b"".join(LINES[:4]))
    reader = StepReader(metrics)
    metrics.write_bytes(b"".join(LINES[:2]))
    assert list(reader.new_steps()) == []
    again = msgspec.structs.replace(STEPS[2], seconds=0.7)
    metrics.write_bytes(b"".join(LINES[:2]) + msgspec.json.encode(again) + b"\n")
    assert list(reader.new_steps()) == [again]
