"""Stage 1: the model makes instructions from instructions (paper section 3.1; Self-Instruct).

Each attempt shows two instructions of the pool and lets the model complete a third, as its own
turn. A wave of items draws from one pool, fixed when the wave begins, so that nothing depends on
the order in which things finish.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from selflengthen.config import InstructConfig
from selflengthen.engines.base import Role, Sampling
from selflengthen.errors import RequestRefused
from selflengthen.inputs.prompts import Prompts
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.storage.records import Record, turn
from selflengthen.text.checks import finish
from selflengthen.text.measures import word_count
from selflengthen.text.near_duplicates import NearDuplicates

Shown = Mapping[str, str]
"""Instructions by id."""


@dataclass(frozen=True)
class Wave:
    """The instructions that a wave's items draw from and are compared with, by id."""

    pool: Shown
    known: NearDuplicates


@dataclass
class Instruct:
    """Makes one instruction an item; `sampling` is the run's."""

    config: InstructConfig
    prompts: Prompts
    role: Role
    sampling: Sampling

    def __post_init__(self) -> None:
        """Instructions are one line; a judge's answer is drawn without chance."""
        self.attempts = self.config.attempts
        self.writing = replace(
            self.sampling, temperature=self.config.temperature, stop=("\n",),
            max_tokens=min(self.sampling.max_tokens, 4 * self.config.words_under),
        )  # fmt: skip
        self.judging = replace(self.sampling, temperature=0.0, stop=(), max_tokens=16)

    async def attempt(self, item: Item[Wave], ask: Ask) -> Verdict:
        """Write an instruction and have it judged."""
        wave = item.given
        shown = random.Random(ask.seed).sample(sorted(wave.pool), 2)
        first, second = (wave.pool[name] for name in shown)
        user = self.prompts.fill("instruct.user")
        begun = self.prompts.fill("instruct.assistant", first=first, second=second)
        try:
            written = await ask(user, self.role, self.writing, prefix=begun)
        except RequestRefused as error:  # long ones were drawn; the next may fit
            return Verdict("", "refused", str(error))
        text = written.text.strip()
        reason = finish(written.finish_reason) or self._refuse(text, wave)
        reason = reason or await self._judge(text, ask)
        return Verdict(text, written.finish_reason, reason, {"shown": shown})

    def _refuse(self, text: str, wave: Wave) -> str | None:
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
    """Yield the ids of a round's instructions; None is what comes after the last."""
    return (f"{turn(number)}-instruct-{i:06d}" for i in range(count))


def wave_items(ids: Sequence[str], wave: Wave) -> list[Item[Wave]]:
    """Return the items of a wave."""
    return [Item(name, None, wave) for name in ids]


def duplicates(records: Iterable[Record], known: NearDuplicates) -> dict[str, str]:
    """Return the ids of a wave's near-duplicates, in order: the first of its kind stays."""
    dropped = {}
    for record in sorted(records, key=lambda r: r.id):
        if known.matches(record.text):
            dropped[record.id] = "duplicate"
        else:
            known.add(record.text)
    return dropped
