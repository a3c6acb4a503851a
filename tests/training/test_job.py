"""A job's digest is what it makes; its settings follow the role and the round."""

from __future__ import annotations

from pathlib import Path

import pytest

from selflengthen.config import RoleTraining, TrainConfig
from selflengthen.errors import TrainingError
from selflengthen.training.job import finished, job_for
from tests.training.conftest import MakeJob


def test_the_digest_follows_the_content_and_not_the_place(
    make_job: MakeJob, tmp_path: Path
) -> None:
    job = make_job()
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(Path(job.rows).read_bytes())
    assert make_job(rows=str(copy), output=str(tmp_path / "b")).digest() == job.digest()
    copy.write_bytes(copy.read_bytes()[:-10])
    assert make_job(rows=str(copy)).digest() != job.digest()


def test_the_digest_follows_what_changes_the_outcome(make_job: MakeJob) -> None:
    digest = make_job().digest()
    assert make_job(epochs=4).digest() == digest
    for same in ({"save_every": 7}, {"per_device_batch": 2}, {"launcher": "accelerate"}):
        assert make_job(**same).digest() == digest
    for other in ({"epochs": 5.0}, {"seed": 2}, {"lora_r": 4}, {"batch": 8}, {"warmup": 0.0}):
        assert make_job(**other).digest() != digest


def test_the_later_rate_counts_from_round_two(tmp_path: Path) -> None:
    train = TrainConfig(expander=RoleTraining(learning_rate=1e-3, later_rate=1e-4, epochs=2))
    rates = [
        job_for(
            train, role, round_number=number, model="m", rows=tmp_path / "r",
            output=tmp_path, start_from=None, seed=0,
        ).learning_rate
        for role in ("generator", "expander")
        for number in (1, 2)
    ]  # fmt: skip
    assert rates == [1e-4, 1e-4, 1e-3, 1e-4]


def test_a_batch_that_does_not_divide_is_refused(make_job: MakeJob) -> None:
    assert make_job(batch=8, per_device_batch=2).accumulation(2) == 2
    with pytest.raises(TrainingError, match=r"train\.batch \(8\) is not a multiple"):
        make_job(batch=8, per_device_batch=3).accumulation(1)


def test_nothing_is_finished_without_a_result(make_job: MakeJob) -> None:
    assert finished(make_job()) is None


def test_missing_rows_are_named(make_job: MakeJob, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"gone\.jsonl: cannot be read"):
        make_job(rows=str(tmp_path / "gone.jsonl")).digest()
