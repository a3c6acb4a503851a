"""The real tuner: one child process that trains and measures, one model after the other.

Starting a process and importing torch and TRL takes longer than a small training. So one child
serves all tunings of a work; between two nothing is kept but the evaluation's tokens. A socket
carries orders and answers, a JSON line each; standard input is the child's line of life, as in
every training (`training.guard`). Several processes cannot share it: where `accelerate launch`
trains, each training has its own child, and this one measures.

Run as a program, this is the child: `python -m selflengthen.curate.rule.tuner SOCKET`.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from selflengthen.curate.io.rows import Tell
from selflengthen.curate.io.work_dir import WorkFolder
from selflengthen.curate.rule.tuning import Loss, Tune, Tuning, Work
from selflengthen.errors import TrainingError, in_a_line
from selflengthen.training import child, guard, launch, rows
from selflengthen.training.job import finished

if TYPE_CHECKING:
    from selflengthen.curate.indicators.losses import Evaluation


T = TypeVar("T")


class Answer(msgspec.Struct, omit_defaults=True):
    """What came of an order: a loss, or why there is none, in one line."""

    loss: Loss | None = None
    failure: str = ""


class Tuner:
    """Tunes and measures in a child that is started when it is first needed."""

    def __init__(self, log: Path) -> None:
        """Keep where the child writes what it says; nothing is started yet."""
        self._log = log
        self._child: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Tuner:
        """Start nothing yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the child; a training in the middle is saved."""
        await self.close()

    async def __call__(self, tuning: Tuning) -> Loss:
        """Train, unless that is done, and measure.

        When cancelled the child saves a checkpoint and is gone before this ends. Raises
        TrainingError with the reason.
        """
        job = tuning.job
        job.accumulation(job.processes if job.launcher == "accelerate" else 1)
        try:
            if job.launcher != "plain":
                await launch.train(job, log=self._log, on_step=lambda step: None)
            line = await self._told(tuning)
        except asyncio.CancelledError:
            await self.close()
            raise
        if not line:
            code = await self.close()
            raise TrainingError(
                f"Tuning failed: {child.reason(code, self._log)} The log: {self._log}"
            )
        answer = msgspec.json.decode(line, type=Answer)
        if answer.loss is None:
            raise TrainingError(f"Tuning failed: {answer.failure} The log: {self._log}")
        return answer.loss

    async def close(self) -> int:
        """End the child, if there is one; return its exit code."""
        tuner, self._child = self._child, None
        if tuner is None:
            return 0
        self._writer.close()
        await child.end(tuner)
        return tuner.returncode or 0

    async def _told(self, tuning: Tuning) -> bytes:
        """Give the child an order; return its answer, or nothing where it died."""
        if self._child is None:
            await self._start(tuning)
        try:
            self._writer.write(msgspec.json.encode(tuning) + b"\n")
            await self._writer.drain()
            return await self._reader.readline()
        except ConnectionError:
            return b""

    async def _start(self, tuning: Tuning) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._child = await child.start(
                *(sys.executable, "-m", "selflengthen.curate.rule.tuner", str(theirs.fileno())),
                environment=child.training_environment(tuning.job.launcher),
                log=self._log,
                fds=[theirs.fileno()],
            )
        self._reader, self._writer = await asyncio.open_connection(sock=ours)

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter


async def perform(
    work: Work[T], folder: Path, *, tune: Tune | None = None, tell: Tell | None = None
) -> T:
    """Do a work in its folder, by real tunings unless `tune` is another way; return its result.

    Raises UserError where the folder is in use, or of another work.
    """
    place = WorkFolder(folder)
    place.check(work.identity)
    with place.locked():
        place.begin(work.identity)
        if tune is not None:
            return await work.play(folder, tune, tell)
        async with Tuner(place.new_log()) as real:
            return await work.play(folder, real, tell)


def main(arguments: list[str]) -> int:
    """Serve orders until the socket closes; return the exit code."""
    guard.die_with_parent()
    stop = guard.Stop()
    with socket.socket(fileno=int(arguments[-1])) as line, line.makefile("rwb") as talk:
        return _serve(talk, stop)


def _serve(talk: io.BufferedRWPair, stop: guard.Stop) -> int:
    evaluations: dict[str, Evaluation] = {}
    for order in talk:
        try:
            answer = Answer(_done(msgspec.json.decode(order, type=Tuning), evaluations, stop))
        except guard.Stopped:
            print("Stopped by a signal; all steps are saved.", flush=True)
            return guard.STOPPED
        except Exception as error:
            with contextlib.suppress(OSError):  # a full disk takes no traceback
                traceback.print_exc()
            answer = Answer(failure=in_a_line(error))
        talk.write(msgspec.json.encode(answer) + b"\n")
        talk.flush()
    return 0


def _done(tuning: Tuning, evaluations: dict[str, Evaluation], stop: guard.Stop) -> Loss:
    started = time.monotonic()
    job = tuning.job
    given = rows.read(Path(job.rows))  # what is wrong with them is said before the imports
    from selflengthen.curate.indicators.losses import Evaluation, free
    from selflengthen.training import sft

    # First: what is wrong with it would else be found after the training.
    if tuning.evaluation not in evaluations:
        evaluations[tuning.evaluation] = Evaluation(Path(tuning.evaluation), job)
    if finished(job) is None:
        job.folder.mkdir(parents=True, exist_ok=True)
        try:
            sft.run(job, given, stop, started)
        finally:
            stop.armed = False  # from here on nothing is lost by ending at once
            free()
        if stop.requested:
            raise guard.Stopped
    return evaluations[tuning.evaluation].loss(job)


if __name__ == "__main__":
    guard.leave(main(sys.argv[1:]))
