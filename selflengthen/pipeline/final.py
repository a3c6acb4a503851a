"""What comes after the last round, as one list; it resumes as the rounds do."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

from selflengthen.curate import in_run
from selflengthen.engines.base import Adapters
from selflengthen.errors import SelfLengthenError
from selflengthen.pipeline import final_figures, gate
from selflengthen.pipeline.controller import Controller, texts_by_id
from selflengthen.pipeline.final_figures import LengthRequest
from selflengthen.release.products import write_release
from selflengthen.runner.context import RunContext, Services
from selflengthen.runner.verify import digests
from selflengthen.stages import answer, demand, draft, instruct, union
from selflengthen.storage.atomic import rewrite
from selflengthen.storage.jsonl import read_structs
from selflengthen.storage.records import (
    FinalRow,
    Instruction,
    LeftOut,
    Pair,
    derive_seed,
    encode,
    fingerprint,
)
from selflengthen.storage.run_dir import HELD_OUT_FILE
from selflengthen.storage.schemas import Done, TrainedDone, UnionDone, UnionSources
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import (
    ANNEAL,
    COLLECT_DRAFT,
    COLLECT_INSTRUCT,
    DEMAND,
    DRAFT,
    FINISH_HELD_OUT,
    FINISH_TRAIN,
    INSTRUCT,
    MERGE,
    UNION,
)
from selflengthen.training.job import job_of
from selflengthen.training.merge import merge

BASE: Adapters = {}


class Final(Controller):
    """Runs what comes after the last round."""

    def __init__(
        self,
        context: RunContext,
        services: Services,
        *,
        until: Literal["collect", "finish"] = "finish",
        merge: bool = False,
    ) -> None:
        """Prepare the run; stop after `until`; if `merge`, also write a merged model."""
        super().__init__(context, services)
        self.until = until
        self.merge = merge

    @cached_property
    def rounds(self) -> int:
        """How many rounds are done; their texts are the data set."""
        return self.run.finished()

    async def play(self) -> None:
        """Collect, then finish unless only `collect` was requested."""
        if self.config.collect.instructions:
            await self.draft(await self.instruct())
        await self.unite()
        if self.until == "collect":
            return
        await self.demand()
        await self.verify(self.run.stage(DEMAND))
        requests = self.requests()
        self.keep(requests)
        await self.measure("base", requests)
        if not self.tuned.done():
            await self.services.engines.close()
            await self.tune()
            await self.anneal()
        await self.measure("final", requests)
        await self.services.engines.close()
        if self.merge:
            await self.merged()
        await self.verify(self.run.stage(UNION), self.tuned, *self.run.parts(FINISH_HELD_OUT))
        self.publish(requests)

    async def instruct(self) -> StageFolder:
        """Write more instructions."""
        names = list(instruct.items(None, self.config.collect.instructions))
        folder = self.run.stage(COLLECT_INSTRUCT)
        return await self.instructions(folder, self.generator, names, self.rounds)

    async def draft(self, instructions: StageFolder) -> StageFolder:
        """Answer them with the last generator; short drafts stay."""
        config = self.config.draft
        return await self.texts(
            self.run.stage(COLLECT_DRAFT),
            self.generator,
            draft.Draft(config, self.prompts, self.checks, self.sampling),
            draft.items(None, config, instructions.records()),
            instructions.count() * config.per_instruction,
        )

    async def unite(self) -> None:
        """Write the expansions of all rounds and the collected drafts as one data set."""
        folder = self.run.stage(UNION)
        if folder.done():
            return
        await self.begin(folder)
        dropped = union.find_surplus(self.pairs(), self.config.collect.keep)
        digest = hashlib.sha256()
        sources = Counter[bool]()  # whether from a round

        def lines() -> Iterator[bytes]:
            for pair in self.pairs():
                if pair.id not in dropped:
                    line = encode(pair)
                    digest.update(line)
                    sources.update([pair.round is not None])
                    yield line

        rewrite(folder.path / "union.jsonl", lines())
        left_out = (LeftOut(name, reason) for name, reason in sorted(dropped.items()))
        rewrite(folder.path / "dropped.jsonl", map(encode, left_out))
        done = UnionDone(
            key=folder.key(),
            digest=digest.hexdigest(),
            rows=sources.total(),
            sources=UnionSources(rounds=sources[True], collected=sources[False]),
            dropped=dict(Counter(sorted(dropped.values()))),
            of=self.rounds,
        )
        self.finish(folder, done)

    async def demand(self) -> None:
        """Have the base model add a length requirement to every instruction, and verify it."""
        united = self.run.stage(UNION).require_done(UnionDone)
        stage = demand.AddDemand(
            self.config.finish,
            self.prompts,
            self.checks,
            self.sampling,
            self.config.language,
            self.config.seed,
        )
        folder = self.run.stage(DEMAND)
        # With the adapter of the stages before, which it does not use: one engine for all.
        await self.texts(folder, self.generator, stage, demand.items(self.united()), united.rows)
        if not folder.count():
            raise SelfLengthenError(
                f"{folder.path}: no row has a length requirement, so there is nothing to train on; "
                f"{folder.rejected_path.name} has the reasons."
            )

    def keep(self, requests: list[LengthRequest]) -> None:
        """Save the held-out instructions with their length requirements."""
        lines = (encode(Instruction(id=one.id, instruction=one.text)) for one in requests)
        rewrite(self.run.final / HELD_OUT_FILE, lines)

    async def measure(self, name: Literal["base", "final"], requests: list[LengthRequest]) -> None:
        """Let the base model, or the finished one, answer the held-out length requirements."""
        role: Literal["base", "generator"] = "base" if name == "base" else "generator"
        await self.texts(
            self.run.stage(FINISH_HELD_OUT, part=name),
            self.generator if name == "base" else self.finished,
            answer.AnswerOnce(self.prompts, self.sampling, role),
            final_figures.items(name, requests),
            len(requests),
        )

    async def tune(self) -> None:
        """Fine-tune the base model, with a fresh adapter, on (length requirement, response)."""
        folder = self.run.stage(FINISH_TRAIN)
        if folder.done():
            return
        await self.begin(folder, self.run.stage(UNION))
        job = job_of(
            self.config.train,
            model=str(self.context.model.path),
            rows=self.write_rows(),
            output=folder.path,
            start_from=None,
            seed=derive_seed(self.config.seed, "final"),
            learning_rate=self.config.finish.learning_rate,
            epochs=self.config.finish.epochs,
        )
        await self.train(folder, job)

    async def anneal(self) -> None:
        """Continue that training on selected rows at a lower rate, if the configuration says so."""
        config, folder = self.config.finish.anneal, self.run.stage(ANNEAL)
        if not config.steps or folder.done():
            return
        await self.begin(folder, self.run.stage(UNION))
        rows, seed = folder.path / "rows.jsonl", derive_seed(self.config.seed, "final", "anneal")
        report = await in_run.choose(config.steps, self.write_rows(), rows, seed)
        self.services.note(f"Anneal: {in_run.describe(report)}.")
        job = job_of(
            self.config.train,
            model=str(self.context.model.path),
            rows=rows,
            output=folder.path,
            start_from=self.run.stage(FINISH_TRAIN).path,
            seed=seed,
            learning_rate=config.learning_rate,
            epochs=config.epochs,
        )
        await self.train(folder, job, chosen=in_run.summary(report))

    def write_rows(self) -> Path:
        """Write the data set (always the same bytes) and return its file."""
        rows = self.run.final / "dataset" / "train.jsonl"
        rewrite(rows, (encode(row) for row in self.rows()))
        return rows

    async def merged(self) -> None:
        """Write the base model with the adapter merged into it."""
        folder = self.run.stage(MERGE)
        if folder.done():
            return
        model, trained = self.context.model, self.tuned
        await self.begin(folder, trained)
        await merge(
            model.path,
            trained.path,
            self.run.final / "merged",
            log=folder.path / "merge.log",
            sampling=self.config.sampling,
        )
        digest = fingerprint([model.digest, trained.require_done(TrainedDone).digest]).hex()
        # Minutes for a large model, in which a signal must be heard.
        files = await asyncio.to_thread(digests, self.run.final / "merged", folder.remedy)
        folder.finish(Done(key=folder.key(), digest=digest, files=files))

    def publish(self, requests: list[LengthRequest]) -> None:
        """Write the adapter, the figures and the cards beside the data set."""
        self.write_rows()  # what lies there may be set aside, or not what was trained on
        base, after = self.run.parts(FINISH_HELD_OUT)
        figures = final_figures.compare(requests, base.records(), after.records())
        write_release(
            self.config, self.context.model, self.run, adapter=self.tuned.path, figures=figures
        )

    @property
    def generator(self) -> Adapters:
        """The last generator, or the base model where none was ever trained."""
        adapter = self.adapter("generator", self.rounds)
        return {"generator": adapter} if adapter else BASE

    @property
    def finished(self) -> Adapters:
        """The finished model's adapter, in the generator's place."""
        return {"generator": self.as_adapter("final", self.tuned)}

    @property
    def tuned(self) -> StageFolder:
        """The stage whose adapter is the finished one."""
        return self.run.stage(ANNEAL if self.config.finish.anneal.steps else FINISH_TRAIN)

    def pairs(self) -> Iterator[Pair]:
        """Yield all texts that the union chooses from, those of the rounds first."""
        for number in range(1, self.rounds + 1):
            instructions = texts_by_id(self.run.stage(INSTRUCT, number))
            drafts = self.run.stage(DRAFT, number).records()
            answered = {r.id: (r.source or "", instructions[r.source or ""]) for r in drafts}
            expansions = gate.passed(self.run, self.config, number)
            yield from union.pairs(number, expansions, answered)
        collected = texts_by_id(self.run.stage(COLLECT_INSTRUCT))
        answered = {name: (name, text) for name, text in collected.items()}
        yield from union.pairs(None, self.run.stage(COLLECT_DRAFT).records(), answered)

    def united(self) -> Iterator[Pair]:
        """Read the union."""
        folder = self.run.stage(UNION)
        return read_structs(folder.path / "union.jsonl", Pair, folder.remedy)

    def rows(self) -> Iterator[FinalRow]:
        """Yield the training rows: an instruction with its length requirement, and its text."""
        worded = {r.source: r for r in self.run.stage(DEMAND).records()}
        for pair in self.united():
            if instruction := worded.get(pair.id):
                yield demand.row(pair, instruction, self.prompts)

    def requests(self) -> list[LengthRequest]:
        """Return the held-out instructions with requirements, around lengths of the data set."""
        lengths = [r.details["words"] for r in self.run.stage(DEMAND).records()]
        return final_figures.ask(self.context.held_out, lengths, self.config)
