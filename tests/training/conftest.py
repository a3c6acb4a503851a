"""Rows and jobs for trainings of a few seconds."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selflengthen.pocket.language import Story, render
from selflengthen.storage.records import TrainingRow, encode
from selflengthen.training.job import TrainingJob

MakeJob = Callable[..., TrainingJob]


def story_row(name: str, rng: random.Random, paragraphs: int = 2) -> TrainingRow:
    """Make a row of one short text."""
    story = Story(rng)
    return TrainingRow(
        id=name,
        prompt=[{"role": "user", "content": story.request()}],
        completion=[{"role": "assistant", "content": render(story.text([1] * paragraphs))}],
    )


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve rows of two paragraphs."""
    rng = random.Random(3)
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_bytes(b"".join(encode(story_row(f"r{n}", rng)) for n in range(12)))
    return path


@pytest.fixture
def make_job(pocket_model: Path, rows_file: Path, tmp_path: Path) -> MakeJob:
    """Return a function that makes a job; keyword arguments replace what it says."""

    def make(**changes: Any) -> TrainingJob:
        fields: dict[str, Any] = {
            "model": str(pocket_model),
            "rows": str(rows_file),
            "output": str(tmp_path / "adapter"),
            "seed": 1,
            "learning_rate": 5e-3,
            "epochs": 4.0,
            "max_length": 512,
            "batch": 4,
            "per_device_batch": 4,
            "gradient_checkpointing": False,
        }
        return TrainingJob(**{**fields, **changes})

    return make
