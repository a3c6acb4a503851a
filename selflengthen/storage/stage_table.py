"""The stages of a run, one entry each: everything about a stage but its code.

`pipeline` plays them; keys, `--redo`, `status` and `show` read them here. A new stage is an entry,
a file in `stages/`, and a line in `Rounds.play` or `Final.play`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from selflengthen.storage.schemas import (
    ChosenDone,
    Done,
    RowsDone,
    Strategy,
    StrategyDone,
    TextsDone,
    TrainedDone,
    UnionDone,
)

TrainedRole = Literal["generator", "expander"]


@dataclass(frozen=True, kw_only=True, eq=False)
class StageSpec:
    """One stage of a run.

    The key of a stage is the digest of the base model, the run's seed, and what its entry names in
    `sections`, `prompts`, `strategy_prompts`, `values`, `reads`, `rounds`, `adapter` and
    `part_reads`.

    Attributes:
        name: its folder, number and title: `2-draft`.
        done: what its DONE.json holds.
        makes: `texts` in records.jsonl, `rows` to train on, an `adapter`, or a `model`.
        final: it comes after the last round, in `final/`; else every round has it.
        parts: folders inside its own, each a stage of its own: a role, or what is measured.
        sections: sections, or single fields, of the configuration.
        prompts: prompts by name; `answers` are the judge's. With `system`, the requests begin with
            the system turn, where there is one.
        strategy_prompts: prompts that it has only where drafts are lengthened in this way.
        values: what else a run starts from: seed instructions, held-out ones, the language.
        reads: stages of the same round, or of what comes after the last.
        rounds: stages of earlier rounds; of all rounds, where it is final.
        adapter: the role whose adapter it is made with, or goes on from: that of the round before.
        trained: the adapter is that of its own round.
        part_reads: what single parts read besides.
        each: field of the configuration that says how many items it has, for each text of `of`.
        of: the stage whose accepted texts are counted; None: `each` is the number of items.
        shown: what `show` calls its texts.
    """

    name: str
    done: type[Done]
    makes: Literal["texts", "rows", "adapter", "model"]
    final: bool = False
    parts: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    strategy_prompts: dict[Strategy, tuple[str, ...]] = field(default_factory=dict)
    values: tuple[Literal["seeds", "held_out", "language"], ...] = ()
    reads: tuple[str, ...] = ()
    rounds: tuple[str, ...] = ()
    adapter: TrainedRole | None = None
    trained: bool = False
    part_reads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    each: str | None = None
    of: str | None = None
    shown: str = "text"

    @property
    def title(self) -> str:
        """Its name without the number, as in ids and in `--stage` and `--redo`: `draft`."""
        return self.name.partition("-")[2]

    @property
    def folders(self) -> tuple[str, ...]:
        """Its folders below the round's: its own, or those of its parts."""
        return tuple(f"{self.name}/{part}" for part in self.parts) or (self.name,)


_INSTRUCT_PROMPTS = ("instruct.user", "instruct.assistant", "judge.user", "answers")
_SECTION_PROMPTS = ("expand-part.user", "expand-plan.user")
_DEMANDS = ("finish.about", "finish.range", "finish.above", "finish.below", "finish.spelled")

