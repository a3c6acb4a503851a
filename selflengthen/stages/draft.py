"""Stage 2: the generator drafts a response to each instruction (paper section 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from selflengthen.config import DraftConfig
from selflengthen.engines.base import Sampling
from selflengthen.inputs.prompts import Prompts
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.storage.records import Record, turn
from selflengthen.text.checks import Checks


@dataclass
class Draft:
    """Writes one draft per item; the item's input is the instruction."""

    config: DraftConfig
    prompts: Prompts
    checks: Checks
    sampling: Sampling
    attempts: int = field(init=False)

    def __post_init__(self) -> None:
        """Take the number of attempts from the configuration."""
        self.attempts = self.config.attempts

    async def attempt(self, item: Item[str], ask: Ask) -> Verdict:
        """Write a draft; accept it if it passes the text checks."""
        user = self.prompts.fill("draft.user", instruction=item.input)
        completion = await ask(user, "generator", self.sampling)
        text = completion.text.strip()
        reason = self.checks.reject(text, completion.finish_reason, item.input)
        return Verdict(text, completion.finish_reason, reason)


def items(
    number: int | None, config: DraftConfig, instructions: Iterable[Record]
) -> Iterator[Item[str]]:
    """Yield the drafts of round `number`; None stands for `collect`, after the last round."""
    for instruction in instructions:
        place = instruction.id.rsplit("-", 1)[1]
        for copy in range(config.per_instruction):
            yield Item(f"{turn(number)}-draft-{place}-{copy:02d}", instruction.id, instruction.text)
