"""The vLLM engine: AsyncLLM in this process, its engine core in child processes.

Both adapters of a phase are loaded at once. Prompts are token ids; a text comes in pieces of many
tokens, and is searched for loops in between (see `loops`). Each request has its own seed, so
sampling does not depend on the batch (rounding still may). vLLM writes to a log file, never to the
terminal, and its processes end with this one (see `guard`).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import itertools
import json
import multiprocessing
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from selflengthen.config import EngineConfig
from selflengthen.engines import vllm_arguments, vllm_log, vllm_start
from selflengthen.engines.base import Adapters, Completion, Request, Role
from selflengthen.engines.chat import Chat, load
from selflengthen.engines.cpu import cache_gib
from selflengthen.engines.guard import Guard
from selflengthen.engines.loops import EVERY, Writing
from selflengthen.errors import EngineError, RequestRefused
from selflengthen.inputs import model_files

_SEEDS = 2**63
_REAP_SECONDS = 5.0  # a killed process is gone by then
_adapter_ids = itertools.count(1)  # unique in this process, whatever engine loads the adapters


class VllmEngine:
    """An engine on this machine's GPUs, or on its CPU with vLLM's CPU build."""

    def __init__(
        self, llm: Any, chat: Chat, loras: Mapping[Role, Any], guard: Guard, log: Path
    ) -> None:
        """Use `open` instead."""
        self._llm = llm
        self._chat = chat
        self._loras = loras
        self._guard = guard
        self._log = log
        self._request_ids = itertools.count()
        self._closed = False

    @classmethod
    async def open(
        cls,
        config: EngineConfig,
        model: str | Path,
        adapters: Adapters,
        *,
        on_note: Callable[[str], None],
        log: Path | None = None,
    ) -> VllmEngine:
        """Start vLLM and wait until it answers; it logs to `log`, by default to a temporary file.

        Raises UserError for a model that cannot be used, EngineError when vLLM does not start.
        """
        chat = await asyncio.to_thread(load, model, config.context)
        for adapter in adapters.values():
            model_files.check_adapter(adapter.path)
        on_note("engine: starting vLLM (half a minute or more) ...")
        guard = Guard()
        log = log or guard.folder / "vllm.log"
        llm = await _start_in_thread(
            lambda: _start(config, model, adapters, chat.context, guard, log), guard, log
        )
        from vllm.lora.request import LoRARequest

        loras = {
            role: LoRARequest(adapter.name, next(_adapter_ids), str(adapter.path))
            for role, adapter in adapters.items()
        }
        return cls(llm, chat, loras, guard, log)

    async def complete(self, request: Request) -> Completion:
        """Answer one request."""
        from vllm.exceptions import VLLMClientError
        from vllm.inputs import tokens_input

        prompt = await self._chat.encode(request)
        writing = Writing()
        try:
            outputs = self._llm.generate(
                tokens_input(prompt),
                self._params(request, prompt),
                request_id=str(next(self._request_ids)),
                lora_request=self._loras.get(request.role),
            )
            async with contextlib.aclosing(outputs):  # which ends a request that loops
                async for output in outputs:
                    piece = output.outputs[0]
                    if writing.add(piece.text, piece.token_ids, piece.finish_reason):
                        break
        except (VLLMClientError, ValueError) as error:
            raise RequestRefused(str(error)) from error
        except Exception as error:
            raise EngineError(self._death_message()) from error
        if writing.reason is None or writing.reason in ("abort", "error"):
            raise EngineError(self._death_message())
        text = writing.text
        if writing.reason == "repetition":
            text = self._chat.tokenizer.decode(writing.tokens, skip_special_tokens=True)
        return Completion(text, writing.reason, len(prompt), len(writing.tokens))

    async def close(self) -> None:
        """End vLLM and all its processes."""
        if self._closed:
            return
        self._closed = True
        await _stop_reading(self._llm)
        # An orderly shutdown takes the core seconds, and it has nothing to save.
        await asyncio.to_thread(self._llm.shutdown, 0.1)
        self._llm = None
        await asyncio.to_thread(_end, self._guard)
        # The remains of AsyncLLM warn when they are collected, most of all at interpreter exit.
        with warnings.catch_warnings(action="ignore"):
            gc.collect()

    def _params(self, request: Request, prompt: list[int]) -> Any:
        from vllm.sampling_params import (
            RequestOutputKind,
            SamplingParams,
            StructuredOutputsParams,
        )

        sampling = request.sampling
        structured = None
        if request.choices:
            structured = StructuredOutputsParams(choice=list(request.choices))
        elif request.schema:
            structured = StructuredOutputsParams(json=dict(request.schema))
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            repetition_penalty=sampling.repetition_penalty,
            max_tokens=self._chat.most_tokens(request, prompt),
            stop=list(sampling.stop) or None,
            seed=request.seed % _SEEDS,
            output_kind=RequestOutputKind.DELTA,
            stream_interval=EVERY,
            structured_outputs=structured,
            skip_clone=True,
        )

    def _death_message(self) -> str:
        if self._closed:
            return "vLLM was closed while a request was in progress."
        reason = vllm_log.last_error(self._log) or "it logged no error"
        return f"vLLM died: {reason}{vllm_log.location(self._log)}"


async def _stop_reading(llm: Any) -> None:
    """Stop the task that reads the core's output, before the core ends.

    It would log the core's end as an accident. Requests in progress fail; without their reader they
    would wait for ever.
    """
    from vllm.v1.engine.exceptions import EngineDeadError

    reader = llm.output_handler
    if reader is not None and not reader.done():
        reader.cancel()
        await asyncio.wait([reader])
    llm.output_processor.propagate_error(EngineDeadError())


async def _start_in_thread(start: Callable[[], Any], guard: Guard, log: Path) -> Any:
    """Run `start` in a thread; where it fails or is cancelled, end all its processes."""
    starting = asyncio.ensure_future(asyncio.to_thread(start))
    try:
        return await asyncio.shield(starting)
    except Exception as error:
        reason = vllm_log.last_error(log) or str(error)
        await asyncio.to_thread(_end, guard)
        raise EngineError(f"vLLM did not start: {reason}{vllm_log.location(log)}") from error
    except asyncio.CancelledError:
        # A thread cannot be stopped, but without its engine core it ends by itself.
        while not starting.done():
            await asyncio.to_thread(guard.kill)
        starting.exception()
        await asyncio.to_thread(_end, guard)
        raise


def _start(
    config: EngineConfig,
    model: str | Path,
    adapters: Adapters,
    context: int,
    guard: Guard,
    log: Path,
) -> Any:
    """Return a running AsyncLLM; blocks until it answers."""
    logging_config = guard.folder / "logging.json"
    logging_config.write_text(json.dumps(vllm_log.configuration(log)))
    cache = cache_gib(config, model, context)
    settings = vllm_start.settings(model, logging_config, guard.folder, cache)
    settings |= dict(guard.environment)
    with (
        # Set back afterwards: this process and the trainer must not inherit vLLM's settings.
        vllm_start.environment(settings),
        vllm_start.interrupts_blocked(),
        warnings.catch_warnings(action="ignore"),
    ):
        from vllm.platforms import current_platform
        from vllm.v1.engine.async_llm import AsyncLLM

        cpu = current_platform.is_cpu()
        if vllm_arguments.runs_in_single_process(config, cpu):
            os.environ.update(vllm_arguments.single_process_environment(model, guard.folder))
        return AsyncLLM.from_engine_args(
            vllm_arguments.build(
                config,
                model,
                adapters.values(),
                context=context,
                cpu=cpu,
                logging_config=logging_config,
            )
        )


def _end(guard: Guard) -> None:
    """Kill vLLM's processes and reap the core, which would else stay a zombie until we end."""
    guard.close()
    for process in multiprocessing.active_children():  # reaps those that have ended
        if process.name.startswith("EngineCore"):
            process.join(_REAP_SECONDS)


def why_unusable() -> str | None:
    """Return why vLLM cannot be used on this machine, or None; the import takes seconds."""
    if importlib.util.find_spec("vllm") is None:
        return "vllm is not installed"
    try:
        with vllm_start.environment(vllm_start.SILENT), warnings.catch_warnings(action="ignore"):
            from vllm.platforms import current_platform
            from vllm.v1.engine import async_llm  # noqa: F401
    except Exception as error:  # whatever a broken installation raises
        return f"vllm cannot be imported: {(str(error) or repr(error)).splitlines()[0]}"
    if current_platform.is_unspecified():
        return "vllm is installed, but not for this machine's hardware"
    return None
