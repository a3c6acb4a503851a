"""What `status --json` prints: structs whose fields are its keys, in this order."""

from __future__ import annotations

import json

import msgspec

from selflengthen.storage.figures import LengthFollowing
from selflengthen.storage.schemas import Spread, UnionSources

DoneFile = dict[str, object]
"""What a DONE.json holds besides its key and digests; it differs from stage to stage."""


class HeldOutFigures(msgspec.Struct, frozen=True):
    """The texts that the base model wrote for the held-out instructions."""

    held_out_words: float
    """Mean words of a text."""
    held_out_ends: float
    """Share of texts that end by themselves, 0 to 1."""
    held_out_repeats: float
    """Share of texts that repeat a 10-gram, 0 to 1."""
    held_out_words_median: float
    """Median words."""
    held_out_words_p90: float
    """90th percentile of the words."""
    held_out_ended_words: float | None = None
    """Mean words of the held-out texts that end by themselves; None in older metrics."""
    held_out_ended_words_median: float | None = None
    """Their median words; None in older metrics."""
    held_out_near_repeats: float | None = None
    """Mean share of a text's sentences that say an earlier one again; None in older metrics."""
    held_out_assistant_talk: float | None = None
    """Share of texts that talk as an assistant with its user; None in older metrics."""
    held_out_relevance: float | None = None
    """Share of texts that owe something to their instruction, 0.05 by chance; None: unmeasured."""


class RoundFigures(msgspec.Struct, frozen=True):
    """The texts of a finished round."""

    round: int
    """The round's number, from 1."""
    draft_words: float
    """Mean words of a draft."""
    expansion_words: float
    """Mean words of an expansion."""
    acceptance: float
    """Share of expansion tries that gave an accepted text, 0 to 1."""
    held_out_words: float
    """Mean words of what the round's generator wrote for the held-out instructions."""
    held_out_ends: float
    """Share of held-out texts that end by themselves, 0 to 1."""
    held_out_repeats: float
    """Share of held-out texts that repeat a 10-gram, 0 to 1."""
    held_out_words_median: float
    """Median words of the held-out texts."""
    held_out_words_p90: float
    """90th percentile of the words of the held-out texts."""
    draft_words_median: float
    """Median words of the drafts."""
    draft_words_p90: float
    """90th percentile of the words of the drafts."""
    expansion_words_median: float
    """Median words of the expansions."""
    expansion_words_p90: float
    """90th percentile of the words of the expansions."""
    held_out_ended_words: float | None = None
    """Mean words of the held-out texts that end by themselves; None in older metrics."""
    held_out_ended_words_median: float | None = None
    """Their median words; None in older metrics."""
    held_out_near_repeats: float | None = None
    """Mean share of a text's sentences that say an earlier one again; None in older metrics."""
    held_out_assistant_talk: float | None = None
    """Share of texts that talk as an assistant with its user; None in older metrics."""
    held_out_relevance: float | None = None
    """Share of texts that owe something to their instruction, 0.05 by chance; None: unmeasured."""


class CurrentStage(msgspec.Struct, frozen=True, kw_only=True):
    """The stage that is in progress."""

    round: int | msgspec.UnsetType | None = msgspec.UNSET
    """Its round; there is no such key after the last round."""
    stage: str
    """`2-draft`; after the last round with the folder, `final/2-draft`."""
    done: int
    """Items with a verdict; of a training, optimizer steps."""
    total: int | None
    """All items or steps; None where that is not known."""
    seconds_left: float | None
    """Estimated seconds until the stage is done; None where that is not known."""


class TextsSoFar(msgspec.Struct, frozen=True):
    """A stage of texts in progress."""

    accepted: int
    """Accepted texts."""
    refusals: dict[str, int]
    """Rejected attempts by reason, the most frequent first."""
    words: Spread
    """Mean, median and 90th percentile of the words of a text."""


class TrainingSoFar(msgspec.Struct, frozen=True):
    """A training in progress."""

    step: int
    """The last optimizer step."""
    steps: int | None
    """Optimizer steps of the whole training, about; None where its rows cannot be counted."""
    loss: float | None
    """Loss of the last step."""
    seconds_a_step: float | None
    """Mean over the last 20 steps."""


class StageStatus(msgspec.Struct, frozen=True):
    """A stage that was begun. The keys of `counts` stand beside `stage` and `done`."""

    stage: str
    """Round and folder, as in `01/2-draft`; `final/2-draft` after the last round."""
    done: bool
    """Whether it is finished."""
    counts: TextsSoFar | TrainingSoFar | DoneFile
    """Counts so far; of a finished stage, what its DONE.json says."""

    def as_json(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {"stage": self.stage, "done": self.done, **msgspec.to_builtins(self.counts)}


class FinalStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What comes after the last round."""

    collected: bool
    """Whether the texts of all rounds are one data set."""
    finished: bool
    """Whether the finished model is trained and measured."""
    merged: bool
    """Whether the base model with the adapter merged into it is written."""
    rounds: int | None
    """Rounds of which the data set has texts."""
    rows: int | None
    """Rows of the data set."""
    sources: UnionSources | None = msgspec.field(name="from")
    """How many rows are from the rounds, and how many from the last generator's drafts."""
    stale: bool
    """Whether rounds were added or redone since."""
    current: CurrentStage | None
    """The stage in progress, or None."""
    base: LengthFollowing | None
    """How well the base model follows length requirements; None unless finished."""
    final: LengthFollowing | None
    """The same for the finished model."""


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a run."""

    run: str
    """The run's folder."""
    iterations: int
    """How many rounds it was last started for."""
    complete: bool
    """Whether no round is left to do."""
    stopped: str | None
    """Why it stopped after its last round, or None."""
    controller: str | None
    """The process that works on it, and its host; None where there is none."""
    base: HeldOutFigures | None
    """The base model; None until it is measured."""
    rounds: list[RoundFigures]
    """The finished rounds."""
    current: CurrentStage | None
    """The stage in progress, or None."""
    stages: list[StageStatus]
    """Every stage that was begun, in order."""
    final: FinalStatus | None = None
    """What comes after the last round; None where nothing of it was begun."""

    def to_json(self) -> str:
        """Write it as JSON, indented."""
        values = msgspec.to_builtins(self)
        values["stages"] = [stage.as_json() for stage in self.stages]
        return json.dumps(values, indent=1)
