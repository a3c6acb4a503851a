"""Stage 3: the expander lengthens each draft, two stages per pass (paper section 3.3).

One pass over a text:
    1. The expander enriches the first half of the text, which serves as its outline. The first two
       thirds of the paragraphs that it writes are kept: the *former*.
    2. The expander is given the whole text as its outline, with its own turn already begun by the
       *former*, and writes on: the *latter*.
    3. Former and latter together are the longer text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from selflengthen.config import ExpandConfig
from selflengthen.engines.base import Completion, Sampling
from selflengthen.errors import RequestRefused
from selflengthen.inputs.prompts import Prompts
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.storage.records import Record
from selflengthen.text.checks import Checks
from selflengthen.text.measures import paragraphs, word_count


class ExpandInput(msgspec.Struct, frozen=True, gc=False):
    """A draft and the instruction that it answers."""

    instruction: str
    draft: str


class PassOutcome(msgspec.Struct, frozen=True):
    """What one pass wrote: its words, and why it was not taken (None: it was)."""

    words: int
    reason: str | None


@dataclass
class Expand:
    """Writes one expansion per item."""

    config: ExpandConfig
    prompts: Prompts
    checks: Checks
    sampling: Sampling
    attempts: int = field(init=False)

    def __post_init__(self) -> None:
        """Take the number of attempts from the configuration."""
        self.attempts = self.config.attempts

    async def attempt(self, item: Item[ExpandInput], ask: Ask) -> Verdict:
        """Run the passes; accept the best text if it has over `growth` times the draft's words."""
        instruction = item.input.instruction
        draft_words = word_count(item.input.draft)
        best = item.input.draft
        text, finish, reason = "", "stop", None
        passes: list[PassOutcome] = []
        for _ in range(self.config.passes):
            try:
                text, finish = await self._pass(instruction, best, ask)
            except (
                RequestRefused
            ) as error:  # outgrew the context: keep what the passes before wrote
                if not passes:
                    raise
                passes.append(PassOutcome(0, str(error)))
                break
            reason = self.checks.reject(text, finish, instruction)
            if reason is None and word_count(text) <= word_count(best):
                reason = "not longer"
            passes.append(PassOutcome(word_count(text), reason))
            if reason is None:
                best = text
        details = {"draft_words": draft_words, "passes": msgspec.to_builtins(passes)}
        if word_count(best) > self.config.growth * draft_words:
            return Verdict(best, "stop", None, details)
        return Verdict(text, finish, reason or "too short", details)

    async def _pass(self, instruction: str, text: str, ask: Ask) -> tuple[str, str]:
        """Run both stages over `text`; return the longer text and its finish reason."""
        parts = paragraphs(text)
        outline = parts.first(self.config.outline_share)
        enriched = await self._expand(instruction, outline, ask)
        former = paragraphs(enriched.text)
        begun = former.first(self.config.former_share)
        if not begun:
            return "", enriched.finish_reason
        begun += former.separator
        latter = await self._expand(instruction, str(parts), ask, prefix=begun)
        return (begun + latter.text.lstrip("\n")).strip(), latter.finish_reason

    async def _expand(
        self, instruction: str, outline: str, ask: Ask, prefix: str = ""
    ) -> Completion:
        user = self.prompts.fill("expand.user", instruction=instruction, outline=outline)
        return await ask(user, "expander", self.sampling, prefix=prefix)


def items(
    number: int, config: ExpandConfig, drafts: Iterable[Record], instructions: Mapping[str, str]
) -> Iterator[Item[ExpandInput]]:
    """Yield the expansions of round `number`; `instructions` maps an id to its text."""
    for draft in drafts:
        place = draft.id.split("-", 2)[2]
        pair = ExpandInput(instructions[draft.source or ""], draft.text)
        for copy in range(config.per_draft):
            yield Item(f"r{number:02d}-expand-{place}-{copy:02d}", draft.id, pair)
