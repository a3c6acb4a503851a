"""Stage 3: the expander lengthens each draft, in two stages a pass (paper section 3.3).

One pass over a text:
    1. its first half is the outline: the expander enriches it, and the first two thirds of the
       paragraphs it writes are kept, as *former*;
    2. the whole text is the outline, and the expander's own turn begins with *former*: it writes
       on, the *latter*;
    3. former and latter are the longer text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from selflengthen.config import ExpandConfig
from selflengthen.engines.base import Sampling
from selflengthen.errors import RequestRefused
from selflengthen.inputs.prompts import Prompts
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.storage.records import Record
from selflengthen.text.checks import Checks
from selflengthen.text.measures import paragraphs, word_count


class Given(msgspec.Struct, frozen=True, gc=False):
    """A draft and the instruction that it answers."""

    instruction: str
    draft: str


@dataclass
class Expand:
    """Makes one expansion an item."""

    config: ExpandConfig
    prompts: Prompts
    checks: Checks
    sampling: Sampling

    def __post_init__(self) -> None:
        """Take the number of attempts from the configuration."""
        self.attempts = self.config.attempts

    async def attempt(self, item: Item[Given], ask: Ask) -> Verdict:
        """Run the passes; what grew past the draft by the wanted factor is accepted."""
        instruction, best = item.given.instruction, item.given.draft
        reason, finish = None, "stop"
        passes: list[dict[str, Any]] = []
        for _ in range(self.config.passes):
            try:
                longer, finish = await self._pass(instruction, best, ask)
            except RequestRefused as error:  # grown past the context: what there is counts
                if not passes:
                    raise
                passes.append({"words": 0, "reason": str(error)})
                break
            reason = self.checks.refuse(longer, finish, instruction)
            if reason is None and word_count(longer) <= word_count(best):
                reason = "not longer"
            passes.append({"words": word_count(longer), "reason": reason})
            if reason is None:
                best = longer
        details = {"draft_words": word_count(item.given.draft), "passes": passes}
        if word_count(best) > self.config.growth * word_count(item.given.draft):
            return Verdict(best, "stop", None, details)
        return Verdict(longer, finish, reason or "too short", details)

    async def _pass(self, instruction: str, text: str, ask: Ask) -> tuple[str, str]:
        """Run both stages over `text`; return the longer text and how its writing ended."""
        parts = paragraphs(text)
        outline = parts.first(self.config.outline_share)
        enriched = await self._expand(instruction, outline, ask)
        former = paragraphs(enriched[0])
        begun = former.first(self.config.former_share)
        if not begun:
            return "", enriched[1]
        begun += former.separator
        latter, finish = await self._expand(instruction, str(parts), ask, prefix=begun)
        return (begun + latter.lstrip("\n")).strip(), finish

    async def _expand(
        self, instruction: str, outline: str, ask: Ask, prefix: str = ""
    ) -> tuple[str, str]:
        user = self.prompts.fill("expand.user", instruction=instruction, outline=outline)
        written = await ask(user, "expander", self.sampling, prefix=prefix)
        return written.text, written.finish_reason


def items(
    number: int, config: ExpandConfig, drafts: Iterable[Record], instructions: Mapping[str, str]
) -> Iterator[Item[Given]]:
    """Yield the expansions that a round owes; `instructions` are texts by id."""
    for draft in drafts:
        place = draft.id.split("-", 2)[2]
        given = Given(instructions[draft.source or ""], draft.text)
        for copy in range(config.per_draft):
            yield Item(f"r{number:02d}-expand-{place}-{copy:02d}", draft.id, given)
