"""What the rounds and the end of a run share: how each kind of stage is made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from selflengthen.engines.base import Adapter, Adapters, Role
from selflengthen.errors import SelfLengthenError
from selflengthen.pipeline.fingerprints import Fingerprints
from selflengthen.runner.context import RunContext, Services, sampling_of
from selflengthen.runner.stage_runner import StageRunner, drop_none
from selflengthen.stages import drop_short, instruct
from selflengthen.stages.contract import Item, Stage
from selflengthen.storage.run_dir import StageFolder
from selflengthen.storage.stage_table import INSTRUCT, TRAIN
from selflengthen.text.checks import Checks
from selflengthen.text.near_duplicates import NearDuplicates
from selflengthen.training.job import TrainingJob

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

    @abstractmethod
    async def play(self) -> None:
        """Bring every stage that is not done to its end."""

    def begin(self, folder: StageFolder) -> None:
        """Begin a stage, or resume it: write what it is made of."""
        folder.begin(self.fingerprints.of(folder))

    async def texts(
        self,
        folder: StageFolder,
        adapters: Adapters,
        stage: Stage[T],
        items: Iterable[Item[T]],
        total: int,
        *,
        short: bool = False,
    ) -> StageFolder:
        """Run a stage of texts with these adapters; `short`: then drop short ones by rank."""
        await self.runner.texts(
            folder,
            identity=lambda: self.fingerprints.of(folder),
            adapters=adapters,
            stage=stage,
            items=items,
            total=total,
            drop=self._short if short else drop_none,
        )
        return folder

    async def instructions(
        self, folder: StageFolder, adapters: Adapters, names: Sequence[str], before: int
    ) -> StageFolder:
        """Make the instructions `names`, a wave at a time, from those of the rounds `before`."""
        if folder.done():
            return folder
        self.begin(folder)
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
        return folder

    async def trained(self, folder: StageFolder, job: TrainingJob, **more: Any) -> None:
        """Train an adapter into a stage's folder; `more` goes into its DONE.json, too."""
        result = await self.services.train(job, folder)
        folder.finish(result.adapter, {name: getattr(result, name) for name in _REPORTED} | more)

    def adapter(self, role: str, rounds: int) -> Adapter | None:
        """Return a role's last trained adapter of the first `rounds` rounds."""
        for number in range(rounds, 0, -1):
            folder = self.run.stage(TRAIN, number, role)
            done = folder.done()
            if done and not done.get("skipped"):
                return Adapter(f"{role}-r{number:02d}", folder.path, self.config.train.lora_r)
        return None

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
