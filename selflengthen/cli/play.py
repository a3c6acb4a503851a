"""Puts a run's parts together and plays its stages, until they are done or it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TextIO, TypeVar

from selflengthen.cli.assemble import Parts
from selflengthen.cli.logs import quiet
from selflengthen.cli.progress import Reporter
from selflengthen.cli.standing import steps_of
from selflengthen.controller import Controller, EngineRoom, Train
from selflengthen.engines import open_engine
from selflengthen.engines.base import Adapters, Engine
from selflengthen.errors import Interrupted, SelfLengthenError
from selflengthen.locks import Presence
from selflengthen.store import moved
from selflengthen.training.job import TrainingJob, TrainingResult
from selflengthen.training.launch import train

T = TypeVar("T")

LOOK_EVERY = 0.5
"""Seconds between two looks whether the folder is still there."""

PATIENCE = 18.0
"""Seconds after a signal in which engine and training may end by themselves."""


class Stopper:
    """Takes SIGTERM and Ctrl-C: the first cancels, a second Ctrl-C ends the process at once."""

    def __init__(self, message: str, out: TextIO, note: Callable[[str], None]) -> None:
        """Keep what is said at the end; `code` is the exit code once a signal came.

        `note` prints a line while all is well, `out` takes the last words where nothing is.
        """
        self.message, self.code = message, None
        self._out, self._note = out, note
        self._timer: threading.Timer | None = None

    code: int | None

    def watch(self, task: asyncio.Task[Any]) -> None:
        """Cancel `task` on the first signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number, task)

    def _stop(self, number: signal.Signals, task: asyncio.Task[Any]) -> None:
        if self.code is None:
            self.code = 128 + number
            # A thread that is importing, or a child that will not end, must not hold up the exit.
            self._timer = threading.Timer(PATIENCE, self._leave)
            self._timer.daemon = True
            self._timer.start()
            self._note("Stopping; a second Ctrl-C ends at once.")
            task.cancel()
        elif number == signal.SIGINT:
            self.code = 130
            self._leave()

    def _leave(self) -> None:
        print(f"selflengthen: {self.message}", file=self._out, flush=True)
        os._exit(self.code or 1)

    def disarm(self) -> None:
        """All has ended in time."""
        if self._timer is not None:
            self._timer.cancel()


Make = Callable[..., Controller]
"""A kind of controller; it is called with the parts that every controller has."""


def perform(make: Make, parts: Parts, log: Path, again: str) -> None:
    """Play with all output in the log but progress; turn a stop into its message.

    `again` is the command that goes on.
    """
    attend(partial(play, make, parts, log), parts.run.path, log, again)


def attend(
    act: Callable[[Reporter], Coroutine[Any, Any, T]], place: Path, log: Path, again: str
) -> T:
    """Await what `act` makes, with all output in the log but what it reports.

    A signal cancels it; then all that is finished must be on disk. Raises Interrupted after that.
    The locked folder `place` may be moved or deleted meanwhile; that cancels it, too.
    """
    presence = Presence(place / "lock")
    with quiet(log) as terminal:
        reporter = Reporter(terminal)
        reporter.note(f"{place}: log in {log}")
        saved = f"Everything finished is saved. To go on: {again}"
        stopper = Stopper(saved, terminal, reporter.note)

        async def watched() -> T:
            task = asyncio.create_task(act(reporter))
            stopper.watch(task)
            return await while_there(task, presence)

        try:
            with saying_moved(place, presence):
                return asyncio.run(watched())
        except asyncio.CancelledError:
            if stopper.code is None:
                raise
            stopper.disarm()
            raise Interrupted(stopper.message, stopper.code) from None
        except SelfLengthenError as error:
            logging.getLogger(__name__).error("%s", error)
            raise
        except BaseException:
            logging.getLogger(__name__).exception("ended by an error")
            raise
        finally:
            reporter.close()


async def while_there(task: asyncio.Task[T], presence: Presence) -> T:
    """Await a task, and cancel it when the folder that it works in is gone."""
    while not (await asyncio.wait([task], timeout=LOOK_EVERY))[0]:
        if presence.lost():
            task.cancel()
            break
    return await task


@contextlib.contextmanager
def saying_moved(place: Path, presence: Presence) -> Iterator[None]:
    """Say of whatever ends the body that the folder is gone, where it is."""
    try:
        yield
    except (asyncio.CancelledError, OSError, SelfLengthenError) as error:
        if presence.lost():
            raise moved(place) from error
        raise
    if presence.lost():
        raise moved(place)


async def play(make: Make, parts: Parts, log: Path, reporter: Reporter) -> None:
    """Play the stages; raises CancelledError after a signal, with everything finished on disk."""

    async def opened(adapters: Adapters) -> Engine:
        return await open_engine(
            parts.config.engine, parts.model.path, adapters,
            name=parts.model.name, on_note=reporter.note, log=log,
        )  # fmt: skip

    room = EngineRoom(opened)
    controller = make(
        parts.config, parts.model, parts.run, parts.prompts, parts.seeds, parts.held,
        room, training(reporter), reporter, reporter.note,
    )  # fmt: skip
    try:
        await controller.play()
    finally:
        reporter.close()
        await room.close()


def training(reporter: Reporter) -> Train:
    """Return how a model is trained: in a child process whose steps are reported."""

    async def trained(job: TrainingJob, log: Path) -> TrainingResult:
        number, stage, name = job.folder.absolute().parts[-3:]
        title = f"{number}/{stage} {name}" if stage == "5-train" else f"{stage}/{name}"
        steps = steps_of({"rows": job.rows, "batch": job.batch, "epochs": job.epochs})
        reporter.train(title, steps or 0, 0)
        try:
            return await train(job, log=log, on_step=reporter.step)
        finally:
            reporter.end()

    return trained
