"""How the drafts of a run are lengthened, and how `auto` chooses the strategy for its model.

With `expand.strategy: auto`, the stage 2b-strategy lengthens a few drafts of the first round in
each way, one attempt each. The strategy that adds more accepted words per token is used in every
round.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from selflengthen.config import ExpandConfig
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.stages.expand import Expand
from selflengthen.stages.expand_section import ExpandSections
from selflengthen.stages.expansion import ExpandInput, Expansion
from selflengthen.storage.records import Record, derive_seed
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import Strategy, StrategyDone, TextsDone, Trial
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import STRATEGY

KINDS: Mapping[Strategy, type[Expansion]] = {"two-stage": Expand, "section": ExpandSections}
SAMPLE = 12
"""How many drafts `auto` tries both strategies on."""


class TryBoth:
    """Lengthens each draft by the strategy that its item's id ends in."""

    attempts = 1

    def __init__(self, stages: Mapping[Strategy, Expansion]) -> None:
        """Prepare to lengthen drafts; `stages` has an expansion for each strategy."""
        self.stages = stages

    async def attempt(self, item: Item[ExpandInput], ask: Ask) -> Verdict:
        """Lengthen a draft once."""
        return await self.stages[_kind_of(item.id)].attempt(item, ask)


def sample(drafts: Iterable[Record], seed: int) -> list[Record]:
    """Draw the drafts to try; which ones depends on the run's seed and their ids alone."""
    ordered = sorted(drafts, key=lambda draft: draft.id)
    rng = random.Random(derive_seed(seed, STRATEGY.title))
    return sorted(rng.sample(ordered, min(SAMPLE, len(ordered))), key=lambda draft: draft.id)


def items(drafts: Iterable[Record], instructions: Mapping[str, str]) -> Iterator[Item[ExpandInput]]:
    """Yield each draft once per strategy; `instructions` maps an id to its text."""
    for draft in drafts:
        place = draft.id.split("-", 2)[2]
        pair = ExpandInput(instructions[draft.source or ""], draft.text)
        for kind in KINDS:
            yield Item(f"r01-{STRATEGY.title}-{place}-{kind}", draft.id, pair)


def trials(folder: StageFolder) -> dict[Strategy, Trial]:
    """Return what each strategy made of the sample, from the stage's files."""
    counts = {kind: Counter[str](tries=0, accepted=0, words=0, tokens=0) for kind in KINDS}
    for record in folder.records():
        words = record.words - record.details["draft_words"]
        count = counts[_kind_of(record.id)]
        count.update(tries=1, accepted=1, words=words, tokens=record.tokens)
    for rejection in folder.rejections():
        counts[_kind_of(rejection.id)].update(tries=1, tokens=rejection.tokens)
    return {kind: Trial(**count) for kind, count in counts.items()}


def outcome(folder: StageFolder, done: TextsDone) -> StrategyDone:
    """Return the DONE.json of the stage, with the strategy to use and what each one made.

    If both gain the same, as when neither had a text accepted, sections are the easier task.
    """
    tried = trials(folder)
    best: Strategy = "two-stage" if tried["two-stage"].gain > tried["section"].gain else "section"
    return StrategyDone(**msgspec.structs.asdict(done), strategy=best, trials=tried)


def describe(done: StrategyDone) -> str:
    """Return in one line which strategy was chosen, and why."""
    parts = [
        f"{kind} {trial.accepted} of {trial.tries} accepted, {1000 * trial.gain:.0f} new words per "
        "1,000 tokens"
        for kind, trial in done.trials.items()
    ]
    return f"expand.strategy auto: {done.strategy} ({'; '.join(parts)})"


def chosen(config: ExpandConfig, run: RunFolder) -> Strategy | None:
    """Return the strategy of a run; None while `auto` has not chosen."""
    if config.strategy != "auto":
        return config.strategy
    done = run.stage(STRATEGY, 1).done_as(StrategyDone)
    return done.strategy if done else None


def _kind_of(name: str) -> Strategy:
    return next(kind for kind in KINDS if name.endswith(f"-{kind}"))
