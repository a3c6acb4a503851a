"""What the executor knows of a stage that writes texts: its items, its attempts, their verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from selflengthen.engines.base import Completion, Engine, Message, Request, Role, Sampling
from selflengthen.storage.records import derive_seed

T = TypeVar("T")


class Item(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """One text to write.

    A struct because each start builds all items of a stage to find those that are not done.

    Attributes:
        id: of the record that the text becomes.
        source: the id of the record or seed that it is written from.
        input: what the stage needs to write it.
    """

    id: str
    source: str | None
    input: T


@dataclass(frozen=True)
class Verdict:
    """The outcome of one attempt: its text is accepted, or rejected for a reason.

    Attributes:
        text: what the model wrote.
        finish_reason: how the engine ended the last request.
        reason: why the text is rejected, in a word or two; None accepts it.
        details: what only this stage knows of the text, for the record.
        hopeless: another attempt cannot end differently.
    """

    text: str
    finish_reason: str
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    hopeless: bool = False


class Stage(Protocol[T]):
    """How a stage attempts an item and what it accepts; `attempts` is the most per item."""

    attempts: int

    async def attempt(self, item: Item[T], ask: Ask) -> Verdict:
        """Try once; raises RequestRefused where the engine will never take the request."""
        ...


@dataclass
class Ask:
    """Sends the requests of one attempt; their seeds follow from run seed, item and attempt.

    `system` is the system turn before each of them; empty for none.
    """

    engine: Engine
    run_seed: int
    item: str
    attempt: int
    tokens: int = 0
    requests: int = 0
    system: str = ""

    @property
    def seed(self) -> int:
        """The seed of this attempt, for what the stage itself draws at random."""
        return derive_seed(self.run_seed, self.item, self.attempt)

    async def __call__(
        self,
        user: str,
        role: Role,
        sampling: Sampling,
        *,
        prefix: str = "",
        choices: tuple[str, ...] = (),
        schema: Mapping[str, Any] | None = None,
    ) -> Completion:
        """Send one user message and return the completion; its tokens are added to `tokens`."""
        seed = derive_seed(self.run_seed, self.item, self.attempt, self.requests)
        self.requests += 1
        before = (Message("system", self.system),) if self.system else ()
        request = Request(
            messages=(*before, Message("user", user)),
            role=role,
            sampling=sampling,
            seed=seed,
            prefix=prefix,
            choices=choices,
            schema=schema,
        )
        completion = await self.engine.complete(request)
        self.tokens += completion.tokens
        return completion
