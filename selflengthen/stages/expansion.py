"""What the strategies of stage 3 share: an item, and the passes that its text is lengthened in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from selflengthen.config import ExpandConfig
from selflengthen.engines.base import Sampling
from selflengthen.errors import RequestRefused
from selflengthen.inputs.prompts import Prompts
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.storage.records import Record, RewrittenPart
from selflengthen.text.checks import Checks
from selflengthen.text.measures import word_count


class ExpandInput(msgspec.Struct, frozen=True, gc=False):
    """A draft and the instruction that it answers."""

    instruction: str
    draft: str


@dataclass(frozen=True)
class Pass:
    """What one pass over a text wrote.

    Attributes:
        text: the longer text.
        finish_reason: how the engine ended the last request.
        reason: why the strategy itself rejects the text; None leaves that to the checks.
        details: what the record says of the pass besides its words and the reason.
        parts: the rewritten parts, for the expander to learn from if the pass is accepted.
    """

    text: str
    finish_reason: str
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[RewrittenPart, ...] = ()


@dataclass
class Expansion(ABC):
    """Writes one expansion per item; a strategy says what one pass over a text is."""

    config: ExpandConfig
    prompts: Prompts
    checks: Checks
    sampling: Sampling
    attempts: int = field(init=False)

    def __post_init__(self) -> None:
        """Take the number of attempts from the configuration."""
        self.attempts = self.config.attempts

    @abstractmethod
    async def lengthen(self, instruction: str, text: str, ask: Ask) -> Pass:
        """Write `text` anew, longer; raises RequestRefused where the engine takes no request."""

    async def attempt(self, item: Item[ExpandInput], ask: Ask) -> Verdict:
        """Run the passes; accept the best text if it has over `growth` times the draft's words."""
        instruction = item.input.instruction
        draft_words = word_count(item.input.draft)
        best = item.input.draft
        written = Pass("", "stop")
        reason = None
        passes: list[dict[str, Any]] = []
        parts: list[RewrittenPart] = []
        for _ in range(self.config.passes):
            try:
                written = await self.lengthen(instruction, best, ask)
            except RequestRefused as error:
                # The text outgrew the context: keep what the passes before wrote.
                if not passes:
                    raise
                passes.append({"words": 0, "reason": str(error)})
                break
            reason = self._reject(written, instruction, best)
            words = word_count(written.text)
            passes.append({"words": words, "reason": reason, **written.details})
            if reason is None:
                best = written.text
                parts += written.parts
        details: dict[str, Any] = {"draft_words": draft_words, "passes": passes}
        if parts:
            details["parts"] = msgspec.to_builtins(parts)
        if word_count(best) > self.config.growth * draft_words:
            return Verdict(best, "stop", None, details)
        return Verdict(written.text, written.finish_reason, reason or "too short", details)

    def _reject(self, written: Pass, instruction: str, best: str) -> str | None:
        reason = written.reason or self.checks.reject(
            written.text, written.finish_reason, instruction
        )
        if reason is None and word_count(written.text) <= word_count(best):
            return "not longer"
        return reason


def items(
    number: int, config: ExpandConfig, drafts: Iterable[Record], instructions: Mapping[str, str]
) -> Iterator[Item[ExpandInput]]:
    """Yield the expansions of round `number`; `instructions` maps an id to its text."""
    for draft in drafts:
        place = draft.id.split("-", 2)[2]
        pair = ExpandInput(instructions[draft.source or ""], draft.text)
        for copy in range(config.per_draft):
            yield Item(f"r{number:02d}-expand-{place}-{copy:02d}", draft.id, pair)


def part_message(prompts: Prompts, instruction: str, part: RewrittenPart) -> str:
    """Return the expander's request for a part, in the loop and in its training rows."""
    return prompts.fill(
        "expand-part.user",
        instruction=instruction,
        number=str(part.number),
        total=str(part.total),
        before=part.before,
        part=part.part,
        after=part.after,
    )
