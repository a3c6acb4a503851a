"""What the rounds and the end of a run share: how each kind of stage is made."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from selflengthen.engines.base import Adapter, Adapters, Role
from selflengthen.errors import SelfLengthenError
from selflengthen.pipeline.fingerprints import Fingerprints
from selflengthen.runner.context import RunContext, Services, sampling_of
from selflengthen.runner.sources import sources
from selflengthen.runner.stage_runner import More, StageRunner, drop_none, no_more
from selflengthen.runner.verify import digest_of, require_sound
from selflengthen.stages import drop_short, instruct
from selflengthen.stages.contract import Item, Stage
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import INSTRUCT, TRAIN
from selflengthen.text.checks import Checks
from selflengthen.text.near_duplicates import NearDuplicates
from selflengthen.training.job import ADAPTER_FILES, TrainingJob

T = TypeVar("T")
_REPORTED = (
    "rows",
    "dropped",
    "steps",
    "seconds",
    "tokens_per_second",
    "first_loss",
    "last_loss",
)
"""What DONE.json says of a training, from its result."""


class Controller(ABC):
    """A run, and how its stages are brought to their end."""

    def __init__(self, context: RunContext, services: Services) -> None:
        """Keep what the run consists of; nothing is written yet."""
        self.context = context
        self.services = services
        self.config = context.config
        self.run = context.run
        self.prompts = context.prompts
        self.runner = StageRunner(context.config, services)
        self.fingerprints = Fingerprints(context)
        self.checks = Checks(**dict(context.config.checks))
        self.sampling = sampling_of(context.config)
        self._sound: set[Path] = set()
        self._trained: dict[Path, StageFolder] = {}

    @abstractmethod
    async def play(self) -> None:
        """Bring every stage that is not done to its end."""

    async def begin(self, folder: StageFolder, *more: StageFolder) -> None:
        """Begin a stage, or resume it: write what it is made of, once that is verified.

        `more` are stages that it reads besides those that are part of its key.
        """
        identity = await self._verified(folder, *more)
        folder.begin(identity)

    async def verify(self, *folders: StageFolder) -> None:
        """Compare finished stages with what they wrote down, each once a start.

        Raises DamagedFile. In a thread: this may take seconds, in which a signal must be heard.
        """
        for folder in folders:
            if folder.path not in self._sound:
                await asyncio.to_thread(require_sound, folder)
                self._sound.add(folder.path)

    def finish(self, folder: StageFolder, digest: str, summary: Mapping[str, Any]) -> None:
        """Write a stage's DONE.json; what this start made needs no verifying."""
        folder.finish(digest, summary)
        self._sound.add(folder.path)

    async def _verified(self, folder: StageFolder, *more: StageFolder) -> Mapping[str, Any]:
        """Return the identity of a stage whose inputs are what was written."""
        identity = self.fingerprints.of(folder)
        inputs = [source for source, digest in sources(self.run, folder, identity) if digest]
        await self.verify(*inputs, *more)
        return identity

    async def texts(
        self,
        folder: StageFolder,
        adapters: Adapters,
        stage: Stage[T],
        items: Iterable[Item[T]],
        total: int,
        *,
        short: bool = False,
        reads: Sequence[StageFolder] = (),
        more: More = no_more,
    ) -> StageFolder:
        """Run a stage of texts with these adapters; `short`: then drop short ones by rank.

        `reads` are stages that it is made of besides those that are part of its key; `more` is
        what its DONE.json says besides.
        """
        if folder.done():
            return folder
        identity = await self._verified(folder, *reads, *self._trainings(adapters))
        await self.runner.texts(
            folder,
            identity=lambda: identity,
            adapters=adapters,
            stage=stage,
            items=items,
            total=total,
            drop=self._short if short else drop_none,
            more=more,
        )
        self._sound.add(folder.path)
        return folder

    async def instructions(
        self, folder: StageFolder, adapters: Adapters, names: Sequence[str], before: int
    ) -> StageFolder:
        """Make the instructions `names`, a wave at a time, from those of the rounds `before`."""
        if folder.done():
            return folder
        await self.begin(folder, *self._trainings(adapters))
        config = self.config.instruct
        role: Role = config.role if before else "base"
        stage = instruct.Instruct(config, self.prompts, role, self.sampling)
        pool = self._pool(before)
        held_out = [seed.instruction for seed in self.context.held_out]
        known = NearDuplicates([*pool.values(), *held_out], config.similarity)
        dropped: dict[str, str] = {}
        drive, started = await self.runner.open(folder, adapters, len(names))
        for start in range(0, len(names), config.wave):
            wave = names[start : start + config.wave]
            await drive.run(stage, instruct.wave_items(wave, instruct.Wave(dict(pool), known)))
            records = [r for r in folder.records(dropped=True) if wave[0] <= r.id <= wave[-1]]
            dropped |= instruct.duplicates(records, known)
            pool |= {r.id: r.text for r in records if r.id not in dropped}
        self.runner.settle(folder, len(names), dropped, drive, started)
        self._sound.add(folder.path)
        return folder

    async def trained(self, folder: StageFolder, job: TrainingJob, **more: Any) -> None:
        """Train an adapter into a stage's folder; `more` goes into its DONE.json, too."""
        result = await self.services.train(job.as_begun(), folder)
        settings = ADAPTER_FILES[0]
        files = {settings: digest_of(folder.path / settings, folder.remedy)}
        counts = {name: getattr(result, name) for name in _REPORTED}
        folder.finish(result.adapter, {**counts, **more, "files": files})

    def adapter(self, role: str, rounds: int) -> Adapter | None:
        """Return a role's last trained adapter of the first `rounds` rounds."""
        for number in range(rounds, 0, -1):
            folder = self.run.stage(TRAIN, number, role)
            done = folder.done()
            if done and not done.get("skipped"):
                return self.as_adapter(f"{role}-r{number:02d}", folder)
        return None

    def as_adapter(self, name: str, folder: StageFolder) -> Adapter:
        """Return what a training made, as an engine takes it."""
        self._trained[folder.path] = folder
        return Adapter(name, folder.path, self.config.train.lora_r)

    def _trainings(self, adapters: Adapters) -> list[StageFolder]:
        """Return the trainings that adapters come from."""
        return [self._trained[adapter.path] for adapter in adapters.values()]

    def require_some(self, folder: StageFolder) -> None:
        """Raise where a stage accepted nothing: no later stage has anything to work on."""
        if folder.count() == 0:
            place = f"{folder.number:02d}/{folder.spec.name}"
            raise SelfLengthenError(
                f"{folder.path}: nothing was accepted, so the round cannot go on; the reasons "
                f"stand in {folder.rejected_path.name}, and --redo {place} makes it again with "
                "other settings."
            )

    def _short(self, folder: StageFolder) -> Mapping[str, str]:
        lengths = ((r.id, r.words) for r in folder.records(dropped=True))
        return drop_short.drop_short(lengths, self.config.seed)

    def _pool(self, rounds: int) -> dict[str, str]:
        """Return the seeds and what the first `rounds` rounds accepted, by id."""
        pool = {seed.id: seed.instruction for seed in self.context.seeds}
        for number in range(1, rounds + 1):
            pool |= {r.id: r.text for r in self.run.stage(INSTRUCT, number).records()}
        return pool


def texts_by_id(folder: StageFolder) -> dict[str, str]:
    """Return the accepted texts of a stage that were not set aside."""
    return {record.id: record.text for record in folder.records()}
