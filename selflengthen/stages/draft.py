"""Stage 2: the generator drafts each instruction (paper section 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from selflengthen.config import DraftConfig
from selflengthen.engines.base import Sampling
from selflengthen.inputs.prompts import Prompts
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.storage.records import Record, turn
from selflengthen.text.checks import Checks


@dataclass
class Draft:
    """Writes one draft an item; what is given is the instruction."""

    config: DraftConfig
    prompts: Prompts
    checks: Checks
    sampling: Sampling

    def __post_init__(self) -> None:
        """Take the number of attempts from the configuration."""
        self.attempts = self.config.attempts

    async def attempt(self, item: Item[str], ask: Ask) -> Verdict:
        """Write a draft; the text checks accept it."""
        user = self.prompts.fill("draft.user", instruction=item.given)
        written = await ask(user, "generator", self.sampling)
        text = written.text.strip()
        reason = self.checks.refuse(text, written.finish_reason, item.given)
        return Verdict(text, written.finish_reason, reason)


def items(
    number: int | None, config: DraftConfig, instructions: Iterable[Record]
) -> Iterator[Item[str]]:
    """Yield the drafts that a round owes; None is what comes after the last."""
    for instruction in instructions:
        place = instruction.id.rsplit("-", 1)[1]
        for copy in range(config.per_instruction):
            yield Item(f"{turn(number)}-draft-{place}-{copy:02d}", instruction.id, instruction.text)