INSTRUCT = StageSpec(
    name="1-instruct",
    done=TextsDone,
    makes="texts",
    sections=("instruct", "sampling"),
    prompts=_INSTRUCT_PROMPTS,
    values=("seeds", "held_out"),
    rounds=("1-instruct",),
    adapter="generator",
    each="instruct.per_round",
    shown="instruction",
)
DRAFT = StageSpec(
    name="2-draft",
    done=TextsDone,
    makes="texts",
    sections=("draft", "sampling", "checks"),
    prompts=("draft.user", "system"),
    reads=("1-instruct",),
    adapter="generator",
    each="draft.per_instruction",
    of="1-instruct",
    shown="draft",
)
STRATEGY = StageSpec(
    name="2b-strategy",
    done=StrategyDone,
    makes="texts",
    sections=("expand", "sampling", "checks"),
    prompts=("expand.user", *_SECTION_PROMPTS, "system"),
    reads=("1-instruct", "2-draft"),
    adapter="expander",
    shown="trial",
)
EXPAND = StageSpec(
    name="3-expand",
    done=TextsDone,
    makes="texts",
    sections=("expand", "sampling", "checks"),
    prompts=("system",),
    strategy_prompts={"two-stage": ("expand.user",), "section": _SECTION_PROMPTS},
    reads=("1-instruct", "2-draft"),
    adapter="expander",
    each="expand.per_draft",
    of="2-draft",
    shown="expansion",
)
GATE = StageSpec(
    name="3b-gate",
    done=TextsDone,
    makes="texts",
    sections=("gate",),
    prompts=("gate.user",),
    reads=("1-instruct", "2-draft", "3-expand"),
    of="3-expand",
    shown="judged expansion",
)
DATASET = StageSpec(
    name="4-dataset",
    done=RowsDone,
    makes="rows",
    sections=("dataset",),
    prompts=("draft.user", "system"),
    strategy_prompts={"two-stage": ("expand.user",), "section": ("expand-part.user",)},
    reads=("2-draft", "3-expand"),
)
CURATE = StageSpec(name="4b-curate", done=ChosenDone, makes="rows", reads=("4-dataset",))
TRAIN = StageSpec(
    name="5-train",
    done=TrainedDone,
    makes="adapter",
    parts=("expander", "generator"),
    sections=("train",),
    reads=("4-dataset",),
)
HELD_OUT = StageSpec(
    name="6-held-out",
    done=TextsDone,
    makes="texts",
    sections=("sampling",),
    prompts=("draft.user", "system"),
    values=("held_out",),
    adapter="generator",
    trained=True,
    each="held_out.texts",
    shown="held-out text",
)

COLLECT_INSTRUCT = StageSpec(
    name="1-instruct",
    done=TextsDone,
    final=True,
    makes="texts",
    sections=("instruct", "sampling", "collect.instructions"),
    prompts=_INSTRUCT_PROMPTS,
    values=("seeds", "held_out"),
    rounds=("5-train/generator", "1-instruct"),
    each="collect.instructions",
    shown="instruction",
)
COLLECT_DRAFT = StageSpec(
    name="2-draft",
    done=TextsDone,
    final=True,
    makes="texts",
    sections=("draft", "sampling", "checks"),
    prompts=("draft.user", "system"),
    reads=("1-instruct",),
    rounds=("5-train/generator",),
    each="draft.per_instruction",
    of="1-instruct",
    shown="draft",
)
UNION = StageSpec(
    name="3-union",
    done=UnionDone,
    final=True,
    makes="rows",
    sections=("collect.keep",),
    reads=("1-instruct", "2-draft"),
    rounds=("1-instruct", "2-draft", "3-expand"),
)
DEMAND = StageSpec(
    name="4-demand",
    done=TextsDone,
    final=True,
    makes="texts",
    sections=("sampling", "checks", *_DEMANDS, "finish.attempts", "finish.keep_words"),
    prompts=("demand.user",),
    values=("language",),
    reads=("3-union",),
    of="3-union",
    shown="with a length",
)
FINISH_TRAIN = StageSpec(
    name="5-train",
    done=TrainedDone,
    final=True,
    makes="adapter",
    sections=("train", "finish.learning_rate", "finish.epochs"),
    prompts=("draft.user",),
    reads=("4-demand",),
)
ANNEAL = StageSpec(
    name="5b-anneal",
    done=TrainedDone,
    final=True,
    makes="adapter",
    sections=("train",),
    prompts=("draft.user",),
    reads=("4-demand", "5-train"),
)
FINISH_HELD_OUT = StageSpec(
    name="6-held-out",
    done=TextsDone,
    final=True,
    makes="texts",
    parts=("base", "final"),
    sections=("sampling", *_DEMANDS),
    prompts=("draft.user",),
    values=("language", "held_out"),
    reads=("4-demand",),
    part_reads={"final": ("5-train",)},
    each="held_out.texts",
    shown="held-out text",
)
MERGE = StageSpec(name="7-merge", done=Done, final=True, makes="model", reads=("5-train",))

ROUND_STAGES = (INSTRUCT, DRAFT, STRATEGY, EXPAND, GATE, DATASET, CURATE, TRAIN, HELD_OUT)
COLLECT_STAGES = (COLLECT_INSTRUCT, COLLECT_DRAFT, UNION)
FINAL_STAGES = (*COLLECT_STAGES, DEMAND, FINISH_TRAIN, ANNEAL, FINISH_HELD_OUT, MERGE)
ROLES: tuple[TrainedRole, ...] = ("generator", "expander")


def find_stage(text: str, stages: tuple[StageSpec, ...]) -> StageSpec | None:
    """Return the stage that `text` names, with or without its number: 2-draft, draft."""
    return next((spec for spec in stages if text in (spec.name, spec.title)), None)
