"""What the rounds and the end of a run share: how each kind of stage is run."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from selflengthen.engines.base import Adapter, Adapters, Role
from selflengthen.errors import SelfLengthenError
from selflengthen.inputs.prompts import SYSTEM
from selflengthen.inputs.seeds import Seed
from selflengthen.pipeline.fingerprints import Fingerprints
from selflengthen.runner.context import RunContext, Services, sampling_of
from selflengthen.runner.executor import StageExecutor
from selflengthen.runner.sources import sources
from selflengthen.runner.stage_runner import AsDone, Drop, StageRunner, drop_none, unchanged
from selflengthen.runner.verify import digest_of, require_sound
from selflengthen.stages import drop_short, instruct
from selflengthen.stages.contract import Item, Stage
from selflengthen.storage.records import Record
from selflengthen.storage.schemas import Done, Selection, TrainedDone
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import INSTRUCT, TRAIN
from selflengthen.text.checks import Checks
from selflengthen.text.near_duplicates import NearDuplicates
from selflengthen.training.job import ADAPTER_FILES, TrainingJob

T = TypeVar("T")


class Controller(ABC):
    """Runs the stages of a run."""

    def __init__(self, context: RunContext, services: Services) -> None:
        """Prepare the run; nothing is written yet."""
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
        """Run every stage that is not done."""

    async def begin(self, folder: StageFolder, *more: StageFolder) -> None:
        """Begin or resume a stage: verify its inputs, then write its stage.json.

        `more` are stages that it reads besides those that are part of its key.
        """
        identity = await self._verified(folder, *more)
        folder.begin(identity)

    async def verify(self, *folders: StageFolder) -> None:
        """Compare the files of finished stages with their DONE.json, each stage once per start.

        Raises DamagedFile. It runs in a thread, because signals must be handled meanwhile.
        """
        for folder in folders:
            if folder.path not in self._sound:
                await asyncio.to_thread(require_sound, folder)
                self._sound.add(folder.path)

    def finish(self, folder: StageFolder, done: Done) -> None:
        """Write a stage's DONE.json; what this start wrote needs no verification."""
        folder.finish(done)
        self._sound.add(folder.path)

    async def _verified(self, folder: StageFolder, *more: StageFolder) -> Mapping[str, Any]:
        """Return the identity of a stage, once its inputs are verified."""
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
        drop: Drop = drop_none,
        reads: Sequence[StageFolder] = (),
        as_done: AsDone = unchanged,
    ) -> StageFolder:
        """Run a stage of texts with these adapters; if `short`, then drop short texts by rank.

        `drop` chooses other texts to set aside.
        `reads` are stages that it is made of besides those that are part of its key; `as_done`
        returns its DONE.json.
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
            drop=self._short if short else drop,
            as_done=as_done,
            system=self.prompts.system if SYSTEM in folder.spec.prompts else "",
        )
        self._sound.add(folder.path)
        return folder

    async def instructions(
        self, folder: StageFolder, adapters: Adapters, names: Sequence[str], before: int
    ) -> StageFolder:
        """Make the instructions `names` in waves, after the first `before` rounds.

        They are the next ones of `instruct.source`, where it is set; the model writes the rest.
        """
        if folder.done():
            return folder
        await self.begin(folder, *self._trainings(adapters))
        config = self.config.instruct
        role: Role = config.role if before else "base"
        writer = instruct.Instruct(config, self.prompts, role, self.sampling)
        executor = await self.runner.open(folder, adapters, len(names))
        earlier = [r for number in range(before) for r in self._accepted(number + 1)]
        fresh, in_source = self._seeds()
        held_out = [seed.instruction for seed in self.context.held_out]
        known = NearDuplicates([*(r.text for r in earlier), *fresh, *held_out], config.similarity)
        source = instruct.in_order(self.context.source, self.config.seed)
        source = source[before * config.per_round :][: len(names)]
        dropped = await self._take(executor, writer, names[: len(source)], source, known)
        for text in in_source:
            known.add(text)
        pool = {seed.id: seed.instruction for seed in self.context.seeds}
        pool |= {r.id: r.text for r in earlier if r.source is None}
        dropped |= await self._write(executor, writer, names[len(source) :], pool, known)
        self.runner.settle(executor, len(names), dropped)
        self._sound.add(folder.path)
        return folder

    async def _take(
        self,
        executor: StageExecutor,
        writer: instruct.Instruct,
        names: Sequence[str],
        source: Sequence[Seed],
        known: NearDuplicates,
    ) -> dict[str, str]:
        """Take the instructions of `source`, one per name; return the ids to drop, with reasons."""
        taker = instruct.TakeFromSource(writer)
        dropped: dict[str, str] = {}
        for wave, seeds in zip(self._waves(names), self._waves(source), strict=True):
            await executor.run(taker, instruct.source_items(wave, seeds, known))
            dropped |= instruct.duplicates(_records_of(executor.folder, wave), known)
        return dropped

    async def _write(
        self,
        executor: StageExecutor,
        writer: instruct.Instruct,
        names: Sequence[str],
        pool: dict[str, str],
        known: NearDuplicates,
    ) -> dict[str, str]:
        """Write instructions from a growing pool; return the ids to drop, with reasons."""
        dropped: dict[str, str] = {}
        for wave in self._waves(names):
            await executor.run(writer, instruct.wave_items(wave, instruct.Wave(dict(pool), known)))
            records = _records_of(executor.folder, wave)
            dropped |= instruct.duplicates(records, known)
            pool |= {r.id: r.text for r in records if r.id not in dropped}
        return dropped

    def _waves(self, values: Sequence[T]) -> Iterator[Sequence[T]]:
        size = self.config.instruct.wave
        return (values[start : start + size] for start in range(0, len(values), size))

    async def train(
        self, folder: StageFolder, job: TrainingJob, chosen: Selection | None = None
    ) -> None:
        """Train an adapter into a stage's folder; `chosen` says how its rows were selected."""
        result = await self.services.train(job.as_begun(), folder)
        settings = ADAPTER_FILES[0]
        done = TrainedDone(
            key=folder.key(),
            digest=result.adapter,
            rows=result.rows,
            dropped=result.dropped,
            steps=result.steps,
            seconds=result.seconds,
            tokens_per_second=result.tokens_per_second,
            first_loss=result.first_loss,
            last_loss=result.last_loss,
            chosen=chosen,
            files={settings: digest_of(folder.path / settings, folder.remedy)},
        )
        folder.finish(done)

    def adapter(self, role: str, rounds: int) -> Adapter | None:
        """Return a role's last trained adapter of the first `rounds` rounds."""
        for number in range(rounds, 0, -1):
            folder = self.run.stage(TRAIN, number, role)
            if folder.done_as(TrainedDone):
                return self.as_adapter(f"{role}-r{number:02d}", folder)
        return None

    def as_adapter(self, name: str, folder: StageFolder) -> Adapter:
        """Return a trained adapter as engines take it."""
        self._trained[folder.path] = folder
        return Adapter(name, folder.path, self.config.train.lora_r)

    def _trainings(self, adapters: Adapters) -> list[StageFolder]:
        """Return the trainings that adapters come from."""
        return [self._trained[adapter.path] for adapter in adapters.values()]

    def require_some(self, folder: StageFolder) -> None:
        """Raise if a stage accepted nothing, which leaves later stages without input."""
        if folder.count() == 0:
            place = f"{folder.number:02d}/{folder.spec.name}"
            raise SelfLengthenError(
                f"{folder.path}: no text was accepted, so the round cannot continue. "
                f"{folder.rejected_path.name} has the reasons; change the settings and repeat the "
                f"stage with --redo {place}."
            )

    def _short(self, folder: StageFolder) -> Mapping[str, str]:
        lengths = ((r.id, r.words) for r in folder.records(dropped=True))
        return drop_short.drop_short(lengths, self.config.seed)

    def _accepted(self, number: int) -> Iterator[Record]:
        return self.run.stage(INSTRUCT, number).records()

    def _seeds(self) -> tuple[list[str], list[str]]:
        """Return the seed instructions that are not in the source, and those that are.

        The latter must not count as known while the source is taken: it would repeat itself.
        """
        source = {seed.instruction for seed in self.context.source}
        texts = [seed.instruction for seed in self.context.seeds]
        return [t for t in texts if t not in source], [t for t in texts if t in source]


def _records_of(folder: StageFolder, wave: Sequence[str]) -> list[Record]:
    """Return what was accepted of the items of a wave, whose ids are in order."""
    return [r for r in folder.records(dropped=True) if wave[0] <= r.id <= wave[-1]]


def texts_by_id(folder: StageFolder) -> dict[str, str]:
    """Return the accepted texts of a stage that were not set aside."""
    return {record.id: record.text for record in folder.records()}
