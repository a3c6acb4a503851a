"""Stage 3b: sets aside expansions that are worse than their drafts; optional, not in the paper.

An expansion is longer than its draft and passes the checks, and may still be the worse text: it
loses the thread, or says little in many words. Either a model compares the two, or IFD says whether
the longer text still answers its instruction. Every expansion gets a record with its verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from selflengthen.config import GateConfig
from selflengthen.engines.base import Sampling
from selflengthen.errors import RequestRefused
from selflengthen.inputs.prompts import Prompts
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.storage.records import Record, turn

WORSE, OFF_TOPIC = "worse", "off topic"  # on disk, in `dropped` of a record
CHOICES = ("A", "B")
_JUDGE_TOKENS = 16  # a letter, in any tokenizer

Version = Literal["draft", "expansion"]
_ORDERS: tuple[tuple[Version, Version], ...] = (("draft", "expansion"), ("expansion", "draft"))


class GateInput(msgspec.Struct, frozen=True, gc=False):
    """An expansion, the draft it was made from, and the instruction of both."""

    instruction: str
    draft: str
    expansion: str


@dataclass
class JudgeGate:
    """Has the base model compare an expansion with its draft, in both orders."""

    prompts: Prompts
    sampling: Sampling
    attempts: int = 1
    judging: Sampling = field(init=False)

    def __post_init__(self) -> None:
        """Judge without sampling."""
        self.judging = replace(self.sampling, temperature=0.0, stop=(), max_tokens=_JUDGE_TOKENS)

    async def attempt(self, item: Item[GateInput], ask: Ask) -> Verdict:
        """Note which version is preferred, until the expansion is.

        A weak judge prefers the first version of any two: only an expansion that loses in both
        orders is worse. One that is too long to be compared passes.
        """
        pair = item.input
        texts = {"draft": pair.draft, "expansion": pair.expansion}
        preferred: list[Version] = []
        details: dict[str, Any] = {"preferred": preferred}
        for order in _ORDERS:
            first, second = (texts[version] for version in order)
            user = self.prompts.fill(
                "gate.user", instruction=pair.instruction, first=first, second=second
            )
            try:
                answer = await ask(user, "base", self.judging, choices=CHOICES)
            except RequestRefused as error:
                details["unjudged"] = str(error)
                break
            preferred.append(order[0 if answer.text.strip() == CHOICES[0] else 1])
            if preferred[-1] == "expansion":
                break
        return Verdict(pair.expansion, "stop", None, details)


def items(
    number: int,
    expansions: Iterable[Record],
    drafts: Mapping[str, Record],
    instructions: Mapping[str, str],
) -> Iterator[Item[GateInput]]:
    """Yield the expansions of round `number` with what they were made from, by id."""
    for expansion in expansions:
        draft = drafts[expansion.source or ""]
        pair = GateInput(instructions[draft.source or ""], draft.text, expansion.text)
        place = expansion.id.partition("-expand-")[2]
        yield Item(f"{turn(number)}-gate-{place}", expansion.id, pair)


def by_ifd(
    item: Item[GateInput], words: int, draft: float | None, expansion: float | None
) -> Record:
    """Return the record of an expansion with `words` words, with its IFD and its draft's."""
    return Record(
        id=item.id,
        source=item.source,
        text=item.input.expansion,
        attempts=1,
        words=words,
        tokens=0,
        seed=0,
        finish_reason="stop",
        seconds=0.0,
        details={"draft_ifd": draft, "ifd": expansion},
    )


def reason(details: Mapping[str, Any], config: GateConfig) -> str | None:
    """Return why an expansion with these details is set aside, or None."""
    if "preferred" in details:
        return WORSE if details["preferred"] == ["draft"] * len(_ORDERS) else None
    draft, expansion = details["draft_ifd"], details["ifd"]
    if draft is None or expansion is None:
        return None
    return OFF_TOPIC if expansion > min(draft + config.margin, config.most) else None
