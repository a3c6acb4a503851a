"""Any OpenAI-compatible server, over chat completions.

While a server is busy or down, requests are retried with increasing delays, no sooner than its
`Retry-After`, for at most `engine.patience` seconds. To let a vLLM server load the adapters:

    VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve MODEL --enable-lora --max-lora-rank R

The server must be able to read the adapter folders under the same paths. Any other server must
already serve an adapter under its own name.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from selflengthen.config import EngineConfig
from selflengthen.engines import answers, chat
from selflengthen.engines.answers import ServedModel
from selflengthen.engines.base import Adapter, Adapters, Completion, Request, Role
from selflengthen.engines.wire import JSONObject, Rejected, Unavailable, Wire
from selflengthen.errors import EngineError, RequestRefused, UserError
from selflengthen.text.printable import one_line

_TOO_LONG = re.compile(r"context.{0,20}length|maximum.{0,40}(length|tokens)|too (long|large)", re.I)
_UNKNOWN_FIELD = re.compile(
    r"(unknown|unrecogni[sz]ed|unsupported|unexpected|extra).{0,60}(argument|parameter|field|input)",
    re.I,
)
_TOO_MANY_TOKENS = re.compile(r"at most \d+ completion tokens", re.I)  # whatever the prompt
_NO_SCHEMA = re.compile("response_format|json_schema|schema", re.I)
_VLLM_FIELDS = (
    *("top_k", "repetition_penalty", "repetition_detection", "structured_outputs"),
    *("continue_final_message", "add_generation_prompt", "chat_template_kwargs"),
)
_CHOICE_ATTEMPTS = 3  # at an answer from a closed list


def time_limit(max_tokens: int) -> float:
    """Return how many seconds a completion of that many tokens may take on a busy server."""
    return 60 + 0.1 * max_tokens


def most_bytes(max_tokens: int) -> int:
    """Return how many bytes an answer with a completion of that many tokens may have.

    A token can be 128 spaces, and a model may write nothing else until it is stopped. That is a
    text to reject, but no reason to end the run.
    """
    return 2**20 + 256 * max_tokens


class OpenAIEngine:
    """A client; it holds nothing but connections."""

    def __init__(
        self,
        config: EngineConfig,
        *,
        seconds: Callable[[int], float] = time_limit,
        on_note: Callable[[str], None],
    ) -> None:
        """Make a client that knows no model yet; see `open`."""
        self._config = config
        self._seconds = seconds
        self._note = on_note
        self._wire = Wire(config)
        self._chat: chat.Chat | None = None
        self._names: dict[Role, str] = {}
        self._adapters: dict[str, Adapter] = {}  # loaded by this engine, by their served names
        self._takes_vllm_fields = True
        self._takes_schemas = True

    @classmethod
    async def open(
        cls,
        config: EngineConfig,
        model: str | Path,
        adapters: Adapters,
        *,
        name: str = "",
        on_note: Callable[[str], None],
        seconds: Callable[[int], float] = time_limit,
    ) -> OpenAIEngine:
        """Find the model on the server, by its name or as the folder `model`; load the adapters.

        `seconds` returns how long a completion of that many tokens may take. Raises EngineError if
        the server does not answer, or lacks the model or an adapter.
        """
        engine = cls(config, seconds=seconds, on_note=on_note)
        try:
            engine._chat = await asyncio.to_thread(chat.load, model, config.context)
        except UserError:
            on_note("engine: no tokenizer for this model here; the server counts the tokens.")
        try:
            served = await engine._models()
            engine._names["base"] = base = engine._base(name or str(model), str(model), served)
            context = served[base].context
            if engine._chat and context:
                engine._chat.context = min(engine._chat.context, context)
            for role, adapter in adapters.items():
                engine._names[role] = await engine._offer(adapter, served)
        except BaseException:
            await engine.close()
            raise
        return engine

    async def complete(self, request: Request) -> Completion:
        """Answer one request; retries for as long as that may help."""
        body = self._body(request)
        if not request.choices:
            return await self._chat_completion(body, request.role)
        for attempt in range(_CHOICE_ATTEMPTS):
            seeded = body | {"seed": body["seed"] + attempt}
            completion = await self._chat_completion(seeded, request.role)
            choice = answers.chosen(completion.text, request.choices)
            if choice is not None:
                return dataclasses.replace(completion, text=choice, finish_reason="stop")
        raise RequestRefused(f"the server answered none of: {', '.join(request.choices)}")

    async def close(self) -> None:
        """Unload the adapters that this engine loaded, and close all connections."""
        for name in self._adapters:
            try:
                await self._wire.send("unload_lora_adapter", {"lora_name": name}, 10)
            except (EngineError, Unavailable, Rejected):
                break
        self._adapters = {}
        await self._wire.close()

    def _body(self, request: Request) -> JSONObject:
        safe: Callable[[str], str] = self._chat.defuse if self._chat else chat.clean
        sampling = request.sampling
        # A server with a template that has no system turn would reject every request.
        messages = self._chat.fitted(request.messages) if self._chat else request.messages
        turns = [{"role": m.role, "content": safe(m.content)} for m in messages]
        body: JSONObject = {
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
            prompt = self._chat.render(request.messages, request.prefix)
            if len(prompt) >= self._chat.context:
                raise RequestRefused("too long")
            body["max_tokens"] = self._chat.most_tokens(request, prompt)
        if request.prefix:
            turns.append({"role": "assistant", "content": safe(request.prefix)})
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        if request.choices:
            body["structured_outputs"] = {"choice": list(request.choices)}
        elif request.schema and self._takes_schemas:
            schema = {"name": "answer", "schema": dict(request.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    async def _chat_completion(self, body: JSONObject, role: Role) -> Completion:
        seconds = self._seconds(body["max_tokens"])
        max_bytes = most_bytes(body["max_tokens"])

        async def attempt() -> Completion:
            unsupported: set[str] = set()
            if not self._takes_vllm_fields:  # a prefix then becomes a turn of its own
                unsupported.update(_VLLM_FIELDS)
            if not self._takes_schemas:
                unsupported.add("response_format")
            sent = {name: value for name, value in body.items() if name not in unsupported}
            try:
                answer = await self._wire.send("chat/completions", sent, seconds, max_bytes)
                return answers.completion(answer)
            except Rejected as error:
                await self._adapt(error, role, sent)

        return await self._wire.retry(attempt)

    async def _adapt(self, error: Rejected, role: Role, sent: Mapping[str, Any]) -> NoReturn:
        """Adapt to a server that rejected a request; raise Unavailable if a retry may now help.

        Raises RequestRefused or EngineError if it will not.
        """
        name = self._names.get(role, "")
        if error.status == 404 and name in self._adapters:
            # The server was restarted and has lost its adapters.
            await self._load(name, self._adapters[name])
            raise Unavailable(str(error)) from error
        if error.status == 404:
            raise EngineError(f"engine.url {self._config.url}: {error} (HTTP 404)") from error
        if "response_format" in sent and _NO_SCHEMA.search(str(error)):
            if self._takes_schemas:
                self._takes_schemas = False
                self._note(
                    "engine: the server supports no JSON schema; the format is left to the model."
                )
            raise Unavailable(str(error)) from error
        if not sent.keys().isdisjoint(_VLLM_FIELDS) and _UNKNOWN_FIELD.search(str(error)):
            if self._takes_vllm_fields:
                self._takes_vllm_fields = False
                self._note(
                    "engine: the server supports only OpenAI's own fields; top_k, "
                    "repetition_penalty, prefixes, lists of choices and thinking are left to the "
                    "model."
                )
            raise Unavailable(str(error)) from error
        if _TOO_MANY_TOKENS.search(str(error)):
            raise EngineError(
                f"engine.url {self._config.url}: {error}; set sampling.max_tokens to that number."
            ) from error
        message = f"HTTP {error.status}: {error}"
        raise RequestRefused("too long" if _TOO_LONG.search(message) else message) from error

    async def _models(self) -> dict[str, ServedModel]:
        async def attempt() -> dict[str, ServedModel]:
            answer = await self._wire.send("models", None, 30)
            return answers.models(answer)

        try:
            return await self._wire.retry(attempt)
        except Rejected as error:
            url = self._config.url.rstrip("/")
            advice = "check that an OpenAI-compatible server answers there"
            if not url.endswith("/v1"):
                advice = f"the address probably lacks /v1: {url}/v1"
            raise EngineError(
                f"engine.url {self._config.url}: the server has no list of models "
                f"(HTTP {error.status}: {error}); {advice}."
            ) from error

    def _base(self, name: str, folder: str, served: Mapping[str, ServedModel]) -> str:
        """Return what the server calls the model.

        There is no way to know what a server calls a folder or file of this machine, so a
        server's only model is used for it. A model with a name must be served under that name.
        """
        bases = {name: model for name, model in served.items() if not model.is_adapter}
        if name in served:
            return name
        if matches := [id_ for id_, model in bases.items() if model.root in (name, folder)]:
            return matches[0]
        if len(bases) == 1 and (name == "pocket" or Path(name).exists()):
            (only,) = bases
            self._note(
                f"engine: {self._config.url} serves one model, {one_line(only, 100)}; using it as "
                f"{name}"
            )
            return only
        raise EngineError(
            f"engine.url {self._config.url}: the server has no model {name}, only: "
            f"{answers.listed(bases)}; set `model` to one of these, or serve it under that name."
        )

    async def _offer(self, adapter: Adapter, served: Mapping[str, ServedModel]) -> str:
        """Return the name under which the server has an adapter; loads it if necessary."""
        # Named by content: another run's adapter, or an older one, must not answer in its place.
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
            await self._wire.send("load_lora_adapter", body, 120)

        try:
            await self._wire.retry(attempt)
        except Rejected as error:
            if "already" in str(error):
                return
            raise EngineError(
                f"engine.url {self._config.url}: the server does not load adapter {adapter.path} "
                f"({error}); start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve MODEL "
                f"--enable-lora --max-lora-rank {adapter.rank}, where it can read that folder."
            ) from error


def _digest(folder: Path) -> str:
    """Return a short digest of an adapter's weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("adapter_*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
