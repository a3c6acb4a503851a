"""The real tuner: one child process that trains and evaluates one model after the other.

Starting a process and importing torch and TRL takes longer than a small training, so one child
serves all tunings of a series. Between tunings it keeps nothing but the tokens of the evaluation
set. Orders and replies pass through a socket, one JSON line each; when its standard input closes,
the child knows that its parent is gone, as in every training (`training.guard`). Several processes
cannot share the socket: where `accelerate launch` trains, each training has a child of its own, and
this one only evaluates.

Run as a program, this module is the child: `python -m selflengthen.curate.rule.tuner SOCKET`.
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

from selflengthen.curate.io.rows import OnProgress
from selflengthen.curate.io.work_dir import WorkFolder
from selflengthen.curate.rule.tuning import Loss, Tune, Tuning, TuningSeries
from selflengthen.errors import TrainingError, in_a_line
from selflengthen.training import child, guard, launch, rows
from selflengthen.training.job import finished

if TYPE_CHECKING:
    from selflengthen.curate.indicators.losses import Evaluation


T = TypeVar("T")


class TunerReply(msgspec.Struct, omit_defaults=True):
    """The reply to an order: a loss, or the reason for having none, in one line."""

    loss: Loss | None = None
    failure: str = ""


class Tuner:
    """Tunes and evaluates in a child process, which starts with the first tuning."""

    def __init__(self, log: Path) -> None:
        """Start nothing yet; `log` takes what the child prints."""
        self._log = log
        self._child: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Tuner:
        """Start nothing yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the child; an interrupted training saves a checkpoint first."""
        await self.close()

    async def __call__(self, tuning: Tuning) -> Loss:
        """Train, unless the adapter is on file, and evaluate.

        On cancellation, this waits until the child has saved a checkpoint and exited. Raises
        TrainingError with the reason.
        """
        job = tuning.job
        job.accumulation(job.processes if job.launcher == "accelerate" else 1)
        try:
            if job.launcher != "plain":
                await launch.train(job, log=self._log, on_step=lambda step: None)
            line = await self._order(tuning)
        except asyncio.CancelledError:
            await self.close()
            raise
        if not line:
            code = await self.close()
            raise TrainingError(
                f"Tuning failed: {child.reason(code, self._log)} The log: {self._log}"
            )
        reply = msgspec.json.decode(line, type=TunerReply)
        if reply.loss is None:
            raise TrainingError(f"Tuning failed: {reply.failure} The log: {self._log}")
        return reply.loss

    async def close(self) -> int:
        """End the child, if there is one; return its exit code."""
        process = self._child
        writer = self._writer
        self._child = None
        if process is None:
            return 0
        if writer is not None:
            writer.close()
        await child.end(process)
        return process.returncode or 0

    async def _order(self, tuning: Tuning) -> bytes:
        """Send the child an order; return its reply, or nothing if it died."""
        reader = self._reader
        writer = self._writer
        if self._child is None or reader is None or writer is None:
            reader, writer = await self._start(tuning)
        try:
            writer.write(msgspec.json.encode(tuning) + b"\n")
            await writer.drain()
            return await reader.readline()
        except ConnectionError:
            return b""

    async def _start(self, tuning: Tuning) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ours, theirs = socket.socketpair()
        with theirs:
            self._child = await child.start(
                *(sys.executable, "-m", "selflengthen.curate.rule.tuner", str(theirs.fileno())),
                environment=child.training_environment(tuning.job.launcher),
                log=self._log,
                fds=[theirs.fileno()],
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        self._reader = reader
        self._writer = writer
        return reader, writer


async def perform(
    series: TuningSeries[T],
    folder: Path,
    *,
    tune: Tune | None = None,
    on_progress: OnProgress | None = None,
) -> T:
    """Run a series in its folder, or resume it, and return its result.

    Without `tune` the tunings are real ones. Raises UserError if the folder is in use, or belongs
    to something else.
    """
    place = WorkFolder(folder)
    place.check(series.identity)
    with place.locked():
        place.begin(series.identity)
        if tune is not None:
            return await series.play(folder, tune, on_progress)
        async with Tuner(place.new_log()) as tuner:
            return await series.play(folder, tuner, on_progress)


def main(arguments: list[str]) -> int:
    """Serve orders until the socket closes; return the exit code."""
    guard.die_with_parent()
    stop = guard.Stop()
    with socket.socket(fileno=int(arguments[-1])) as line, line.makefile("rwb") as stream:
        return _serve(stream, stop)


def _serve(stream: io.BufferedRWPair, stop: guard.Stop) -> int:
    evaluations: dict[str, Evaluation] = {}
    for order in stream:
        try:
            reply = TunerReply(_run(msgspec.json.decode(order, type=Tuning), evaluations, stop))
        except guard.Stopped:
            print("Stopped by a signal; all steps are saved.", flush=True)
            return guard.STOPPED
        except Exception as error:
            with contextlib.suppress(OSError):  # the disk with the log may be full
                traceback.print_exc()
            reply = TunerReply(failure=in_a_line(error))
        stream.write(msgspec.json.encode(reply) + b"\n")
        stream.flush()
    return 0


def _run(tuning: Tuning, evaluations: dict[str, Evaluation], stop: guard.Stop) -> Loss:
    started = time.monotonic()
    job = tuning.job
    training_rows = rows.read(Path(job.rows))  # bad rows fail before the slow imports
    from selflengthen.curate.indicators.losses import Evaluation, free
    from selflengthen.training import sft

    # Before the training, so that a bad evaluation set does not waste it.
    if tuning.evaluation not in evaluations:
        evaluations[tuning.evaluation] = Evaluation(Path(tuning.evaluation), job)
    if finished(job) is None:
        job.folder.mkdir(parents=True, exist_ok=True)
        try:
            sft.run(job, training_rows, stop, started)
        finally:
            stop.armed = False  # all is saved: from here on a signal may end us at once
            free()
        if stop.requested:
            raise guard.Stopped
    return evaluations[tuning.evaluation].loss(job)


if __name__ == "__main__":
    guard.leave(main(sys.argv[1:]))
