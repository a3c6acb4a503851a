"""The rounds: the whole method as one list, and what makes it survive a kill.

A stage that is done is skipped; one that was begun goes on from the ids on file; one whose key no
longer matches is refused before anything is written (`identities.py`: what keys are made of).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Literal, TypeVar

from selflengthen.curate import in_run
from selflengthen.engines.base import Adapter, Role
from selflengthen.errors import SelfLengthenError
from selflengthen.pipeline.fingerprints import Identities
from selflengthen.runner import metrics
from selflengthen.runner.stage_runner import Controller
from selflengthen.stages import answer, dataset, draft, expand, instruct
from selflengthen.stages.contract import Item, Stage
from selflengthen.storage.atomic import rewrite, write_json
from selflengthen.storage.records import derive_seed, encode
from selflengthen.storage.run_dir import StageFolder
from selflengthen.training.job import job_for

TrainedRole = Literal["generator", "expander"]
ROLES: tuple[TrainedRole, ...] = ("generator", "expander")
T = TypeVar("T")


class Rounds(Controller):
    """The round controller of one run."""

    @cached_property
    def _identities(self) -> Identities:
        return Identities(self.config, self.model, self.run, self.prompts, self.seeds, self.held)

    def identity(self, folder: StageFolder) -> dict[str, Any]:
        """Return what a stage of a round is made of."""
        return self._identities.of(folder)

    async def play(self) -> None:
        """Play the rounds that are not done: the method."""
        await self.measure(0)
        for number in range(1, self.config.iterations + 1):
            instructions = await self.instruct(number)
            drafts = await self.draft(number, instructions)
            expansions = await self.expand(number, instructions, drafts)
            self.make_rows(number, instructions, drafts, expansions)
            await self.room.close()
            await self.curate(number)
            for role in ROLES:
                await self.tune(number, role)
            await self.measure(number)
            if reason := await self.conclude(number):
                self.note(f"Stopped after round {number}: {reason}.")
                return

    async def instruct(self, number: int) -> StageFolder:
        """Make the round's instructions, a wave at a time."""
        folder = self.run.stage(number, "1-instruct")
        names = list(instruct.items(number, self.config.instruct.per_round))
        return await self.instructions(folder, self.adapters(number), names, number - 1)

    async def draft(self, number: int, instructions: StageFolder) -> StageFolder:
        """Draft every instruction."""
        some(instructions)
        stage = draft.Draft(self.config.draft, self.prompts, self.checks, self.sampling)
        items = draft.items(number, self.config.draft, instructions.records())
        total = instructions.count() * self.config.draft.per_instruction
        lot = self.config.draft.drop_short
        return await self._texts(number, "2-draft", stage, items, total, lot=lot)

    async def expand(
        self, number: int, instructions: StageFolder, drafts: StageFolder
    ) -> StageFolder:
        """Lengthen every draft that the lot left."""
        some(drafts)
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
        some(expansions)
        folder = self.run.stage(number, "4-dataset")
        if folder.done():
            return
        folder.begin(self.identity(folder))
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

    async def curate(self, number: int) -> None:
        """Choose the rows to train on, where the configuration says how.

        The steps choose among the generator's rows; the expander's follow, text by text.
        """
        folder = self.run.stage(number, "4b-curate")
        if not self.config.curate or folder.done():
            return
        folder.begin(self.identity(folder))
        whole, chosen = (
            [place.path / f"{role}.jsonl" for role in ROLES]
            for place in (self.run.stage(number, "4-dataset"), folder)
        )
        seed = derive_seed(self.config.seed, number, "curate")
        report = await in_run.choose(self.config.curate, whole[0], chosen[0], seed)
        in_run.follow(chosen[0], whole[1], chosen[1])
        self.note(f"Round {number}: {in_run.told(report)}.")
        folder.finish(in_run.digest_of(chosen), in_run.summary(report))

    async def tune(self, number: int, role: TrainedRole) -> None:
        """Fine-tune one role, unless its rows are too few to learn from."""
        folder = self.run.stage(number, f"5-train/{role}")
        if folder.done():
            return
        given = self.run.stage(number, "4b-curate" if self.config.curate else "4-dataset")
        made = given.done() or {}
        rows = made["rows"] - (made.get("added", 0) if role == "expander" else 0)
        folder.begin(self.identity(folder))
        if rows < self.config.train.min_rows:
            self.note(f"Round {number}: {rows} rows are too few to train the {role}; it stays.")
            folder.finish("", {"skipped": True, "rows": rows})
            return
        earlier = self.adapters(number).get(role) if self.config.train.continue_adapter else None
        job = job_for(
            self.config.train, role, round_number=number, model=str(self.model.path),
            rows=given.path / f"{role}.jsonl",
            output=folder.path, start_from=earlier.path if earlier else None,
            seed=derive_seed(self.config.seed, number, role),
        )  # fmt: skip
        await self.trained(folder, job)

    async def measure(self, number: int) -> None:
        """Let the generator of round `number` (0: the base model) write the held-out texts.

        This is also the proof that the round's adapters load and that their texts end.
        """
        stage = answer.HeldOut(self.prompts, self.sampling)
        items = answer.items(number, self.held)
        await self._texts(number, "6-held-out", stage, items, len(self.held), after=True)

    async def conclude(self, number: int) -> str | None:
        """Write the round's metrics; return why the run should stop here, or None."""
        figures = metrics.on_file(self.run, number)
        if figures is None:
            # Minutes for a round of the paper's size, in which a signal must be heard.
            figures = await asyncio.to_thread(metrics.of_round, self.run, number)
            write_json(self.run.metrics(number), figures)
        return metrics.stop_reason(figures["held_out"], self.config.held_out)

    def adapters(self, number: int) -> dict[Role, Adapter]:
        """Return the adapters that round `number` writes with: each role's last trained one."""
        found: dict[Role, Adapter] = {}
        for role in ROLES:
            if adapter := self.adapter(role, number - 1):
                found[role] = adapter
        return found

    async def _texts(
        self, number: int, name: str, stage: Stage[T], items: Iterable[Item[T]], total: int,
        *, lot: bool = False, after: bool = False,
    ) -> StageFolder:  # fmt: skip
        """Run a stage of texts of a round; `after`: with this round's adapters."""
        adapters = self.adapters(number + after)
        return await self.texts(
            self.run.stage(number, name), adapters, stage, items, total, lot=lot
        )


def some(folder: StageFolder) -> None:
    """Raise where a stage accepted nothing: no later stage has anything to work on."""
    if folder.count() == 0:
        place = "/".join(folder.title.split("/")[:2])
        raise SelfLengthenError(
            f"{folder.path}: nothing was accepted, so the round cannot go on; the reasons stand in "
            f"{folder.rejected_path.name}, and --redo {place} makes it again with other settings."
        )
