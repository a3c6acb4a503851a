"""The model answers the held-out instructions after training; no round learns from these texts.

Every text counts as it is: one attempt, no checks, no stop strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from selflengthen.engines.base import Role, Sampling
from selflengthen.inputs.prompts import Prompts
from selflengthen.inputs.seeds import Seed
from selflengthen.stages.contract import Ask, Item, Verdict


@dataclass
class AnswerOnce:
    """Writes one text per item; the item's input is the instruction."""

    prompts: Prompts
    sampling: Sampling
    role: Role = "generator"
    attempts: int = field(default=1, init=False)

    async def attempt(self, item: Item[str], ask: Ask) -> Verdict:
        """Write once and accept the text, however it ended; the record has the finish reason."""
        user = self.prompts.fill("draft.user", instruction=item.input)
        completion = await ask(user, self.role, replace(self.sampling, stop=()))
        return Verdict(completion.text.strip(), completion.finish_reason)


def items(number: int, seeds: Iterable[Seed]) -> Iterator[Item[str]]:
    """Yield the items to write after round `number` (0: before the first)."""
    for seed in seeds:
        yield Item(f"r{number:02d}-held-out-{seed.id}", seed.id, seed.instruction)
