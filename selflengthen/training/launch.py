"""Starts a training child, passes its steps on, and leaves nothing of it behind."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from selflengthen.errors import TrainingError
from selflengthen.inputs import hardware
from selflengthen.storage.atomic import rewrite
from selflengthen.training import child
from selflengthen.training.job import TrainingJob, TrainingResult, finished

_LOOK_EVERY = 0.2


async def train(
    job: TrainingJob, *, log: Path, on_step: Callable[[dict[str, Any]], None]
) -> TrainingResult:
    """Train in a child process and return the result; at once where it is on file already.

    The child writes to `log`; `on_step` gets each step's line of `metrics.jsonl` (step, loss,
    learning_rate, tokens, seconds). When cancelled, the child saves a checkpoint and is gone before
    this ends; the same job then goes on from there. Raises TrainingError with the reason and the
    log's path.
    """
    done = finished(job)
    if done is not None:
        shutil.rmtree(job.folder / "checkpoints", ignore_errors=True)
        return done
    job.accumulation(job.processes if job.launcher == "accelerate" else 1)
    job.check_start()
    _prepare(job)
    metrics = _Metrics(job.folder / "metrics.jsonl")
    environment = child.training_environment(job.launcher)
    trainer = await child.start(*_command(job), environment=environment, log=log)
    ended = asyncio.create_task(trainer.wait())
    try:
        while not (await asyncio.wait([ended], timeout=_LOOK_EVERY))[0]:
            for step in metrics.fresh():
                on_step(step)
        for step in metrics.fresh():
            on_step(step)
    finally:
        await child.end(trainer)
    code, result = await ended, finished(job)
    if code or result is None:
        raise TrainingError(f"Training failed: {_why(job, code, log)} The log: {log}")
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
    where = "--multi_gpu" if job.processes > 1 else "--num_cpu_threads_per_process=1"
    return [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        f"--num_processes={job.processes}",
        "--num_machines=1",
        "--mixed_precision=no",
        "--dynamo_backend=no",
        "--main_process_port=0",
        where if hardware.has_gpu() else "--cpu",
        *train,
    ]


def _why(job: TrainingJob, code: int, log: Path) -> str:
    """Say in one line why a child failed, in its own words where it left some."""
    try:
        told = (job.folder / "failure.txt").read_text(encoding="utf-8").strip()
    except OSError:
        return child.reason(code, log)
    return told or (
        f"{job.folder}: the disk did not even take the reason; make room, then the same command "
        "goes on."
    )


class _Metrics:
    """Follows a metrics file from what it holds now; the child may rewrite it once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: set[bytes] = set()
        self.looked: tuple[int, int] | None = None
        list(self.fresh())

    def fresh(self) -> Iterator[dict[str, Any]]:
        """Yield the steps that were not seen before."""
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return
        if (now.st_ino, now.st_size) == self.looked:
            return
        self.looked = now.st_ino, now.st_size
        lines = self.path.read_bytes().split(b"\n")[:-1]
        for line in lines:
            if line not in self.seen:
                self.seen.add(line)
                yield msgspec.json.decode(line)
