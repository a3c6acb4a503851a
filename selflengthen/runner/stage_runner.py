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
from selflengthen.runner.executor import Drive
from selflengthen.stages.contract import Item, Stage
from selflengthen.storage.stage_folder import StageFolder

T = TypeVar("T")
Drop = Callable[[StageFolder], Mapping[str, str]]
"""Says which texts of a stage are set aside, and why, by id."""

More = Callable[[StageFolder], Mapping[str, Any]]
"""Returns what the DONE.json of a settled stage says besides what all stages of texts say."""


def drop_none(folder: StageFolder) -> Mapping[str, str]:
    """Set nothing aside."""
    return {}


def no_more(folder: StageFolder) -> Mapping[str, Any]:
    """Say nothing more."""
    return {}


class StageRunner:
    """Runs stages of texts with one configuration's seed and number of samples in flight."""

    def __init__(self, config: Config, services: Services) -> None:
        """Keep what stages are made with; nothing is read or written."""
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
        more: More = no_more,
    ) -> None:
        """Bring all items of a stage to their verdict, then settle it.

        `items` are drawn one by one, so that a run of any size resumes at once; `total` is their
        number.
        """
        if folder.done():
            return
        folder.begin(identity())
        drive, started = await self.open(folder, adapters, total)
        await drive.run(stage, items)
        self.settle(folder, total, drop(folder), drive, started, more)

    async def open(
        self, folder: StageFolder, adapters: Adapters, total: int
    ) -> tuple[Drive, float]:
        """Return what runs the items of a stage, and when it was opened."""
        drive = Drive(
            await self.services.engines.engine(adapters),
            seed=self.config.seed,
            in_flight=self.config.engine.in_flight,
            progress=self.services.progress,
            folder=folder,
        )
        self.services.progress.begin(folder.title, total, len(drive.done))
        return drive, time.monotonic()

    def settle(
        self,
        folder: StageFolder,
        total: int,
        dropped: Mapping[str, str],
        drive: Drive,
        started: float,
        more: More = no_more,
    ) -> None:
        """Write a stage's texts in order, and its DONE.json."""
        digest = folder.settle(dropped)
        seconds = time.monotonic() - started
        summary = metrics.summary(folder, total, seconds, drive.tokens)
        folder.finish(digest, {**summary, **more(folder)})
        self.services.progress.end()
