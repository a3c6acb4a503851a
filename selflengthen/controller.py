"""What every controller does: it brings stages of texts from their key to their DONE.json.

A stage that is done is skipped; one that was begun goes on from the ids on file. Which stages there
are, and in which order, is the business of who inherits: `rounds`, and what comes after them.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from selflengthen import metrics
from selflengthen.checks import Checks
from selflengthen.config import Config
from selflengthen.drive import Drive, Item, Progress, Stage
from selflengthen.engines.base import Adapter, Adapters, Engine, Role, Sampling
from selflengthen.likeness import NearDuplicates
from selflengthen.models import Model
from selflengthen.prompts import Prompts
from selflengthen.seeds import Seed
from selflengthen.stages import instruct
from selflengthen.stages.lot import drop_short
from selflengthen.store import RunFolder, StageFolder
from selflengthen.training.job import ADAPTER_FILES, TrainingJob, TrainingResult
from selflengthen.verify import digest_of, require_sound

T = TypeVar("T")
Train = Callable[[TrainingJob, Path], Awaitable[TrainingResult]]
_TOLD = ("rows", "dropped", "steps", "seconds", "tokens_per_second", "first_loss", "last_loss")


class EngineRoom:
    """Opens an engine when one is first needed, and closes it when the adapters change."""

    def __init__(self, open_engine: Callable[[Adapters], Awaitable[Engine]]) -> None:
        """Keep how an engine is opened."""
        self._open, self._engine, self._adapters = open_engine, None, None

    async def engine(self, adapters: Adapters) -> Engine:
        """Return an engine with these adapters."""
        if self._engine is None or adapters != self._adapters:
            await self.close()
            self._engine, self._adapters = await self._open(adapters), adapters
        return self._engine

    async def close(self) -> None:
        """Free the engine's memory."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()

    _engine: Engine | None
    _adapters: Adapters | None


class Controller(ABC):
    """A run's parts, and how a stage of it is brought to its end."""

    def __init__(
        self,
        config: Config,
        model: Model,
        run: RunFolder,
        prompts: Prompts,
        seeds: list[Seed],
        held: list[Seed],
        room: EngineRoom,
        train: Train,
        progress: Progress,
        note: Callable[[str], None],
    ) -> None:
        """Gather what a run consists of; nothing is read or written yet."""
        self.config, self.model, self.run, self.prompts = config, model, run, prompts
        self.seeds, self.held = seeds, held[: config.held_out.texts]
        self.room, self.train, self.progress, self.note = room, train, progress, note
        self._sound: set[Path] = set()
        self.checks = Checks(**dict(config.checks))
        self.sampling = Sampling(**dict(config.sampling) | {"stop": tuple(config.sampling.stop)})

    @abstractmethod
    async def play(self) -> None:
        """Bring every stage that is not done to its end."""

    @abstractmethod
    def identity(self, folder: StageFolder) -> dict[str, Any]:
        """Return what a stage is made of, as the configuration would make it now."""

    async def texts(
        self, folder: StageFolder, adapters: Adapters, stage: Stage[T], items: Iterable[Item[T]],
        total: int, *, lot: bool = False, made_of: Sequence[StageFolder] = (),
    ) -> StageFolder:  # fmt: skip
        """Run a stage of texts; `lot`: then drop short ones.

        `items` are drawn one by one, so that a run of any size starts again at once; the stages
        that they are `made_of` are verified before.
        """
        if folder.done():
            return folder
        await self.sound(*made_of)
        folder.begin(self.identity(folder))
        drive, began = await self._drive(folder, adapters, total)
        await drive.run(stage, items)
        lengths = ((r.id, r.words) for r in folder.records(dropped=True))
        dropped = drop_short(lengths, self.config.seed) if lot else {}
        self._settle(folder, total, dropped, drive, began)
        return folder

    async def instructions(
        self, folder: StageFolder, adapters: Adapters, names: Sequence[str], before: int
    ) -> StageFolder:
        """Make the instructions `names`, a wave at a time, from those of the rounds `before`."""
        if folder.done():
            return folder
        await self.sound(*(self.run.stage(n, "1-instruct") for n in range(1, before + 1)))
        folder.begin(self.identity(folder))
        config = self.config.instruct
        role: Role = config.role if before else "base"
        stage = instruct.Instruct(config, self.prompts, role, self.sampling)
        pool = self._pool(before)
        known = NearDuplicates(
            [*pool.values(), *(s.instruction for s in self.held)], config.similarity
        )
        dropped: dict[str, str] = {}
        drive, began = await self._drive(folder, adapters, len(names))
        for start in range(0, len(names), config.wave):
            wave = names[start : start + config.wave]
            given = instruct.Wave(dict(pool), known)
            await drive.run(stage, instruct.wave_items(wave, given))
            made = [r for r in folder.records(dropped=True) if wave[0] <= r.id <= wave[-1]]
            dropped |= instruct.duplicates(made, known)
            pool |= {r.id: r.text for r in made if r.id not in dropped}
        self._settle(folder, len(names), dropped, drive, began)
        return folder

    async def trained(self, folder: StageFolder, job: TrainingJob, **told: Any) -> None:
        """Train an adapter into a stage's folder; DONE.json also says what is `told`."""
        result = await self.train(job, folder.path / "train.log")
        settings = ADAPTER_FILES[0]
        files = {settings: digest_of(folder.path / settings, folder.remedy)}
        counts = {name: getattr(result, name) for name in _TOLD}
        folder.finish(result.adapter, {**counts, **told, "files": files})

    async def sound(self, *folders: StageFolder) -> None:
        """Verify finished stages before they are read, each once a start.

        Raises DamagedFile. In a thread, since this may take seconds, in which a signal is heard.
        """
        for folder in folders:
            if folder.path not in self._sound:
                await asyncio.to_thread(require_sound, folder)
                self._sound.add(folder.path)

    def wrote(self, folder: StageFolder) -> None:
        """Note that this start finished a stage, which therefore needs no verifying."""
        self._sound.add(folder.path)

    def adapter(self, role: str, rounds: int) -> Adapter | None:
        """Return a role's last trained adapter of the first `rounds` rounds."""
        for number in range(rounds, 0, -1):
            folder = self.run.stage(number, f"5-train/{role}")
            done = folder.done()
            if done and not done.get("skipped"):
                return Adapter(f"{role}-r{number:02d}", folder.path, self.config.train.lora_r)
        return None

    async def _drive(
        self, folder: StageFolder, adapters: Adapters, total: int
    ) -> tuple[Drive, float]:
        await self.sound(*(StageFolder.at(adapter.path) for adapter in adapters.values()))
        engine = await self.room.engine(adapters)
        in_flight = self.config.engine.in_flight
        drive = Drive(engine, self.config.seed, in_flight, self.progress, folder)
        self.progress.begin(folder.title, total, len(drive.done))
        return drive, time.monotonic()

    def _settle(
        self, folder: StageFolder, items: int, dropped: dict[str, str], drive: Drive, began: float
    ) -> None:
        digest = folder.settle(dropped)
        seconds = time.monotonic() - began
        folder.finish(digest, metrics.summary(folder, items, seconds, drive.tokens))
        self.wrote(folder)
        self.progress.end()

    def _pool(self, rounds: int) -> dict[str, str]:
        """Return the seeds and what the first `rounds` rounds accepted, by id."""
        pool = {seed.id: seed.instruction for seed in self.seeds}
        for number in range(1, rounds + 1):
            pool |= {r.id: r.text for r in self.run.stage(number, "1-instruct").records()}
        return pool
