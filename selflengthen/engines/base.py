"""The contract of an engine: requests in, completions out.

An engine is opened for one phase of a round with the adapters that the phase needs, and closed
before training, so that its memory is really free. `complete` may be called from any number of
coroutines at once; the engine batches. It raises `RequestRefused` for a request that it can never
serve (too long for the context, say) and `EngineError` when it can serve no more requests.
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
        role: which adapter answers; `base` is the model without one.
        sampling: `max_tokens` is reduced to what the context has room for.
        seed: makes sampling independent of the rest of the batch.
        prefix: the start of the model's own turn; the completion's text does not repeat it.
        choices: a closed list of answers; the text is then one of them.
        schema: a JSON schema of the answer. Some engines enforce it, others leave it to the model,
            so the caller parses the text and retries.
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
    """An engine's answer.

    Attributes:
        text: what the model wrote after the prefix.
        finish_reason: "stop" if the model ended by itself or at a stop string, "length" if it ran
            out of tokens, "repetition" if the engine detected a loop.
        prompt_tokens: tokens of the prompt.
        tokens: tokens of the completion.
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
"""The adapters of a phase; the base model answers for roles without one."""


class Engine(Protocol):
    """What `open_engine` returns."""

    async def complete(self, request: Request) -> Completion:
        """Answer one request."""
        ...

    async def close(self) -> None:
        """Free all memory; child processes have ended when this returns."""
        ...
