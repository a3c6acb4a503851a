"""Runs the items of a stage: concurrency, attempts, records, progress, stopping. Knows no stage.

Each item is a coroutine from its first attempt to its verdict, so that the engine's batch never
drains between attempts. A bounded number is in work at once; items are drawn as places free up,
so a stage may have any number. Verdicts are written in small groups; after a kill, items without a
verdict start again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from selflengthen.engines.base import Engine
from selflengthen.errors import RequestRefused
from selflengthen.stages.contract import Ask, Item, Stage, Verdict
from selflengthen.storage.records import Record, Rejection
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.text.measures import word_count

FLUSH_SECONDS, FLUSH_VERDICTS = 0.5, 256

T = TypeVar("T")


class StageProgress(Protocol):
    """Shows people how a stage gets on."""

    def begin(self, title: str, total: int, done: int) -> None:
        """A stage starts with `total` items, `done` of them on file."""
        ...

    def accepted(self, record: Record) -> None:
        """A text was accepted."""
        ...

    def rejected(self, rejection: Rejection) -> None:
        """An attempt was rejected."""
        ...

    def end(self) -> None:
        """The stage is done."""
        ...


class StageExecutor:
    """Runs the items of one stage.

    Attributes:
        engine: answers the requests.
        seed: the run's.
        system: the system turn before every request; empty for none.
        in_flight: the most items in work at once.
        progress: hears of every verdict.
        folder: where verdicts are written.
        done: ids of items that had a verdict when this start began.
        started: when that was, by `time.monotonic`.
        tokens: generated since.
    """

    def __init__(
        self,
        folder: StageFolder,
        *,
        engine: Engine,
        seed: int,
        in_flight: int,
        progress: StageProgress,
        system: str = "",
    ) -> None:
        """Read from `folder` which items have a verdict."""
        self.folder = folder
        self.engine = engine
        self.seed = seed
        self.system = system
        self.in_flight = in_flight
        self.progress = progress
        self.done = folder.finished()
        self.started = time.monotonic()
        self.tokens = 0

    async def run(self, stage: Stage[T], items: Iterable[Item[T]]) -> None:
        """Attempt every item that has no verdict on file; `items` are drawn as places free up.

        Raises what the engine raises, and CancelledError; all verdicts are on disk by then.
        """
        pending = (item for item in items if item.id not in self.done)
        writer = _Writer(self.folder)
        try:
            # Two groups: a full disk ends the work, and the end of the work ends the flushing.
            async with asyncio.TaskGroup() as group:
                flusher = group.create_task(writer.keep_flushing())
                async with asyncio.TaskGroup() as workers:
                    for _ in range(self.in_flight):
                        item = next(pending, None)
                        if item is None:
                            break
                        workers.create_task(self._work(stage, item, pending, writer))
                flusher.cancel()
        except* asyncio.CancelledError:
            raise asyncio.CancelledError from None
        except* Exception as failures:
            raise _first(failures) from None
        finally:
            writer.flush()

    async def _work(
        self, stage: Stage[T], first: Item[T], pending: Iterator[Item[T]], writer: _Writer
    ) -> None:
        """Judge items one after the other while there are any."""
        item: Item[T] | None = first
        while item is not None:
            record, rejections = await self._judge(stage, item)
            writer.add(record, rejections)
            item = next(pending, None)

    async def _judge(self, stage: Stage[T], item: Item[T]) -> tuple[Record | None, list[Rejection]]:
        """Try an item until it is accepted or its attempts are used up."""
        rejections: list[Rejection] = []
        started = time.monotonic()
        tokens = 0
        for attempt in range(1, stage.attempts + 1):
            ask = Ask(self.engine, self.seed, item.id, attempt, system=self.system)
            began = time.monotonic()
            verdict = await _attempt(stage, item, ask)
            tokens += ask.tokens
            self.tokens += ask.tokens
            if verdict.reason is None:
                record = _record(item, verdict, ask, tokens=tokens, seconds=_since(started))
                self.progress.accepted(record)
                return record, rejections
            rejection = Rejection(
                id=item.id,
                source=item.source,
                attempt=attempt,
                reason=verdict.reason,
                text=verdict.text,
                words=word_count(verdict.text),
                tokens=ask.tokens,
                seed=ask.seed,
                finish_reason=verdict.finish_reason,
                seconds=_since(began),
                last=verdict.hopeless or attempt == stage.attempts,
            )
            self.progress.rejected(rejection)
            rejections.append(rejection)
            if rejection.last:
                break
        return None, rejections


async def _attempt(stage: Stage[T], item: Item[T], ask: Ask) -> Verdict:
    """Try once; a request that the engine refuses is a rejection."""
    try:
        return await stage.attempt(item, ask)
    except RequestRefused as error:
        # An attempt that wrote something draws it anew; one that did not would repeat itself.
        return Verdict("", "refused", str(error), hopeless=not ask.tokens)


def _record(item: Item[T], verdict: Verdict, ask: Ask, *, tokens: int, seconds: float) -> Record:
    return Record(
        id=item.id,
        source=item.source,
        text=verdict.text,
        attempts=ask.attempt,
        words=word_count(verdict.text),
        tokens=tokens,
        seed=ask.seed,
        finish_reason=verdict.finish_reason,
        seconds=seconds,
        details=verdict.details,
    )


def _since(start: float) -> float:
    return round(time.monotonic() - start, 3)


class _Writer:
    """Gathers verdicts and appends them in groups."""

    def __init__(self, folder: StageFolder) -> None:
        self.folder = folder
        self.records: list[Record] = []
        self.rejections: list[Rejection] = []

    def add(self, record: Record | None, rejections: list[Rejection]) -> None:
        if record is not None:
            self.records.append(record)
        self.rejections += rejections
        if len(self.records) + len(self.rejections) >= FLUSH_VERDICTS:
            self.flush()

    def flush(self) -> None:
        """Append what was gathered; what the disk does not take stays gathered.

        Rejections go first: a record ends its item.
        """
        self.folder.append(rejections=self.rejections)
        self.rejections = []
        self.folder.append(records=self.records)
        self.records = []

    async def keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self.flush()


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first plain exception of a group: all have the same cause."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure
