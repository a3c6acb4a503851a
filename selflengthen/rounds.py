"""The rounds: the whole method as one list, and what makes it survive a kill.

A stage that is done is skipped; one that was begun goes on from the ids on file; one whose key no
longer matches is refused before anything is written (`identities.py`: what keys are made of).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Literal, TypeVar

from selflengthen import metrics
from selflengthen.controller import Controller
from selflengthen.curate import inside
from selflengthen.drive import Item, Stage
from selflengthen.engines.base import Adapter, Role
from selflengthen.errors import SelfLengthenError
from selflengthen.files import rewrite
from selflengthen.identities import Identities
from selflengthen.records import derive_seed, encode
from selflengthen.stages import dataset, draft, expand, held_out, instruct
from selflengthen.store import StageFolder
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
            await self.make_rows(number, instructions, drafts, expansions)
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
        folder = self.run.stage(number, "2-draft")
        if folder.done():
            return folder
        some(instructions)
        stage = draft.Draft(self.config.draft, self.prompts, self.checks, self.sampling)
        items = draft.items(number, self.config.draft, instructions.records())
        total = instructions.count() * self.config.draft.per_instruction
        lot = self.config.draft.drop_short
        return await self._texts(folder, stage, items, total, lot=lot, made_of=[instructions])

    async def expand(
        self, number: int, instructions: StageFolder, drafts: StageFolder
    ) -> StageFolder:
        """Lengthen every draft that the lot left."""
        folder = self.run.stage(number, "3-expand")
        if folder.done():
            return folder
        some(drafts)
        await self.sound(instructions, drafts)
        stage = expand.Expand(self.config.expand, self.prompts, self.checks, self.sampling)
        asked = {r.id: r.text for r in instructions.records()}
        items = expand.items(number, self.config.expand, drafts.records(), asked)
        total = drafts.count() * self.config.expand.per_draft
        lot = self.config.expand.drop_short
        return await self._texts(folder, stage, items, total, lot=lot)

    async def make_rows(
        self, number: int, instructions: StageFolder, drafts: StageFolder, expansions: StageFolder
    ) -> None:
        """Write the training rows of both roles."""
        folder = self.run.stage(number, "4-dataset")
        if folder.done():
            return
        some(expansions)
        await self.sound(instructions, drafts, expansions)
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
        self.wrote(folder)

    async def curate(self, number: int) -> None:
        """Choose the rows to train on, where the configuration says how.

        The steps choose among the generator's rows; the expander's follow, text by text.
        """
        folder = self.run.stage(number, "4b-curate")
        if not self.config.curate or folder.done():
            return
        rows = self.run.stage(number, "4-dataset")
        await self.sound(rows)
        folder.begin(self.identity(folder))
        whole, chosen = (
            [place.path / f"{role}.jsonl" for role in ROLES] for place in (rows, folder)
        )
        seed = derive_seed(self.config.seed, number, "curate")
        report = await inside.choose(self.config.curate, whole[0], chosen[0], seed)
        inside.follow(chosen[0], whole[1], chosen[1])
        self.note(f"Round {number}: {inside.told(report)}.")
        folder.finish(inside.digest_of(chosen), inside.summary(report))
        self.wrote(folder)

    async def tune(self, number: int, role: TrainedRole) -> None:
        """Fine-tune one role, unless its rows are too few to learn from."""
        folder = self.run.stage(number, f"5-train/{role}")
        if folder.done():
            return
        given = self.run.stage(number, "4b-curate" if self.config.curate else "4-dataset")
        await self.sound(given)
        made = given.done() or {}
        rows = made["rows"] - (made.get("added", 0) if role == "expander" else 0)
        folder.begin(self.identity(folder))
        if rows < self.config.train.min_rows:
            self.note(f"Round {number}: {rows} rows are too few to train the {role}; it stays.")
            folder.finish("", {"skipped": True, "rows": rows})
            return
        earlier = self.adapters(number).get(role) if self.config.train.continue_adapter else None
        if earlier:
            await self.sound(StageFolder.at(earlier.path))
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
        folder = self.run.stage(number, "6-held-out")
        stage = held_out.HeldOut(self.prompts, self.sampling)
        items = held_out.items(number, self.held)
        await self._texts(folder, stage, items, len(self.held))

    async def conclude(self, number: int) -> str | None:
        """Write the round's metrics; return why the run should stop here, or None."""
        figures = metrics.on_file(self.run, number)
        if figures is None:
            stages = ("2-draft", "3-expand", "6-held-out")
            await self.sound(*(self.run.stage(number, name) for name in stages))
            # Minutes for a round of the paper's size, in which a signal must be heard.
            figures = await asyncio.to_thread(metrics.of_round, self.run, number)
            metrics.write(self.run, number, figures)
        return metrics.stop_reason(figures["held_out"], self.config.held_out)

    def adapters(self, number: int) -> dict[Role, Adapter]:
        """Return the adapters that round `number` writes with: each role's last trained one."""
        found: dict[Role, Adapter] = {}
        for role in ROLES:
            if adapter := self.adapter(role, number - 1):
                found[role] = adapter
        return found

    async def _texts(
        self, folder: StageFolder, stage: Stage[T], items: Iterable[Item[T]], total: int,
        *, lot: bool = False, made_of: Sequence[StageFolder] = (),
    ) -> StageFolder:  # fmt: skip
        """Run a stage of texts of a round; held-out texts are written with its own adapters."""
        number = int(folder.title.partition("/")[0])
        adapters = self.adapters(number + (folder.name == "6-held-out"))
        return await self.texts(folder, adapters, stage, items, total, lot=lot, made_of=made_of)


def some(folder: StageFolder) -> None:
    """Raise where a stage accepted nothing: no later stage has anything to work on."""
    if folder.count() == 0:
        place = "/".join(folder.title.split("/")[:2])
        raise SelfLengthenError(
            f"{folder.path}: nothing was accepted, so the round cannot go on; the reasons stand in "
            f"{folder.rejected_path.name}, and --redo {place} makes it again with other settings."
        )
