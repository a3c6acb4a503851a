"""Starts a training child, passes its steps on, and leaves nothing of it behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from selflengthen.errors import TrainingError
from selflengthen.training.guard import STOPPED
from selflengthen.training.job import TrainingJob, TrainingResult, finished, write_whole

GRACE = 10.0
"""Seconds that a child has to save after SIGTERM."""

_LOOK_EVERY = 0.2
_ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
    "MALLOC_TOP_PAD_": str(256 * 2**20),
}


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
    with log.open("ab") as output:
        child = await asyncio.create_subprocess_exec(
            *_command(job),
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=_environment(job),
            start_new_session=True,
        )
    ended = asyncio.create_task(child.wait())
    try:
        while not (await asyncio.wait([ended], timeout=_LOOK_EVERY))[0]:
            for step in metrics.fresh():
                on_step(step)
        for step in metrics.fresh():
            on_step(step)
    finally:
        await asyncio.shield(_end(child, ended))
    result = finished(job)
    if ended.result() or result is None:
        raise TrainingError(f"Training failed: {_reason(job, ended.result(), log)} The log: {log}")
    return result


def _prepare(job: TrainingJob) -> None:
    job.folder.mkdir(parents=True, exist_ok=True)
    for name in ("result.json", "failure.txt"):
        (job.folder / name).unlink(missing_ok=True)
    write_whole(job.folder / "job.json", msgspec.json.format(msgspec.json.encode(job)))


def _command(job: TrainingJob) -> list[str]:
    child = ["-m", "selflengthen.training", "--watched", str(job.folder / "job.json")]
    if job.launcher == "plain":
        return [sys.executable, *child]
    where = "--multi_gpu" if job.processes > 1 else "--num_cpu_threads_per_process=1"
    return [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        f"--num_processes={job.processes}",
        "--num_machines=1",
        "--mixed_precision=no",
        "--dynamo_backend=no",
        "--main_process_port=0",
        where if _has_gpu() else "--cpu",
        *child,
    ]


def child_environment() -> dict[str, str]:
    """Return the environment of a child that imports this package, wherever it lies."""
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def _environment(job: TrainingJob) -> dict[str, str]:
    environment = child_environment()
    if not _has_gpu():
        # glibc gives memory back and takes it again all the time; steps are 25 to 70 % quicker so.
        return {**environment, **(_ALLOCATOR if sys.platform == "linux" else {})}
    if job.launcher == "plain":
        # TRL refuses a single process that sees several GPUs.
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        environment["CUDA_VISIBLE_DEVICES"] = visible.split(",")[0]
    return environment


def _has_gpu() -> bool:
    """Whether there is an NVIDIA GPU, as far as can be seen without torch."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


async def _end(child: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    """See the child out: SIGTERM, time to save, then the end of all its processes."""
    if not ended.done():
        _signal_group(child.pid, signal.SIGTERM)
        await asyncio.wait([ended], timeout=GRACE)
    _signal_group(child.pid, signal.SIGKILL)
    if child.stdin is not None:
        child.stdin.close()  # processes outside of the group end with this pipe
    await ended


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _reason(job: TrainingJob, code: int, log: Path) -> str:
    """Say in one line why a child failed: its own words, the signal, or the log's last words."""
    try:
        return (job.folder / "failure.txt").read_text(encoding="utf-8").strip()
    except OSError:
        pass
    if code == STOPPED:
        return "it was stopped by a signal, and saved; the same command goes on."
    if code < 0:
        memory = " (often: out of memory)" if code == -signal.SIGKILL else ""
        return f"it was killed by {signal.Signals(-code).name}{memory}; the same command goes on."
    lines = [
        line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    return next((line for line in reversed(lines) if line), f"exit code {code}, and no word.")


class _Metrics:
    """Follows a metrics file from what it holds now; the child may rewrite it once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: set[bytes] = set()
        list(self.fresh())

    def fresh(self) -> Iterator[dict[str, Any]]:
        """Yield the steps that were not seen before."""
        try:
            lines = self.path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return
        for line in lines:
            if line not in self.seen:
                self.seen.add(line)
                yield msgspec.json.decode(line)
