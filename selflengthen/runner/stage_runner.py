"""Brings a stage of texts from its key to its DONE.json; knows no stage.

A stage that is done is skipped; one that was begun resumes from the ids on file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from selflengthen.config import Config
from selflengthen.engines.base import Adapters
from selflengthen.runner import metrics
from selflengthen.runner.context import Services
from selflengthen.runner.executor import StageExecutor
from selflengthen.stages.contract import Item, Stage
from selflengthen.storage.schemas import TextsDone
from selflengthen.storage.stage_folder import StageFolder

T = TypeVar("T")
Drop = Callable[[StageFolder], Mapping[str, str]]
"""Chooses the texts of a stage to set aside: returns the reasons by id."""

AsDone = Callable[[StageFolder, TextsDone], TextsDone]
"""Returns the DONE.json of a settled stage, given what every stage of texts has in it."""


def drop_none(folder: StageFolder) -> Mapping[str, str]:
    """Set nothing aside."""
    return {}


def unchanged(folder: StageFolder, done: TextsDone) -> TextsDone:
    """Add nothing to it."""
    return done


class StageRunner:
    """Runs stages of texts with one configuration's seed and number of samples in flight."""

    def __init__(self, config: Config, services: Services) -> None:
        """Prepare to run stages; nothing is read or written."""
        self.config = config
        self.services = services

    async def texts(
        self,
        folder: StageFolder,
        *,
        identity: Callable[[], Mapping[str, Any]],
        adapters: Adapters,
        stage: Stage[T],
        items: Iterable[Item[T]],
        total: int,
        drop: Drop = drop_none,
        as_done: AsDone = unchanged,
    ) -> None:
        """Attempt all items of a stage, then write its texts in order and its DONE.json.

        `items` are drawn one by one, so that a run of any size resumes at once; `total` is their
        number.
        """
        if folder.done():
            return
        folder.begin(identity())
        executor = await self.open(folder, adapters, total)
        await executor.run(stage, items)
        self.settle(executor, total, drop(folder), as_done)

    async def open(self, folder: StageFolder, adapters: Adapters, total: int) -> StageExecutor:
        """Return an executor for a stage of `total` items."""
        executor = StageExecutor(
            folder,
            engine=await self.services.engines.engine(adapters),
            seed=self.config.seed,
            in_flight=self.config.engine.in_flight,
            progress=self.services.progress,
        )
        self.services.progress.begin(folder.title, total, len(executor.done))
        return executor

    def settle(
        self,
        executor: StageExecutor,
        total: int,
        dropped: Mapping[str, str],
        as_done: AsDone = unchanged,
    ) -> None:
        """Write a stage's texts in order, and its DONE.json."""
        folder = executor.folder
        digest = folder.settle(dropped)
        done = metrics.texts_done(
            folder,
            digest,
            items=total,
            seconds=time.monotonic() - executor.started,
            tokens=executor.tokens,
        )
        folder.finish(as_done(folder, done))
        self.services.progress.end()
