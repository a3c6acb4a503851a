"""Runs the items of a stage: concurrency, attempts, records, progress, stopping. Knows no stage.

Each item is a coroutine from its first attempt to its verdict, so that the engine's batch never
drains between attempts. A bounded number is in work at once; items are drawn as places free up,
so their number does not matter. Verdicts reach the disk in small groups; after a kill the items
without one are owed again.
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


class Progress(Protocol):
    """Who is told of what happens."""

    def begin(self, title: str, total: int, done: int) -> None:
        """Hear that a stage starts with `total` items, `done` of them on file."""
        ...

    def accepted(self, record: Record) -> None:
        """Hear of an accepted text."""
        ...

    def rejected(self, rejection: Rejection) -> None:
        """Hear of a rejected attempt."""
        ...

    def end(self) -> None:
        """Hear that the stage is over."""
        ...


class Drive:
    """What driving a stage needs: an engine, the run's seed, a bound, an audience, a folder."""

    def __init__(
        self, engine: Engine, seed: int, in_flight: int, progress: Progress, folder: StageFolder
    ) -> None:
        """Read what has a verdict in `folder`; `in_flight` is the most items in work at once."""
        self.engine, self.seed, self.in_flight, self.progress = engine, seed, in_flight, progress
        self.folder, self.done = folder, folder.finished()
        self.tokens = 0

    async def run(self, stage: Stage[T], items: Iterable[Item[T]]) -> None:
        """Bring every item of `items` without a verdict on file to one; none comes twice.

        Raises what the engine raises, and CancelledError; what has a verdict is then on disk.
        """
        pending = (item for item in items if item.id not in self.done)
        writer = _Writer(self.folder)
        try:
            # Two groups: a disk that takes no verdict ends the work, the work's end the flushing.
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
        started, tokens = time.monotonic(), 0
        for attempt in range(1, stage.attempts + 1):
            ask = Ask(self.engine, self.seed, item.id, attempt)
            began = time.monotonic()
            try:
                verdict = await stage.attempt(item, ask)
            except RequestRefused as error:
                # What went before the request is drawn anew; without that, it is the same again.
                verdict = Verdict("", "refused", str(error), hopeless=not ask.tokens)
            tokens += ask.tokens
            self.tokens += ask.tokens
            words, now = word_count(verdict.text), time.monotonic()
            if verdict.reason is None:
                record = Record(
                    id=item.id, source=item.source, text=verdict.text, attempts=attempt,
                    words=words, tokens=tokens, seed=ask.seed,
                    finish_reason=verdict.finish_reason, seconds=round(now - started, 3),
                    details=verdict.details,
                )  # fmt: skip
                self.progress.accepted(record)
                return record, rejections
            rejection = Rejection(
                id=item.id, source=item.source, attempt=attempt, reason=verdict.reason,
                text=verdict.text, words=words, tokens=ask.tokens, seed=ask.seed,
                finish_reason=verdict.finish_reason, seconds=round(now - began, 3),
                last=verdict.hopeless or attempt == stage.attempts,
            )  # fmt: skip
            self.progress.rejected(rejection)
            rejections.append(rejection)
            if verdict.hopeless:
                break
        return None, rejections


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
        """Append what was gathered; what the disk refuses is gathered still.

        Refusals first: a record ends its item.
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
    """Return the first plain exception of a group: they all tell of the same failure."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure
