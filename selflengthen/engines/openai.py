"""Any OpenAI-compatible server, over chat completions.

A server may be busy, broken or gone for a while: such requests are sent again, ever more slowly and
no sooner than its `Retry-After`, until it has stayed away for `engine.patience` seconds. For a vLLM
server to take this run's adapters, start it like this:

    VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve MODEL --enable-lora --max-lora-rank R

The adapter folders must then be readable by the server under the same paths. Elsewhere an adapter
must be served under its own name.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from selflengthen.config import EngineConfig
from selflengthen.engines import answers, chat
from selflengthen.engines.base import Adapter, Adapters, Completion, Request, Role
from selflengthen.engines.wire import Away, Refused, Wire
from selflengthen.errors import EngineError, RequestRefused, UserError
from selflengthen.text.printable import one_line

_TOO_LONG = re.compile(r"context.{0,20}length|maximum.{0,40}(length|tokens)|too (long|large)", re.I)
_UNKNOWN = re.compile(
    r"(unknown|unrecogni[sz]ed|unsupported|unexpected|extra).{0,60}(argument|parameter|field|input)",
    re.I,
)
_TOO_MUCH = re.compile(r"at most \d+ completion tokens", re.I)  # whatever the prompt
_NO_SCHEMA = re.compile("response_format|json_schema|schema", re.I)
_EXTRAS = (
    *("top_k", "repetition_penalty", "repetition_detection", "structured_outputs"),
    *("continue_final_message", "add_generation_prompt", "chat_template_kwargs"),
)
_ASKED_AGAIN = 3  # for an answer from a closed list


def longest(max_tokens: int) -> float:
    """Return how many seconds a completion of so many tokens may take on a busy server."""
    return 60 + 0.1 * max_tokens


def most_bytes(max_tokens: int) -> int:
    """Return how many bytes the answer with a completion of so many tokens may have.

    A token can be 128 spaces, and a model may write nothing else until it is stopped. That is a
    text to reject, and no reason to end a run.
    """
    return 2**20 + 256 * max_tokens


class OpenAIEngine:
    """A client; all that it holds are connections."""

    def __init__(
        self,
        config: EngineConfig,
        *,
        seconds: Callable[[int], float] = longest,
        on_note: Callable[[str], None],
    ) -> None:
        """Make a client that knows no model yet; see `open`."""
        self._config, self._seconds, self._note = config, seconds, on_note
        self._wire = Wire(config)
        self._chat: chat.Chat | None = None
        self._names: dict[Role, str] = {}
        self._adapters: dict[str, Adapter] = {}  # those loaded by this engine, by served name
        self._extras = self._schemas = True

    @classmethod
    async def open(
        cls,
        config: EngineConfig,
        model: str | Path,
        adapters: Adapters,
        *,
        name: str = "",
        on_note: Callable[[str], None],
        seconds: Callable[[int], float] = longest,
    ) -> OpenAIEngine:
        """Find the model on the server, by its name or as the folder `model`; load the adapters.

        `seconds` says how long a completion of so many tokens may take. Raises EngineError where
        the server stays away, or has not what is needed.
        """
        engine = cls(config, seconds=seconds, on_note=on_note)
        try:
            engine._chat = await asyncio.to_thread(chat.load, model, config.context)
        except UserError:
            on_note("engine: no tokenizer at hand for this model; the server counts the tokens.")
        try:
            served = await engine._models()
            engine._names["base"] = base = engine._base(name or str(model), str(model), served)
            most = served[base].get("max_model_len")
            if engine._chat and isinstance(most, int) and most > 0:
                engine._chat.context = min(engine._chat.context, most)
            for role, adapter in adapters.items():
                engine._names[role] = await engine._offer(adapter, served)
        except BaseException:
            await engine.close()
            raise
        return engine

    async def complete(self, request: Request) -> Completion:
        """Answer one request; sends it again for as long as that may help."""
        body = self._body(request)
        if not request.choices:
            return await self._chat_completion(body, request.role)
        for again in range(_ASKED_AGAIN):
            got = await self._chat_completion(body | {"seed": body["seed"] + again}, request.role)
            if (answer := answers.chosen(got.text, request.choices)) is not None:
                return Completion(answer, "stop", got.prompt_tokens, got.tokens)
        raise RequestRefused(f"the server answered none of: {', '.join(request.choices)}")

    async def close(self) -> None:
        """Unload the adapters that this engine loaded, and hang up."""
        for name in self._adapters:
            try:
                await self._wire.once("unload_lora_adapter", {"lora_name": name}, 10)
            except (EngineError, Away, Refused):
                break
        self._adapters = {}
        await self._wire.close()

    def _body(self, request: Request) -> dict[str, Any]:
        read: Callable[[str], str] = self._chat.defuse if self._chat else chat.clean
        sampling, messages = request.sampling, request.messages
        turns = [{"role": m.role, "content": read(m.content)} for m in messages]
        body: dict[str, Any] = {
            "model": self._names.get(request.role, self._names["base"]),
            "messages": turns,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "seed": request.seed % 2**62,
            "stop": list(sampling.stop) or None,
            "top_k": sampling.top_k,
            "repetition_penalty": sampling.repetition_penalty,
            "chat_template_kwargs": chat.TEMPLATE,
        }
        if self._chat:
            prompt = self._chat.render(messages, request.prefix)
            if len(prompt) >= self._chat.context:
                raise RequestRefused("too long")
            body["max_tokens"] = self._chat.most_tokens(request, prompt)
        if request.prefix:
            turns.append({"role": "assistant", "content": read(request.prefix)})
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        if request.choices:
            body["structured_outputs"] = {"choice": list(request.choices)}
        elif request.schema and self._schemas:
            named = {"name": "answer", "schema": dict(request.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        return body

    async def _chat_completion(self, body: dict[str, Any], role: Role) -> Completion:
        seconds, room = self._seconds(body["max_tokens"]), most_bytes(body["max_tokens"])

        async def attempt() -> Completion:
            sent = body if self._extras else _without_extras(body)
            if not self._schemas:
                sent = {name: value for name, value in sent.items() if name != "response_format"}
            try:
                answer = await self._wire.once("chat/completions", sent, seconds, room)
                return answers.completion(answer)
            except Refused as error:
                await self._object(error, role, sent)

        return await self._wire.again(attempt)

    async def _object(self, error: Refused, role: Role, sent: Mapping[str, Any]) -> NoReturn:
        """Raise what a refused completion means: Away where something could be done about it."""
        name = self._names.get(role, "")
        if error.status == 404 and name in self._adapters:
            # The server was started anew and has lost what it was given.
            await self._load(name, self._adapters[name])
            raise Away(str(error)) from error
        if error.status == 404:
            raise EngineError(f"engine.url {self._config.url}: {error} (HTTP 404)") from error
        if "response_format" in sent and _NO_SCHEMA.search(str(error)):
            if self._schemas:
                self._schemas = False
                self._note(
                    "engine: the server takes no JSON schema; the form is left to the model."
                )
            raise Away(str(error)) from error
        if not sent.keys().isdisjoint(_EXTRAS) and _UNKNOWN.search(str(error)):
            if self._extras:
                self._extras = False
                self._note(
                    "engine: the server knows only OpenAI's own fields; top_k, "
                    "repetition_penalty, begun turns, closed lists of answers and whether to think "
                    "aloud are left to the model."
                )
            raise Away(str(error)) from error
        if _TOO_MUCH.search(str(error)):
            raise EngineError(
                f"engine.url {self._config.url}: {error}; set sampling.max_tokens to that."
            ) from error
        said = f"HTTP {error.status}: {error}"
        raise RequestRefused("too long" if _TOO_LONG.search(said) else said) from error

    async def _models(self) -> dict[str, dict[str, Any]]:
        async def attempt() -> dict[str, dict[str, Any]]:
            answer = await self._wire.once("models", None, 30)
            return answers.models(answer)

        try:
            return await self._wire.again(attempt)
        except Refused as error:
            url = self._config.url
            advice = (
                "check that an OpenAI-compatible server answers there"
                if url.rstrip("/").endswith("/v1")
                else f"the address probably lacks /v1: {url.rstrip('/')}/v1"
            )
            raise EngineError(
                f"engine.url {url}: it has no list of models (HTTP {error.status}: {error}); "
                f"{advice}."
            ) from error

    def _base(self, name: str, folder: str, served: dict[str, dict[str, Any]]) -> str:
        """Return what the server calls the model.

        Nobody but the user knows what a server calls a folder or a file of this machine, so its
        only model is taken for that; a model with a name must be served by it.
        """
        bases = {id_: card for id_, card in served.items() if not card.get("parent")}
        if name in served:
            return name
        if same := [id_ for id_, card in bases.items() if card.get("root") in (name, folder)]:
            return same[0]
        if len(bases) == 1 and (name == "pocket" or Path(name).exists()):
            (only,) = bases
            shown = one_line(only, 100)
            self._note(f"engine: {self._config.url} has one model, {shown}; it is taken for {name}")
            return only
        raise EngineError(
            f"engine.url {self._config.url}: serves no model {name}; it has: "
            f"{answers.listed(bases)}. Name one of them as the model, or serve it by that "
            "name."
        )

    async def _offer(self, adapter: Adapter, served: dict[str, dict[str, Any]]) -> str:
        """Return the name under which the server has an adapter, having loaded it if need be."""
        # Named by content: another run's adapter, or a redone one, must not answer in its place.
        digest = await asyncio.to_thread(_digest, adapter.path)
        name = f"{adapter.name}-{digest}"
        self._adapters[name] = adapter
        if name in served:
            return name
        if adapter.name in served:
            del self._adapters[name]
            return adapter.name
        await self._load(name, adapter)
        return name

    async def _load(self, name: str, adapter: Adapter) -> None:
        body = {"lora_name": name, "lora_path": str(adapter.path.resolve())}

        async def attempt() -> None:
            await self._wire.once("load_lora_adapter", body, 120)

        try:
            await self._wire.again(attempt)
        except Refused as error:
            if "already" in str(error):
                return
            raise EngineError(
                f"engine.url {self._config.url}: the server does not take adapter {adapter.path} "
                f"({error}); start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve MODEL "
                f"--enable-lora --max-lora-rank {adapter.rank}, where that folder can be read."
            ) from error


def _without_extras(body: dict[str, Any]) -> dict[str, Any]:
    """Return what any server takes; a begun turn then stands there as a turn of its own."""
    return {name: value for name, value in body.items() if name not in _EXTRAS}


def _digest(folder: Path) -> str:
    """Return a short digest of an adapter's weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("adapter_*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
