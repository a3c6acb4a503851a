"""The rounds: the whole method as one list, and what makes it survive a kill.

A stage that is done is skipped; one that was begun goes on from the ids on file; one whose key no
longer matches is refused before anything is written (`identities.py`: what keys are made of).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

from selflengthen import metrics
from selflengthen.checks import Checks
from selflengthen.config import Config
from selflengthen.drive import Drive, Item, Progress, Stage
from selflengthen.engines.base import Adapter, Adapters, Engine, Role, Sampling
from selflengthen.errors import SelfLengthenError
from selflengthen.identities import Identities
from selflengthen.likeness import NearDuplicates
from selflengthen.models import Model
from selflengthen.prompts import Prompts
from selflengthen.records import derive_seed, encode
from selflengthen.seeds import Seed
from selflengthen.stages import dataset, draft, expand, held_out, instruct
from selflengthen.stages.lot import drop_short
from selflengthen.store import RunFolder, StageFolder, rewrite, write_json
from selflengthen.training.job import TrainingJob, TrainingResult, job_for

TrainedRole = Literal["generator", "expander"]
ROLES: tuple[TrainedRole, ...] = ("generator", "expander")
T = TypeVar("T")
Train = Callable[[TrainingJob, Path], Awaitable[TrainingResult]]


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


class Rounds:
    """The round controller of one run."""

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
        self.checks = Checks(**dict(config.checks))
        self.sampling = Sampling(**dict(config.sampling) | {"stop": tuple(config.sampling.stop)})
        self.identities = Identities(config, model, run, prompts, seeds, self.held)

    async def play(self) -> None:
        """Play the rounds that are not done: the method."""
        await self.measure(0)
        for number in range(1, self.config.iterations + 1):
            instructions = await self.instruct(number)
            drafts = await self.draft(number, instructions)
            expansions = await self.expand(number, instructions, drafts)
            self.make_rows(number, instructions, drafts, expansions)
            await self.room.close()
            for role in ROLES:
                await self.tune(number, role)
            await self.measure(number)
            if reason := self.conclude(number):
                self.note(f"Stopped after round {number}: {reason}.")
                return

    async def instruct(self, number: int) -> StageFolder:
        """Make the round's instructions, a wave at a time."""
        folder = self.run.stage(number, "1-instruct")
        if folder.done():
            return folder
        folder.begin(self.identities.of(folder))
        config = self.config.instruct
        role: Role = config.role if number > 1 else "base"
        stage = instruct.Instruct(config, self.prompts, role, self.sampling)
        pool = self._pool(number)
        known = NearDuplicates(
            [*pool.values(), *(s.instruction for s in self.held)], config.similarity
        )
        names = list(instruct.items(number, config))
        dropped: dict[str, str] = {}
        drive, began = await self._drive(number, folder, len(names))
        for start in range(0, len(names), config.wave):
            wave = names[start : start + config.wave]
            given = instruct.Wave(dict(pool), known)
            await drive.run(stage, instruct.wave_items(wave, given))
            made = [r for r in folder.records(dropped=True) if wave[0] <= r.id <= wave[-1]]
            dropped |= instruct.duplicates(made, known)
            pool |= {r.id: r.text for r in made if r.id not in dropped}
        self._finish(folder, len(names), dropped, drive, began)
        return folder

    async def draft(self, number: int, instructions: StageFolder) -> StageFolder:
        """Draft every instruction."""
        _some(instructions)
        stage = draft.Draft(self.config.draft, self.prompts, self.checks, self.sampling)
        items = draft.items(number, self.config.draft, instructions.records())
        total = instructions.count() * self.config.draft.per_instruction
        lot = self.config.draft.drop_short
        return await self._texts(number, "2-draft", stage, items, total, lot=lot)

    async def expand(
        self, number: int, instructions: StageFolder, drafts: StageFolder
    ) -> StageFolder:
        """Lengthen every draft that the lot left."""
        _some(drafts)
        stage = expand.Expand(self.config.expand, self.prompts, self.checks, self.sampling)
        asked = {r.id: r.text for r in instructions.records()}
        items = expand.items(number, self.config.expand, drafts.records(), asked)
        total = drafts.count() * self.config.expand.per_draft
        lot = self.config.expand.drop_short
        return await self._texts(number, "3-expand", stage, items, total, lot=lot)

    def make_rows(
        self, number: int, instructions: StageFolder, drafts: StageFolder, expansions: StageFolder
    ) -> None:
        """Write the training rows of both roles."""
        _some(expansions)
        folder = self.run.stage(number, "4-dataset")
        if folder.done():
            return
        folder.begin(self.identities.of(folder))
        asked = {r.id: r.text for r in instructions.records()}
        sources = list(drafts.records())
        draft_of = {r.id: r.text for r in sources}
        asked_of = {r.id: asked[r.source or ""] for r in sources}
        texts = list(expansions.records())
        rows = {
            "generator": dataset.generator_rows(texts, asked_of, self.prompts),
            "expander": dataset.expander_rows(
                texts, asked_of, draft_of, self.prompts, self.config.dataset, self.config.seed
            ),
        }
        digest = hashlib.sha256()
        for role, made in rows.items():
            lines = [encode(row) for row in made]
            rewrite(folder.path / f"{role}.jsonl", lines)
            digest.update(b"".join(lines))
        folder.finish(digest.hexdigest(), {"rows": len(texts)})

    async def tune(self, number: int, role: TrainedRole) -> None:
        """Fine-tune one role, unless its rows are too few to learn from."""
        folder = self.run.stage(number, f"5-train/{role}")
        if folder.done():
            return
        rows = (self.run.stage(number, "4-dataset").done() or {})["rows"]
        folder.begin(self.identities.of(folder))
        if rows < self.config.train.min_rows:
            self.note(f"Round {number}: {rows} rows are too few to train the {role}; it stays.")
            folder.finish("", {"skipped": True, "rows": rows})
            return
        earlier = self.adapters(number).get(role) if self.config.train.continue_adapter else None
        job = job_for(
            self.config.train, role, round_number=number, model=str(self.model.path),
            rows=self.run.stage(number, "4-dataset").path / f"{role}.jsonl",
            output=folder.path, start_from=earlier.path if earlier else None,
            seed=derive_seed(self.config.seed, number, role),
        )  # fmt: skip
        result = await self.train(job, folder.path / "train.log")
        told = (
            "rows",
            "dropped",
            "steps",
            "seconds",
            "tokens_per_second",
            "first_loss",
            "last_loss",
        )
        figures: dict[str, Any] = {name: getattr(result, name) for name in told}
        folder.finish(result.adapter, figures)

    async def measure(self, number: int) -> None:
        """Let the generator of round `number` (0: the base model) write the held-out texts.

        This is also the proof that the round's adapters load and that their texts end.
        """
        stage = held_out.HeldOut(self.prompts, self.sampling)
        items = held_out.items(number, self.held)
        await self._texts(number, "6-held-out", stage, items, len(self.held), lot=False, after=True)

    def conclude(self, number: int) -> str | None:
        """Write the round's metrics; return why the run should stop here, or None."""
        figures = metrics.on_file(self.run, number)
        if figures is None:
            figures = metrics.of_round(self.run, number)
            write_json(self.run.metrics(number), figures)
        return metrics.stop_reason(figures["held_out"], self.config.held_out)

    def adapters(self, number: int) -> dict[Role, Adapter]:
        """Return the adapters that round `number` writes with: each role's last trained one."""
        found: dict[Role, Adapter] = {}
        for role in ROLES:
            for earlier in range(number - 1, 0, -1):
                folder = self.run.stage(earlier, f"5-train/{role}")
                done = folder.done()
                if done and not done.get("skipped"):
                    name = f"{role}-r{earlier:02d}"
                    found[role] = Adapter(name, folder.path, self.config.train.lora_r)
                    break
        return found

    async def _texts(
        self, number: int, name: str, stage: Stage[T], items: Iterable[Item[T]], total: int,
        *, lot: bool, after: bool = False,
    ) -> StageFolder:  # fmt: skip
        """Run a stage of texts from its key to its DONE.json; `after`: with this round's adapters.

        `items` are drawn one by one, so that a run of any size starts again at once.
        """
        folder = self.run.stage(number, name)
        if folder.done():
            return folder
        folder.begin(self.identities.of(folder))
        drive, began = await self._drive(number + after, folder, total)
        await drive.run(stage, items)
        lengths = ((r.id, r.words) for r in folder.records(dropped=True))
        dropped = drop_short(lengths, self.config.seed) if lot else {}
        self._finish(folder, total, dropped, drive, began)
        return folder

    async def _drive(self, number: int, folder: StageFolder, total: int) -> tuple[Drive, float]:
        engine = await self.room.engine(self.adapters(number))
        in_flight = self.config.engine.in_flight
        drive = Drive(engine, self.config.seed, in_flight, self.progress, folder)
        self.progress.begin(folder.title, total, len(drive.done))
        return drive, time.monotonic()

    def _finish(
        self, folder: StageFolder, items: int, dropped: dict[str, str], drive: Drive, began: float
    ) -> None:
        digest = folder.settle(dropped)
        seconds = time.monotonic() - began
        folder.finish(digest, metrics.summary(folder, items, seconds, drive.tokens))
        self.progress.end()

    def _pool(self, number: int) -> dict[str, str]:
        """Return the instructions that round `number` starts from: seeds and accepted ones."""
        pool = {seed.id: seed.instruction for seed in self.seeds}
        for earlier in range(1, number):
            pool |= {r.id: r.text for r in self.run.stage(earlier, "1-instruct").records()}
        return pool


def _some(folder: StageFolder) -> None:
    """Raise where a stage accepted nothing: no later stage has anything to work on."""
    if folder.count() == 0:
        place = "/".join(folder.title.split("/")[:2])
        raise SelfLengthenError(
            f"{folder.path}: nothing was accepted, so the round cannot go on; the reasons stand in "
            f"{folder.rejected_path.name}, and --redo {place} makes it again with other settings."
        )
