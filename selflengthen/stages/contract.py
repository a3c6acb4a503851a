"""What a stage of texts is to the executor: items to make, attempts at them, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from selflengthen.engines.base import Completion, Engine, Message, Request, Role, Sampling
from selflengthen.storage.records import derive_seed

T = TypeVar("T")


class Item(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """One thing to make: its id, what it is made from, and what the stage needs to make it.

    A struct, since a start makes all items of a stage anew to find those that are owed.
    """

    id: str
    source: str | None
    given: T


@dataclass(frozen=True)
class Verdict:
    """What one attempt gave: a text that is accepted, or refused for a `reason`.

    `hopeless`: no further attempt could give another.
    """

    text: str
    finish_reason: str
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    hopeless: bool = False


class Stage(Protocol[T]):
    """How one item is tried and what accepts it."""

    attempts: int

    async def attempt(self, item: Item[T], ask: Ask) -> Verdict:
        """Try once."""
        ...


@dataclass
class Ask:
    """Asks the engine within one attempt; a request's seed follows from run, item and attempt."""

    engine: Engine
    run_seed: int
    item: str
    attempt: int
    tokens: int = 0
    requests: int = 0

    @property
    def seed(self) -> int:
        """The seed of this attempt, for what a stage itself leaves to chance."""
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
        """Send one user message and return the completion."""
        seed = derive_seed(self.run_seed, self.item, self.attempt, self.requests)
        self.requests += 1
        message = Message("user", user)
        completion = await self.engine.complete(
            Request((message,), role, sampling, seed, prefix, choices, schema)
        )
        self.tokens += completion.tokens
        return completion
