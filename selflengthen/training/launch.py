"""Starts a training child, reports its steps, and leaves no process behind."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from selflengthen.errors import TrainingError
from selflengthen.inputs import hardware
from selflengthen.storage.atomic import rewrite
from selflengthen.training import child
from selflengthen.training.job import TrainingJob, TrainingResult, finished
from selflengthen.training.steps import StepReader, TrainingStep

_POLL_SECONDS = 0.2


async def train(
    job: TrainingJob, *, log: Path, on_step: Callable[[TrainingStep], None]
) -> TrainingResult:
    """Train in a child process and return the result; a finished training's is returned at once.

    The child writes to `log`; `on_step` is called with each new step. On cancellation the child
    saves a checkpoint and ends before this returns; the same job then resumes from there. Raises
    TrainingError with the reason and the log's path.
    """
    result = finished(job)
    if result is not None:
        shutil.rmtree(job.folder / "checkpoints", ignore_errors=True)
        return result
    job.accumulation(job.processes if job.launcher == "accelerate" else 1)
    job.check_start()
    _prepare(job)
    metrics = StepReader(job.folder / "metrics.jsonl")
    environment = child.training_environment(job.launcher)
    trainer = await child.start(*_command(job), environment=environment, log=log)
    exit_code = asyncio.create_task(trainer.wait())
    try:
        while not exit_code.done():
            await asyncio.wait([exit_code], timeout=_POLL_SECONDS)
            for step in metrics.new_steps():
                on_step(step)
    finally:
        await child.end(trainer)
    code = await exit_code
    result = finished(job)
    if code or result is None:
        raise TrainingError(f"Training failed: {_reason(job, code, log)} The log: {log}")
    return result


def _prepare(job: TrainingJob) -> None:
    job.folder.mkdir(exist_ok=True)
    for name in ("result.json", "failure.txt"):
        (job.folder / name).unlink(missing_ok=True)
    rewrite(job.folder / "job.json", [msgspec.json.format(msgspec.json.encode(job))])


def _command(job: TrainingJob) -> list[str]:
    train = ["-m", "selflengthen.training", "--watched", str(job.folder / "job.json")]
    if job.launcher == "plain":
        return [sys.executable, *train]
    devices = "--multi_gpu" if job.processes > 1 else "--num_cpu_threads_per_process=1"
    return [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        f"--num_processes={job.processes}",
        "--num_machines=1",
        "--mixed_precision=no",
        "--dynamo_backend=no",
        "--main_process_port=0",
        devices if hardware.has_gpu() else "--cpu",
        *train,
    ]


def _reason(job: TrainingJob, code: int, log: Path) -> str:
    """Return in one line why a child failed, in its own words if it left any."""
    try:
        message = (job.folder / "failure.txt").read_text(encoding="utf-8").strip()
    except OSError:
        return child.reason(code, log)
    return message or (
        f"{job.folder}: the disk is full; free some disk space, then run the same command to "
        "resume."
    )
