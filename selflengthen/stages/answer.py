"""After training: the generator writes instructions that no round learns from.

Every text counts as it is: no attempt is repeated, no check refuses, no stop string ends a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from selflengthen.engines.base import Role, Sampling
from selflengthen.inputs.prompts import Prompts
from selflengthen.inputs.seeds import Seed
from selflengthen.stages.contract import Ask, Item, Verdict


@dataclass
class HeldOut:
    """Writes one text an item; what is given is the instruction."""

    prompts: Prompts
    sampling: Sampling
    role: Role = "generator"
    attempts = 1

    async def attempt(self, item: Item[str], ask: Ask) -> Verdict:
        """Write once; the record says how it ended."""
        user = self.prompts.fill("draft.user", instruction=item.given)
        written = await ask(user, self.role, replace(self.sampling, stop=()))
        return Verdict(written.text.strip(), written.finish_reason)


def items(number: int, seeds: Iterable[Seed]) -> Iterator[Item[str]]:
    """Yield the texts that are owed after round `number` (0: before the first)."""
    for seed in seeds:
        yield Item(f"r{number:02d}-held-out-{seed.id}", seed.id, seed.instruction)
