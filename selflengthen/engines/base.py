"""The contract of an engine: requests in, completions out.

An engine is opened for one phase of a round with the adapters that the phase needs, and closed
before training, so that its memory is really free. `complete` may be called from any number of
coroutines at once; the engine batches. It raises `RequestRefused` for a request that can never be
served (too long for the context) and `EngineError` when it cannot serve any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

Role = Literal["base", "generator", "expander"]


@dataclass(frozen=True)
class Message:
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn; the names are vLLM's."""

    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float
    max_tokens: int
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """A chat to complete.

    Attributes:
        messages: the turns so far, the last one the user's.
        role: which adapter answers; `base` is the model without any.
        sampling: how to draw; `max_tokens` is cut to what the context leaves.
        seed: makes sampling independent of what else is in the batch.
        prefix: how the model's own turn begins; the completion's text does not repeat it.
        choices: a closed list of answers; the text is then one of them.
        schema: a JSON schema of the answer. Engines that can, hold the model to it; others leave it
            to the model, so whoever asks parses the text and asks again.
    """

    messages: tuple[Message, ...]
    role: Role
    sampling: Sampling
    seed: int
    prefix: str = ""
    choices: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Completion:
    """What came back.

    `finish_reason` is "stop" where the model ended by itself or met a stop string, "length" where
    tokens ran out, "repetition" where the engine noticed a loop.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    tokens: int


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter on disk; `name` is unique in the run (role and round), `rank` its LoRA r."""

    name: str
    path: Path
    rank: int


Adapters = Mapping[Role, Adapter]
"""The adapters of a phase; a role that is missing is answered by the base model."""


class Engine(Protocol):
    """What every engine does."""

    async def complete(self, request: Request) -> Completion:
        """Answer one request."""
        ...

    async def close(self) -> None:
        """Free everything; child processes have ended when this returns."""
        ...
