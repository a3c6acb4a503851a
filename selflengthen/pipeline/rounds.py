"""The rounds: the whole method as one list, which survives a kill.

A stage that is done is skipped; one that was begun resumes from the ids on file; if the key of one
no longer matches, an error says so before anything is written (`fingerprints.py` has the keys).
"""

from __future__ import annotations

import asyncio
import hashlib

from selflengthen.curate import in_run
from selflengthen.engines.base import Adapter, Role
from selflengthen.pipeline import gate, relevance, strategy
from selflengthen.pipeline.controller import Controller, texts_by_id
from selflengthen.runner import metrics
from selflengthen.stages import answer, dataset, draft, expansion, instruct
from selflengthen.stages.expansion import Expansion
from selflengthen.storage.atomic import rewrite
from selflengthen.storage.records import derive_seed, encode
from selflengthen.storage.schemas import (
    ChosenDone,
    RowsDone,
    SkippedDone,
    Strategy,
    StrategyDone,
    rows_of,
)
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import (
    CURATE,
    DATASET,
    DRAFT,
    EXPAND,
    GATE,
    HELD_OUT,
    INSTRUCT,
    ROLES,
    STRATEGY,
    TRAIN,
    TrainedRole,
)
from selflengthen.training.job import job_for


class Rounds(Controller):
    """Runs the rounds of one run."""

    async def play(self) -> None:
        """Play the rounds that are not done: the method."""
        await self.measure(0)
        for number in range(1, self.config.iterations + 1):
            instructions = await self.instruct(number)
            drafts = await self.draft(number, instructions)
            expansions = await self.expand(number, instructions, drafts)
            await self.gate(number, instructions, drafts, expansions)
            await self.make_rows(number, instructions, drafts, expansions)
            await self.services.engines.close()
            await self.curate(number)
            for role in ROLES:
                await self.tune(number, role)
            await self.measure(number)
            if reason := await self.conclude(number):
                self.services.note(f"Stopped after round {number}: {reason}.")
                return

    async def instruct(self, number: int) -> StageFolder:
        """Make the round's instructions, a wave at a time."""
        folder = self.run.stage(INSTRUCT, number)
        names = list(instruct.items(number, self.config.instruct.per_round))
        return await self.instructions(folder, self.adapters(number), names, number - 1)

    async def draft(self, number: int, instructions: StageFolder) -> StageFolder:
        """Draft every instruction."""
        folder = self.run.stage(DRAFT, number)
        if folder.done():
            return folder
        self.require_some(instructions)
        config = self.config.draft
        return await self.texts(
            folder,
            self.adapters(number),
            draft.Draft(config, self.prompts, self.checks, self.sampling),
            draft.items(number, config, instructions.records()),
            instructions.count() * config.per_instruction,
            short=config.drop_short,
        )

    async def expand(
        self, number: int, instructions: StageFolder, drafts: StageFolder
    ) -> StageFolder:
        """Lengthen every draft that was not dropped."""
        folder = self.run.stage(EXPAND, number)
        if folder.done():
            return folder
        self.require_some(drafts)
        await self.verify(instructions, drafts)
        config = self.config.expand
        kind = await self.strategy(instructions, drafts)
        return await self.texts(
            folder,
            self.adapters(number),
            self._expansion(kind),
            expansion.items(number, config, drafts.records(), texts_by_id(instructions)),
            drafts.count() * config.per_draft,
            short=config.drop_short,
        )

    async def strategy(self, instructions: StageFolder, drafts: StageFolder) -> Strategy:
        """Return how drafts are lengthened; `auto` chooses in round 1, on a few of its drafts."""
        if kind := strategy.chosen(self.config.expand, self.run):
            return kind
        sample = strategy.sample(drafts.records(), self.config.seed)
        folder = await self.texts(
            self.run.stage(STRATEGY, 1),
            self.adapters(1),
            strategy.TryBoth({kind: self._expansion(kind) for kind in strategy.KINDS}),
            strategy.items(sample, texts_by_id(instructions)),
            len(sample) * len(strategy.KINDS),
            as_done=strategy.outcome,
        )
        done = folder.require_done(StrategyDone)
        self.services.note(f"Round 1: {strategy.describe(done)}.")
        return done.strategy

    def _expansion(self, kind: Strategy) -> Expansion:
        return strategy.KINDS[kind](self.config.expand, self.prompts, self.checks, self.sampling)

    async def gate(
        self, number: int, instructions: StageFolder, drafts: StageFolder, expansions: StageFolder
    ) -> None:
        """Set aside expansions that are worse than their drafts, if the configuration says so."""
        folder = self.run.stage(GATE, number)
        if self.config.gate.by == "off" or folder.done():
            return
        self.require_some(expansions)
        await gate.judge(
            self,
            folder,
            self.adapters(number),
            instructions=instructions,
            drafts=drafts,
            expansions=expansions,
        )

    async def make_rows(
        self, number: int, instructions: StageFolder, drafts: StageFolder, expansions: StageFolder
    ) -> None:
        """Write the training rows of both roles."""
        folder = self.run.stage(DATASET, number)
        if folder.done():
            return
        self.require_some(expansions)
        await self.begin(folder, instructions)
        instruction_of, draft_of = texts_by_id(instructions), texts_by_id(drafts)
        requests = {r.id: instruction_of[r.source or ""] for r in drafts.records()}
        texts = list(gate.passed(self.run, self.config, number))
        by_section = strategy.chosen(self.config.expand, self.run) == "section"
        rows = {
            "generator": dataset.generator_rows(texts, requests, self.prompts),
            "expander": dataset.part_rows(texts, requests, self.prompts)
            if by_section
            else dataset.expander_rows(
                texts, requests, draft_of, self.prompts, self.config.dataset, self.config.seed
            ),
        }
        digest, counts = hashlib.sha256(), {}
        for role, of_role in rows.items():
            lines = [encode(row) for row in dataset.with_system(of_role, self.prompts.system)]
            rewrite(folder.path / f"{role}.jsonl", lines)
            digest.update(b"".join(lines))
            counts[role] = len(lines)
        done = RowsDone(
            key=folder.key(),
            digest=digest.hexdigest(),
            rows=counts["generator"],
            expander_rows=counts["expander"] if by_section else None,
        )
        self.finish(folder, done)

    async def curate(self, number: int) -> None:
        """Choose the rows to train on, where the configuration says how.

        The steps choose among the generator's rows; the expander's follow, text by text.
        """
        folder = self.run.stage(CURATE, number)
        if not self.config.curate or folder.done():
            return
        await self.begin(folder)
        source = self.run.stage(DATASET, number)
        generator, expander = (folder.path / f"{role}.jsonl" for role in ROLES)
        seed = derive_seed(self.config.seed, number, "curate")
        rows = source.path / generator.name
        report = await in_run.choose(self.config.curate, rows, generator, seed)
        matching = in_run.copy_matching(generator, source.path / expander.name, expander)
        self.services.note(f"Round {number}: {in_run.describe(report)}.")
        selection = in_run.summary(report)
        by_section = strategy.chosen(self.config.expand, self.run) == "section"
        done = ChosenDone(
            key=folder.key(),
            digest=in_run.digest_of([generator, expander]),
            rows=selection.rows,
            of=selection.of,
            added=selection.added,
            dropped=selection.dropped,
            expander_rows=matching if by_section else None,
        )
        self.finish(folder, done)

    async def tune(self, number: int, role: TrainedRole) -> None:
        """Fine-tune one role, unless its rows are too few to learn from."""
        folder = self.run.stage(TRAIN, number, role)
        if folder.done():
            return
        source = self.run.stage(CURATE if self.config.curate else DATASET, number)
        rows = rows_of(source.require_done(RowsDone), role)
        await self.begin(folder, source)
        if rows < self.config.train.min_rows:
            self.services.note(
                f"Round {number}: {rows} rows are too few to train the {role}; it stays as it is."
            )
            folder.finish(SkippedDone(key=folder.key(), digest="", skipped=True, rows=rows))
            return
        earlier = self.adapters(number).get(role) if self.config.train.continue_adapter else None
        if earlier:
            await self.verify(*self._trainings({role: earlier}))
        job = job_for(
            self.config.train,
            role,
            round_number=number,
            model=str(self.context.model.path),
            rows=source.path / f"{role}.jsonl",
            output=folder.path,
            start_from=earlier.path if earlier else None,
            seed=derive_seed(self.config.seed, number, role),
        )
        await self.train(folder, job)

    async def measure(self, number: int) -> None:
        """Let the generator of round `number` (0: the base model) write the held-out texts.

        This is also the proof that the round's adapters load and that their texts end.
        """
        seeds = self.context.held_out
        folder = await self.texts(
            self.run.stage(HELD_OUT, number),
            self.adapters(number + 1),
            answer.AnswerOnce(self.prompts, self.sampling),
            answer.items(number, seeds),
            len(seeds),
        )
        await relevance.relate(self, folder)

    async def conclude(self, number: int) -> str | None:
        """Write the round's metrics; return why the run should stop here, or None."""
        figures = metrics.on_file(self.run, number)
        if figures is None:
            read = [self.run.stage(spec, number) for spec in (DRAFT, EXPAND, HELD_OUT)]
            await self.verify(*read, self.run.stage(HELD_OUT, 0))
            # Minutes for a round of the paper's size, in which a signal must be heard.
            figures = await asyncio.to_thread(metrics.of_round, self.run, number)
            metrics.write(self.run, figures)
        base = metrics.of_held_out(self.run, 0)
        return metrics.stop_reason(figures.held_out, base, self.config.held_out)

    def adapters(self, number: int) -> dict[Role, Adapter]:
        """Return the adapters that round `number` writes with: each role's last trained one."""
        adapters: dict[Role, Adapter] = {}
        for role in ROLES:
            if adapter := self.adapter(role, number - 1):
                adapters[role] = adapter
        return adapters
