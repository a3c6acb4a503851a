"""What comes after the last round, as one list; it goes on and is refused as the rounds are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec

from selflengthen.controller import Controller
from selflengthen.curate import inside
from selflengthen.engines.base import Adapter, Adapters
from selflengthen.errors import SelfLengthenError
from selflengthen.files import rewrite, write_json
from selflengthen.finish import cards, figures
from selflengthen.identities import FinalIdentities
from selflengthen.lines import read_structs
from selflengthen.records import FinalRow, Pair, derive_seed, encode, fingerprint
from selflengthen.stages import demand, draft, held_out, instruct, union
from selflengthen.store import StageFolder
from selflengthen.training.job import ADAPTER_FILES, TOKENIZER_FILES, job_of
from selflengthen.training.merge import merge

BASE: Adapters = {}


class Final(Controller):
    """The controller of what comes after the last round."""

    def __init__(
        self, *parts: Any, until: Literal["collect", "finish"] = "finish", merge: bool = False
    ) -> None:
        """Gather the parts of any controller; stop after `until`; `merge`: also a merged model."""
        super().__init__(*parts)
        self.until, self.merge = until, merge

    @cached_property
    def rounds(self) -> int:
        """How many rounds are done: what they made is the data set."""
        return self.run.finished()

    @cached_property
    def _identities(self) -> FinalIdentities:
        return FinalIdentities(
            self.config, self.model, self.run, self.prompts, self.seeds, self.held
        )

    def identity(self, folder: StageFolder) -> dict[str, Any]:
        """Return what a stage after the last round is made of."""
        return self._identities.of(folder)

    async def play(self) -> None:
        """Collect and, unless that is all, finish."""
        if self.config.collect.instructions:
            await self.draft(await self.instruct())
        self.unite()
        if self.until == "collect":
            return
        await self.demand()
        asked = self.asked()
        await self.measure("base", asked)
        if not self.tuned.done():
            await self.room.close()
            await self.tune()
            await self.anneal()
        await self.measure("final", asked)
        await self.room.close()
        if self.merge:
            await self.merged()
        self.publish(asked)

    async def instruct(self) -> StageFolder:
        """Make more instructions."""
        names = list(instruct.items(None, self.config.collect.instructions))
        folder = self.run.last("1-instruct")
        return await self.instructions(folder, self.generator, names, self.rounds)

    async def draft(self, instructions: StageFolder) -> StageFolder:
        """Answer them with the last generator; short drafts stay."""
        stage = draft.Draft(self.config.draft, self.prompts, self.checks, self.sampling)
        items = draft.items(None, self.config.draft, instructions.records())
        total = instructions.count() * self.config.draft.per_instruction
        return await self.texts(self.run.last("2-draft"), self.generator, stage, items, total)

    def unite(self) -> None:
        """Write all rounds' expansions and the drafts that were collected as one data set."""
        folder = self.run.last("3-union")
        if folder.done():
            return
        folder.begin(self.identity(folder))
        dropped = union.set_aside(self.pairs(), self.config.collect.keep)
        digest, counts = hashlib.sha256(), {"rounds": 0, "collected": 0}

        def lines() -> Iterator[bytes]:
            for pair in self.pairs():
                if pair.id not in dropped:
                    line = encode(pair)
                    digest.update(line)
                    counts["rounds" if pair.round else "collected"] += 1
                    yield line

        rewrite(folder.path / "union.jsonl", lines())
        aside = ({"id": name, "reason": reason} for name, reason in sorted(dropped.items()))
        rewrite(folder.path / "dropped.jsonl", (msgspec.json.encode(d) + b"\n" for d in aside))
        reasons = sorted(dropped.values())
        told = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
        rows = sum(counts.values())
        folder.finish(
            digest.hexdigest(), {"rows": rows, "from": counts, "dropped": told, "of": self.rounds}
        )

    async def demand(self) -> None:
        """Have the base model put a length into every instruction, and verify that it is there."""
        rows = self.run.last("3-union").done() or {}
        stage = demand.AddDemand(
            self.config.finish, self.prompts, self.checks, self.sampling, self.config.language,
            self.config.seed,
        )  # fmt: skip
        folder = self.run.last("4-demand")
        # With the adapter of the stages before, which it does not use: one engine for all.
        items = demand.items(self.united())
        await self.texts(folder, self.generator, stage, items, rows["rows"])
        if not folder.count():
            raise SelfLengthenError(
                f"{folder.path}: no row has a demand, so there is nothing to train on; the reasons "
                f"stand in {folder.rejected_path.name}."
            )

    async def measure(self, name: Literal["base", "final"], asked: list[figures.Asked]) -> None:
        """Let the base model, or the finished one, answer the held-out demands."""
        folder = self.run.last(f"6-held-out/{name}")
        role: Literal["base", "generator"] = "base" if name == "base" else "generator"
        stage = held_out.HeldOut(self.prompts, self.sampling, role)
        adapters = self.generator if name == "base" else self.finished
        items = figures.items(name, asked)
        await self.texts(folder, adapters, stage, items, len(asked))

    async def tune(self) -> None:
        """Fine-tune the base model, with a fresh adapter, on (demand, response)."""
        folder = self.run.last("5-train")
        if folder.done():
            return
        folder.begin(self.identity(folder))
        job = job_of(
            self.config.train, model=str(self.model.path), rows=self.write_rows(),
            output=folder.path, start_from=None, seed=derive_seed(self.config.seed, "final"),
            learning_rate=self.config.finish.learning_rate, epochs=self.config.finish.epochs,
        )  # fmt: skip
        await self.trained(folder, job)

    async def anneal(self) -> None:
        """Go on with that adapter, on chosen rows and at a lower rate, where this is asked for."""
        asked, folder = self.config.finish.anneal, self.run.last("5b-anneal")
        if not asked.steps or folder.done():
            return
        folder.begin(self.identity(folder))
        rows, seed = folder.path / "rows.jsonl", derive_seed(self.config.seed, "final", "anneal")
        report = await inside.choose(asked.steps, self.write_rows(), rows, seed)
        self.note(f"Anneal: {inside.told(report)}.")
        job = job_of(
            self.config.train, model=str(self.model.path), rows=rows, output=folder.path,
            start_from=self.run.last("5-train").path, seed=seed,
            learning_rate=asked.learning_rate, epochs=asked.epochs,
        )  # fmt: skip
        await self.trained(folder, job, chosen=inside.summary(report))

    def write_rows(self) -> Path:
        """Write the data set, the same every time; return its file."""
        rows = self.run.final / "dataset" / "train.jsonl"
        rewrite(rows, (encode(row) for row in self.rows()))
        return rows

    async def merged(self) -> None:
        """Write the base model with the adapter in it."""
        folder = self.run.last("7-merge")
        if folder.done():
            return
        folder.begin(self.identity(folder))
        trained = self.tuned
        await merge(
            self.model.path, trained.path, self.run.final / "merged", folder.path / "merge.log",
            self.config.sampling,
        )  # fmt: skip
        adapter = (trained.done() or {})["digest"]
        folder.finish(fingerprint([self.model.digest, adapter]).hex(), {})

    def publish(self, asked: list[figures.Asked]) -> None:
        """Write what is given away: the adapter, figures and cards, beside the data set."""
        final, trained = self.run.final, self.tuned.path
        if not (final / "dataset" / "train.jsonl").exists():  # set aside with what was made again
            self.write_rows()
        base, after = (self.run.last(f"6-held-out/{name}") for name in ("base", "final"))
        measured = figures.compare(asked, base.records(), after.records())
        for name in ADAPTER_FILES:
            content = cards.adapter_file(trained / name, self.config.model)
            rewrite(final / "adapter" / name, content)
        for name in TOKENIZER_FILES:  # adapters trained by earlier versions came without
            if (trained / name).exists():
                rewrite(final / "adapter" / name, [(trained / name).read_bytes()])
        facts = cards.gather(self.config, self.model, self.run, measured)
        rewrite(final / "dataset" / "README.md", [cards.dataset(facts).encode()])
        rewrite(final / "adapter" / "README.md", [cards.model(facts, merged=False).encode()])
        if self.run.last("7-merge").done():
            rewrite(final / "merged" / "README.md", [cards.model(facts, merged=True).encode()])
        write_json(final / "figures.json", measured)  # last: by it a finished run is known

    @property
    def generator(self) -> Adapters:
        """The last generator, or the base model where none was ever trained."""
        found = self.adapter("generator", self.rounds)
        return {"generator": found} if found else BASE

    @property
    def finished(self) -> Adapters:
        """The finished model's adapter, in the generator's place."""
        return {"generator": Adapter("final", self.tuned.path, self.config.train.lora_r)}

    @property
    def tuned(self) -> StageFolder:
        """The stage whose adapter is the finished one."""
        return self.run.last("5b-anneal" if self.config.finish.anneal.steps else "5-train")

    def pairs(self) -> Iterator[Pair]:
        """Yield all texts that the union chooses from, those of the rounds first."""
        for number in [*range(1, self.rounds + 1), None]:
            stages = ("1-instruct", "2-draft", "3-expand")
            if number is None:
                asked, drafts = (self.run.last(name) for name in stages[:2])
                texts = drafts
            else:
                asked, drafts, texts = (self.run.stage(number, name) for name in stages)
            told = {r.id: r.text for r in asked.records()}
            if number is None:
                of = {name: (name, text) for name, text in told.items()}
            else:
                of = {r.id: (r.source or "", told[r.source or ""]) for r in drafts.records()}
            yield from union.pairs(number, texts.records(), of)

    def united(self) -> Iterator[Pair]:
        """Read the union."""
        return read_structs(self.run.last("3-union").path / "union.jsonl", Pair)

    def rows(self) -> Iterator[FinalRow]:
        """Yield the training rows: an instruction with its demand, and its text."""
        made = {r.source: r for r in self.run.last("4-demand").records()}
        for pair in self.united():
            if asked := made.get(pair.id):
                yield demand.row(pair, asked, self.prompts)

    def asked(self) -> list[figures.Asked]:
        """Return the held-out instructions with demands, around lengths of the data set."""
        lengths = [r.details["words"] for r in self.run.last("4-demand").records()]
        return figures.ask(self.held, lengths, self.config)
