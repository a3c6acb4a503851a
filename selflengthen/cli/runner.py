"""Plays the stages of a run until they are done or a signal stops them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TextIO, TypeVar

from selflengthen.cli.options.settings import dump
from selflengthen.cli.output.logs import quiet
from selflengthen.cli.output.progress import Reporter
from selflengthen.cli.run_state import training_steps
from selflengthen.config import EngineConfig
from selflengthen.engines import open_engine
from selflengthen.engines.base import Adapters, Engine
from selflengthen.errors import Interrupted, SelfLengthenError, UserError
from selflengthen.inputs.models import Model
from selflengthen.inputs.prompts import files
from selflengthen.runner.context import EngineProvider, RunContext, Services, Train
from selflengthen.storage.lock import Presence
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.training.job import TrainingJob, TrainingResult
from selflengthen.training.launch import train

T = TypeVar("T")

LOOK_SECONDS = 0.5
"""Seconds between two checks that the lock and the run's folder still exist."""
PATIENCE = 18.0
"""Seconds that engine and training have to end after a signal."""


class Stopper:
    """Handles SIGTERM and Ctrl-C: the first cancels, a second Ctrl-C ends the process at once."""

    def __init__(self, message: str, out: TextIO, note: Callable[[str], None]) -> None:
        """Print `message` to `out` if the process must end at once.

        `note` prints a line while work is being saved. `code` is the exit code after a signal.
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
            # A thread that imports, or a child that does not end, must not hold up the exit.
            self._timer = threading.Timer(PATIENCE, self._leave)
            self._timer.daemon = True
            self._timer.start()
            self._note("Stopping and saving; press Ctrl-C again to quit at once.")
            task.cancel()
        elif number == signal.SIGINT:
            self.code = 130
            self._leave()

    def _leave(self) -> None:
        print(f"selflengthen: {self.message}", file=self._out, flush=True)
        os._exit(self.code or 1)

    def disarm(self) -> None:
        """Cancel the timer: everything has ended in time."""
        if self._timer is not None:
            self._timer.cancel()


class Playable(Protocol):
    """Something that plays stages until they are done."""

    async def play(self) -> None:
        """Play every stage that is not done."""
        ...


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One start: which engine serves which model, where its log goes, which command resumes."""

    engine: EngineConfig
    model: Model
    run: RunFolder
    log: Path
    resume: str


def perform(make: Callable[[Services], Playable], attempt: Attempt) -> None:
    """Play the stages, with progress at the terminal and all other output in the log."""
    attend(partial(play, make, attempt), attempt.run.path, attempt.log, attempt.resume)


def start(make: Callable[[Services], Playable], context: RunContext, resume: str) -> None:
    """Save the inputs of a run, then play its stages; `resume` is the command that resumes it."""
    run, config = context.run, context.config
    run.keep(
        dump(config),
        prompts=files(context.prompts),
        seeds={seed.id: seed.instruction for seed in context.seeds},
        held_out={seed.id: seed.instruction for seed in context.held_out},
        source={seed.id: seed.instruction for seed in context.source},
    )
    attempt = Attempt(
        engine=config.engine, model=context.model, run=run, log=run.new_log(), resume=resume
    )
    perform(make, attempt)


def require_free(run: RunFolder, redo: str | None, again: Sequence[StageFolder]) -> None:
    """Raise UserError if another process works on the run, or --redo names a stage not begun."""
    if redo and not again:
        raise UserError(
            f"--redo {redo}: {run.path} has not reached this stage; `status` lists the stages."
        )
    if holder := run.holder():
        raise run.in_use(holder)


def attend(
    act: Callable[[Reporter], Coroutine[Any, Any, T]], place: Path, log: Path, again: str
) -> T:
    """Await the coroutine of `act`; all output but its reports goes to the log.

    A signal cancels it; it must then save what is finished, and Interrupted is raised. It is also
    cancelled if the locked folder `place` goes away. `again` is the command that resumes.
    """
    presence = Presence(place / "lock")
    with quiet(log) as terminal:
        reporter = Reporter(terminal)
        reporter.note(f"{place}: log in {log}")
        saved = f"Everything finished is saved. To resume: {again}"
        stopper = Stopper(saved, terminal, reporter.note)

        async def watched() -> T:
            task = asyncio.create_task(act(reporter))
            stopper.watch(task)
            return await while_there(task, presence)

        # A run outlives its terminal. Child processes inherit the ignored SIGHUP.
        hang_up = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with saying_lost(presence, again), asyncio.Runner() as runner:
                runner.get_loop()  # fails before any work if no file can be opened
                return runner.run(watched())
        except asyncio.CancelledError:
            if stopper.code is None:
                raise
            stopper.disarm()
            raise Interrupted(stopper.message, stopper.code) from None
        except SelfLengthenError as error:
            logging.getLogger(__name__).error("%s", error)
            raise
        except BaseException:
            logging.getLogger(__name__).exception("stopped by an unexpected error")
            raise
        finally:
            signal.signal(signal.SIGHUP, hang_up)
            reporter.close()


async def while_there(task: asyncio.Task[T], presence: Presence) -> T:
    """Await a task; cancel it when its lock or its folder is gone."""
    while not (await asyncio.wait([task], timeout=LOOK_SECONDS))[0]:
        if presence.lost():
            task.cancel()
            break
    return await task


@contextlib.contextmanager
def saying_lost(presence: Presence, again: str) -> Iterator[None]:
    """Replace an error of the body by one that says so, if its lock or its folder is gone."""
    try:
        yield
    except (asyncio.CancelledError, OSError, SelfLengthenError) as error:
        if presence.lost():
            raise presence.error(again) from error
        raise
    if presence.lost():
        raise presence.error(again)


async def play(make: Callable[[Services], Playable], attempt: Attempt, reporter: Reporter) -> None:
    """Play the stages; raises CancelledError after a signal, with everything finished on disk."""

    async def opened(adapters: Adapters) -> Engine:
        return await open_engine(
            attempt.engine,
            attempt.model.path,
            adapters,
            name=attempt.model.name,
            on_note=reporter.note,
            log=attempt.log,
        )

    engines = EngineProvider(opened)
    services = Services(
        engines=engines, train=training(reporter), progress=reporter, note=reporter.note
    )
    try:
        await make(services).play()
    finally:
        reporter.close()
        await engines.close()


def training(reporter: Reporter) -> Train:
    """Return a function that trains a model in a child process and reports its steps."""

    async def trained(job: TrainingJob, folder: StageFolder) -> TrainingResult:
        steps = training_steps(job.rows, batch=job.batch, epochs=job.epochs)
        stage = folder.title.removesuffix(f"/{folder.part}")
        reporter.train(f"{stage} {folder.part}".rstrip(), steps or 0, 0)
        try:
            return await train(job, log=folder.path / "train.log", on_step=reporter.step)
        finally:
            reporter.end()

    return trained
