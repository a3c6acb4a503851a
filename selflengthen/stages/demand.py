"""After the last round: each instruction gets a length requirement that its own text satisfies.

The requirement is drawn around the text's length, and the base model works it into the instruction.
The result is read back: it must state the requirement as drawn and keep most of the instruction's
words. If no attempt succeeds, a template appends the requirement. An instruction that already asks
for a length stays as it is if its text has that length; otherwise its row is left out.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import msgspec

from selflengthen.config import FinishConfig
from selflengthen.engines.base import Sampling
from selflengthen.errors import RequestRefused
from selflengthen.inputs.prompts import Prompts
from selflengthen.length.mentions import Kind, Unit
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

_EXTRA_WORDS = 60  # that a requirement may add to an instruction
_TOKENS_PER_WORD = 8  # far more than any tokenizer needs
_MARKS = ".,;:!?\"'()[]{}<>*_“”‘’…-–—"


class DemandInput(msgspec.Struct, frozen=True):
    """An instruction, and the length of its text in words and in characters."""

    instruction: str
    words: int
    characters: int


class DemandDetails(msgspec.Struct, frozen=True):
    """What a record keeps of its requirement, in `details`.

    Attributes:
        kind: about, range, above or below.
        low: the lower number that it names, or None.
        high: the higher number that it names, or None.
        unit: words or characters.
        words: the length of the instruction's text in words.
        by: who wrote the requirement: engine, template, or the instruction itself.
    """

    kind: Kind
    low: int | None
    high: int | None
    unit: Unit
    words: int
    by: str


@dataclass
class AddDemand:
    """Writes one instruction with a length requirement per item; `seed` is the run's."""

    config: FinishConfig
    prompts: Prompts
    checks: Checks
    sampling: Sampling
    language: str
    seed: int
    attempts: int = field(init=False)
    writing: Sampling = field(init=False)

    def __post_init__(self) -> None:
        """Leave the last attempt to the template; do not penalise repeating the instruction."""
        self.attempts = self.config.attempts + 1
        self.writing = replace(self.sampling, stop=(), repetition_penalty=1.0)

    async def attempt(self, item: Item[DemandInput], ask: Ask) -> Verdict:
        """Let the base model work the requirement in; the last attempt uses the template."""
        source = item.input
        own = read_requirement(source.instruction)
        if own is not None:
            reason = None if _has(source, own) else "other length"
            details = _details(own, source, "instruction")
            return Verdict(source.instruction, "stop", reason, details, hopeless=True)
        seed = derive_seed(self.seed, item.id, "demand")
        planned = draw_demand(source.instruction, source.words, self.config, self.language, seed)
        if planned is None:
            return Verdict(source.instruction, "stop", "no wording", hopeless=True)
        demand, woven = planned
        template = Verdict(woven.text, "template", None, _details(demand, source, "template"))
        if ask.attempt > self.config.attempts:
            return template
        try:
            return await self._rewrite(source, demand, woven.phrase, ask)
        except RequestRefused:
            return template

    async def _rewrite(
        self, source: DemandInput, demand: LengthRequirement, phrase: str, ask: Ask
    ) -> Verdict:
        user = self.prompts.fill("demand.user", instruction=source.instruction, demand=phrase)
        longest = _TOKENS_PER_WORD * (word_count(source.instruction) + _EXTRA_WORDS)
        sampling = replace(self.writing, max_tokens=min(self.sampling.max_tokens, longest))
        completion = await ask(user, "base", sampling)
        text = completion.text.strip()
        reason = finish(completion.finish_reason) or self._reject(text, source.instruction, demand)
        details = _details(demand, source, "engine")
        return Verdict(text, completion.finish_reason, reason, details)

    def _reject(self, text: str, instruction: str, demand: LengthRequirement) -> str | None:
        if len(text.splitlines()) > len(instruction.splitlines()):
            return "lines"
        if word_count(text) > word_count(instruction) + _EXTRA_WORDS:
            return "too long"
        if self.checks.task_talk and (reason := task_talk(text, self.checks.version)):
            return reason
        if self.checks.language and (reason := language(text, instruction)):
            return reason
        if share_of_words(instruction, text) < self.config.keep_words:
            return "words lost"
        return None if read_requirement(text) == demand else "demand lost"


def draw_demand(
    instruction: str, words: int, config: FinishConfig, language: str, seed: int
) -> tuple[LengthRequirement, PhrasedInstruction] | None:
    """Draw a requirement that a text of `words` satisfies, and append it by template.

    Returns None where no wording would be read back as drawn.
    """
    rng = random.Random(seed)
    written_in = phrasing_language(instruction, language)
    shares = {
        "about": config.about,
        "range": config.range,
        "above": config.above,
        "below": config.below,
    }
    demand = draw_requirement(words, written_in, shares, rng=rng)  # type: ignore[arg-type]
    spelled = rng.random() < config.spelled
    woven = append_requirement(instruction, demand, language=written_in, spelled=spelled, rng=rng)
    return (demand, woven) if woven else None


def items(pairs: Iterable[Pair]) -> Iterator[Item[DemandInput]]:
    """Yield an item for each row of the data set."""
    for pair in pairs:
        source = DemandInput(pair.instruction, pair.words, len(pair.response))
        yield Item(f"final-demand-{pair.id}", pair.id, source)


def row(pair: Pair, instruction: Record, prompts: Prompts) -> FinalRow:
    """Return the training row: the instruction that asks for a length, and the text that has it.

    The requirement is the one on record. It is not read from the instruction again: an earlier
    version, which accepted it, may have read the same words differently.
    """
    details = msgspec.convert(instruction.details, DemandDetails)
    demand = LengthRequirement(details.kind, details.low, details.high, details.unit)
    # The stage accepts nothing else: never train on a row that breaks its own requirement.
    assert details.by == "instruction" or demand.satisfied(pair.words)
    user = prompts.fill("draft.user", instruction=instruction.text)
    return FinalRow(
        id=pair.id,
        prompt=[{"role": "user", "content": user}],
        completion=[{"role": "assistant", "content": pair.response}],
        round=pair.round,
        instruction_id=pair.instruction_id,
        kind=demand.kind,
        low=demand.low,
        high=demand.high,
        unit=demand.unit,
        words=pair.words,
        by=details.by,
    )


def share_of_words(instruction: str, text: str) -> float:
    """Return the share of an instruction's words that another text has too, 0 to 1.

    Case and punctuation do not count; a word that is there twice counts twice.
    """
    before = Counter(_words(instruction))
    after = Counter(_words(text))
    return (before & after).total() / max(1, before.total())


def _words(text: str) -> Iterator[str]:
    stripped = (token.lower().strip(_MARKS) for token in tokens(text))
    return (token for token in stripped if any(c.isalnum() for c in token))


def _has(source: DemandInput, demand: LengthRequirement) -> bool:
    """Whether the text has the length that its own instruction asks for.

    Characters of Latin script are counted as such; 字 count as words.
    """
    latin = demand.unit == "characters" and "char" in demand.text.lower()
    return demand.satisfied(source.characters if latin else source.words)


def _details(demand: LengthRequirement, source: DemandInput, by: str) -> dict[str, object]:
    details = DemandDetails(
        kind=demand.kind,
        low=demand.low,
        high=demand.high,
        unit=demand.unit,
        words=source.words,
        by=by,
    )
    return msgspec.structs.asdict(details)
