"""After the last round: each instruction comes to ask for a length that its own text has.

The demand is drawn by lot around the text's length; the base model writes it into the instruction.
What it wrote is read back: the demand must be there as it was meant, and most of the instruction
too. Where no attempt gives that, a template writes the demand behind the instruction. An
instruction that asks for a length already keeps it, if its text has that length.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from selflengthen.config import FinishConfig
from selflengthen.engines.base import Sampling
from selflengthen.errors import RequestRefused
from selflengthen.inputs.prompts import Prompts
from selflengthen.length.phrasing import (
    PhrasedInstruction,
    append_requirement,
    draw_requirement,
    phrasing_language,
)
from selflengthen.length.requirement import LengthRequirement, read_requirement
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.storage.records import FinalRow, Pair, Record, derive_seed
from selflengthen.text.checks import Checks, finish, language, task_talk
from selflengthen.text.measures import tokens, word_count

_ROOM = 60  # words that a demand may take besides those of the instruction


class Given(msgspec.Struct, frozen=True):
    """An instruction, and the length of its text in words and in characters."""

    instruction: str
    words: int
    characters: int


@dataclass
class AddDemand:
    """Writes one instruction with a demand an item; `seed` is the run's."""

    config: FinishConfig
    prompts: Prompts
    checks: Checks
    sampling: Sampling
    language: str
    seed: int

    def __post_init__(self) -> None:
        """The last attempt is the template's. No penalty: most words shall stand there again."""
        self.attempts = self.config.attempts + 1
        self.writing = replace(self.sampling, stop=(), repetition_penalty=1.0)

    async def attempt(self, item: Item[Given], ask: Ask) -> Verdict:
        """Let the base model put the demand in; at last, the template."""
        given = item.given
        own = read_requirement(given.instruction)
        if own is not None:
            reason = None if _has(given, own) else "other length"
            details = _details(own, given, "instruction")
            return Verdict(given.instruction, "stop", reason, details, hopeless=True)
        planned = demanded(
            given.instruction, given.words, self.config, self.language, self._seed(item)
        )
        if planned is None:
            return Verdict(given.instruction, "stop", "no wording", hopeless=True)
        demand, woven = planned
        template = Verdict(woven.text, "template", None, _details(demand, given, "template"))
        if ask.attempt > self.config.attempts:
            return template
        user = self.prompts.fill("demand.user", instruction=given.instruction, demand=woven.phrase)
        most = min(self.sampling.max_tokens, 8 * (word_count(given.instruction) + _ROOM))
        try:
            written = await ask(user, "base", replace(self.writing, max_tokens=most))
        except RequestRefused:
            return template
        text = written.text.strip()
        reason = finish(written.finish_reason) or self._refuse(text, given.instruction, demand)
        return Verdict(text, written.finish_reason, reason, _details(demand, given, "engine"))

    def _refuse(self, text: str, instruction: str, demand: LengthRequirement) -> str | None:
        if len(text.splitlines()) > len(instruction.splitlines()):
            return "lines"
        if word_count(text) > word_count(instruction) + _ROOM:
            return "too long"
        if self.checks.task_talk and (reason := task_talk(text)):
            return reason
        if self.checks.language and (reason := language(text, instruction)):
            return reason
        if kept(instruction, text) < self.config.keep_words:
            return "words lost"
        return None if read_requirement(text) == demand else "demand lost"

    def _seed(self, item: Item[Given]) -> int:
        return derive_seed(self.seed, item.id, "demand")


def demanded(
    instruction: str, words: int, config: FinishConfig, language: str, seed: int
) -> tuple[LengthRequirement, PhrasedInstruction] | None:
    """Draw a demand that `words` satisfy and write it by template; None where no wording fits."""
    chance = random.Random(seed)
    tongue = phrasing_language(instruction, language)
    shares = {
        "about": config.about, "range": config.range, "above": config.above, "below": config.below
    }  # fmt: skip
    demand = draw_requirement(words, tongue, shares, rng=chance)  # type: ignore[arg-type]
    woven = append_requirement(
        instruction,
        demand,
        language=tongue,
        spelled=chance.random() < config.spelled,
        rng=chance,
    )
    return (demand, woven) if woven else None


def items(pairs: Iterable[Pair]) -> Iterator[Item[Given]]:
    """Yield the demands that a data set owes."""
    for pair in pairs:
        given = Given(pair.instruction, pair.words, len(pair.response))
        yield Item(f"final-demand-{pair.id}", pair.id, given)


def row(pair: Pair, asked: Record, prompts: Prompts) -> FinalRow:
    """Return the training row of a text and the instruction that asks for its length."""
    told = asked.details
    demand = LengthRequirement(told["kind"], told["low"], told["high"], told["unit"])
    assert read_requirement(asked.text) == demand and (
        told["by"] == "instruction" or demand.satisfied(pair.words)
    )
    user = prompts.fill("draft.user", instruction=asked.text)
    return FinalRow(
        id=pair.id, prompt=[{"role": "user", "content": user}],
        completion=[{"role": "assistant", "content": pair.response}], round=pair.round,
        instruction_id=pair.instruction_id, kind=demand.kind, low=demand.low, high=demand.high,
        unit=demand.unit, words=pair.words, by=told["by"],
    )  # fmt: skip


def kept(instruction: str, text: str) -> float:
    """Return the share of an instruction's words that stand in another text, 0 to 1."""
    before, after = Counter(_words(instruction)), Counter(_words(text))
    return (before & after).total() / max(1, before.total())


def _words(text: str) -> Iterator[str]:
    stripped = (token.lower().strip(_MARKS) for token in tokens(text))
    return (token for token in stripped if any(c.isalnum() for c in token))


_MARKS = ".,;:!?\"'()[]{}<>*_“”‘’…-–—"


def _has(given: Given, demand: LengthRequirement) -> bool:
    """Whether a text has the length that its own instruction asks for: 字 are counted as words."""
    latin = demand.unit == "characters" and "char" in demand.text.lower()
    return demand.satisfied(given.characters if latin else given.words)


def _details(demand: LengthRequirement, given: Given, by: str) -> dict[str, Any]:
    return {
        "kind": demand.kind, "low": demand.low, "high": demand.high, "unit": demand.unit,
        "words": given.words, "by": by,
    }  # fmt: skip
