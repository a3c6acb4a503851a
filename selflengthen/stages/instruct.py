"""Stage 1: the model writes instructions from instructions (paper section 3.1; Self-Instruct).

Each attempt shows two instructions of the pool and lets the model complete a third, as its own
turn. All items of a wave draw from one pool, fixed when the wave begins, so that the result does
not depend on the order in which items finish.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from selflengthen.config import InstructConfig
from selflengthen.engines.base import Role, Sampling
from selflengthen.errors import RequestRefused
from selflengthen.inputs.prompts import Prompts
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.storage.records import Record, turn
from selflengthen.text.checks import finish
from selflengthen.text.measures import word_count
from selflengthen.text.near_duplicates import NearDuplicates

_JUDGE_TOKENS = 16  # yes or no, in any tokenizer


@dataclass(frozen=True)
class Wave:
    """What a wave's items share: the `pool` to draw from, by id, and the texts not to repeat."""

    pool: Mapping[str, str]
    known: NearDuplicates


@dataclass
class Instruct:
    """Writes one instruction per item; `sampling` is the run's."""

    config: InstructConfig
    prompts: Prompts
    role: Role
    sampling: Sampling
    attempts: int = field(init=False)
    writing: Sampling = field(init=False)
    judging: Sampling = field(init=False)

    def __post_init__(self) -> None:
        """Derive the samplings; the judge answers greedily."""
        self.attempts = self.config.attempts
        self.writing = replace(
            self.sampling,
            temperature=self.config.temperature,
            stop=("\n",),
            max_tokens=min(self.sampling.max_tokens, 4 * self.config.words_under),
        )
        self.judging = replace(self.sampling, temperature=0.0, stop=(), max_tokens=_JUDGE_TOKENS)

    async def attempt(self, item: Item[Wave], ask: Ask) -> Verdict:
        """Write an instruction; accept it if its length, novelty and the judge allow."""
        wave = item.input
        shown = random.Random(ask.seed).sample(sorted(wave.pool), 2)
        first, second = (wave.pool[name] for name in shown)
        user = self.prompts.fill("instruct.user")
        begun = self.prompts.fill("instruct.assistant", first=first, second=second)
        try:
            completion = await ask(user, self.role, self._writing(begun), prefix=begun)
        except RequestRefused as error:  # too long together; the next attempt draws others
            return Verdict("", "refused", str(error))
        text = completion.text.strip()
        reason = finish(completion.finish_reason) or self._reject(text, wave)
        reason = reason or await self._judge(text, ask)
        return Verdict(text, completion.finish_reason, reason, {"shown": shown})

    def _writing(self, begun: str) -> Sampling:
        """Return the sampling for an instruction, which ends at a blank line or before the next.

        `begun` ends in the label of the instruction to write ("Instruction 3:"), so that of the
        next follows from it.
        """
        if not self.config.multiline:
            return self.writing
        label = begun.rstrip().rpartition("\n")[2]
        number = re.search(r"\d+", label)
        if number is None:
            return replace(self.writing, stop=("\n\n",))
        following = f"\n{label[: number.start()]}{int(number[0]) + 1}"
        return replace(self.writing, stop=("\n\n", following))

    def _reject(self, text: str, wave: Wave) -> str | None:
        words = word_count(text)
        if words <= self.config.words_over:
            return "too short"
        if words >= self.config.words_under:
            return "too long"
        return "duplicate" if wave.known.matches(text) else None

    async def _judge(self, text: str, ask: Ask) -> str | None:
        yes, no = self.prompts.answers
        user = self.prompts.fill("judge.user", instruction=text)
        answer = await ask(user, "base", self.judging, choices=(yes, no))
        return None if answer.text.strip() == yes else "unsuitable"


def items(number: int | None, count: int) -> Iterator[str]:
    """Yield the ids of a round's instructions; None stands for `collect`, after the last round."""
    return (f"{turn(number)}-instruct-{i:06d}" for i in range(count))


def wave_items(ids: Sequence[str], wave: Wave) -> list[Item[Wave]]:
    """Return the items of a wave; they have no source, since their inputs are drawn per attempt."""
    return [Item(name, None, wave) for name in ids]


def duplicates(records: Iterable[Record], known: NearDuplicates) -> dict[str, str]:
    """Return the ids of a wave's near-duplicates with the reason; of each group the first stays.

    `known` gains the texts that stay.
    """
    dropped = {}
    for record in sorted(records, key=lambda r: r.id):
        if known.matches(record.text):
            dropped[record.id] = "duplicate"
        else:
            known.add(record.text)
    return dropped
