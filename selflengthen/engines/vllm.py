"""The vLLM engine: AsyncLLM in this process, its engine core in child processes.

Both adapters of a phase are loaded at once. Prompts are token ids; a text comes in pieces of many
tokens, and is searched for loops in between (see `loops`). Each request has its own seed, so its
sampling does not depend on the batch (rounding may still differ from batch to batch). vLLM writes
to a log file, never to the terminal, and its processes end with this one (see `guard`).
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
from selflengthen.engines import chat, cpu, loops, vllm_log, vllm_start
from selflengthen.engines.base import Adapters, Completion, Request, Role
from selflengthen.engines.guard import Guard
from selflengthen.errors import EngineError, RequestRefused
from selflengthen.inputs import model_files

_LEAST_RANK = 8  # vLLM knows ranks from 8 up, in powers of two
_SEEDS = 2**63
_REAPED = 5.0  # seconds in which a killed process is gone
# On a CPU vLLM puts its worker into a process of its own, only to pin it to all cores but one. The
# engine core can do the work itself: one process less to start, and nothing left in shared memory.
_ONE_PROCESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
_ids = itertools.count(1)  # of adapters: unique in this process, whatever engine loads them


class VllmEngine:
    """An engine on this machine's GPUs, or on its CPU with vLLM's CPU build."""

    def __init__(
        self, llm: Any, chat: chat.Chat, adapters: Mapping[Role, Any], guard: Guard, log: Path
    ) -> None:
        """Use `open` instead; this takes what it made."""
        self._llm, self._chat, self._adapters = llm, chat, adapters
        self._guard, self._log = guard, log
        self._numbers = itertools.count()
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
        """Start vLLM and wait until it answers; `log` takes what it says, else a temporary file.

        Raises UserError for a model that cannot be used, EngineError when vLLM does not start.
        """
        conversation = await asyncio.to_thread(chat.load, model, config.context)
        for adapter in adapters.values():
            model_files.check_adapter(adapter.path)
        on_note("engine: starting vLLM (half a minute or more) ...")
        guard = Guard()
        log = log or guard.folder / "vllm.log"
        start = asyncio.ensure_future(
            asyncio.to_thread(_start, config, model, adapters, conversation.context, guard, log)
        )
        try:
            llm = await asyncio.shield(start)
        except Exception as error:
            reason = vllm_log.last_error(log) or str(error)
            await asyncio.to_thread(_end, guard)
            raise EngineError(f"vLLM did not start: {reason}{vllm_log.whereabouts(log)}") from error
        except asyncio.CancelledError:
            # A thread cannot be stopped; without its engine core it ends by itself.
            while not start.done():
                await asyncio.to_thread(guard.kill)
            start.exception()
            await asyncio.to_thread(_end, guard)
            raise
        from vllm.lora.request import LoRARequest

        loaded = {
            role: LoRARequest(adapter.name, next(_ids), str(adapter.path))
            for role, adapter in adapters.items()
        }
        return cls(llm, conversation, loaded, guard, log)

    async def complete(self, request: Request) -> Completion:
        """Answer one request."""
        from vllm.exceptions import VLLMClientError
        from vllm.inputs import tokens_input

        prompt = await self._chat.encode(request)
        writing = loops.Writing()
        try:
            outputs = self._llm.generate(
                tokens_input(prompt),
                self._params(request, prompt),
                request_id=str(next(self._numbers)),
                lora_request=self._adapters.get(request.role),
            )
            async with contextlib.aclosing(outputs):  # which ends a request that loops
                async for output in outputs:
                    piece = output.outputs[0]
                    if writing.add(piece.text, piece.token_ids, piece.finish_reason):
                        break
        except (VLLMClientError, ValueError) as error:
            raise RequestRefused(str(error)) from error
        except Exception as error:
            raise EngineError(self._obituary()) from error
        if writing.reason in (None, "abort", "error"):
            raise EngineError(self._obituary())
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
        # The core takes seconds to leave in good order and has nothing to put in order.
        await asyncio.to_thread(self._llm.shutdown, 0.1)
        self._llm = None
        await asyncio.to_thread(_end, self._guard)
        # What is left of AsyncLLM complains when it goes, most of all at interpreter exit.
        with warnings.catch_warnings(action="ignore"):
            gc.collect()

    def _params(self, request: Request, prompt: list[int]) -> Any:
        from vllm.sampling_params import (
            RequestOutputKind,
            SamplingParams,
            StructuredOutputsParams,
        )

        sampling, structured = request.sampling, None
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
            stream_interval=loops.EVERY,
            structured_outputs=structured,
            skip_clone=True,
        )

    def _obituary(self) -> str:
        if self._closed:
            return "vLLM was closed while a request was in work."
        reason = vllm_log.last_error(self._log) or "it said nothing"
        return f"vLLM died: {reason}{vllm_log.whereabouts(self._log)}"


async def _stop_reading(llm: Any) -> None:
    """End the task that reads what the core writes, before the core goes.

    It would take the end for an accident and log that. Requests in work, which would then wait for
    ever, fail.
    """
    from vllm.v1.engine.exceptions import EngineDeadError

    reader = llm.output_handler
    if reader is not None and not reader.done():
        reader.cancel()
        await asyncio.wait([reader])
    llm.output_processor.propagate_error(EngineDeadError())


def _end(guard: Guard) -> None:
    """Kill what vLLM started, and collect the core: else it stays as a zombie until we end."""
    guard.close()
    for process in multiprocessing.active_children():  # collects those that have ended
        if process.name.startswith("EngineCore"):
            process.join(_REAPED)


def _start(
    config: EngineConfig,
    model: str | Path,
    adapters: Adapters,
    context: int,
    guard: Guard,
    log: Path,
) -> Any:
    logging = guard.folder / "logging.json"
    logging.write_text(json.dumps(vllm_log.configuration(log)))
    dtype = cpu.dtype(config, model)
    cache = cpu.cache_gib(config, model, context, dtype)
    # Its own environment would otherwise carry over into this process and the trainer's.
    settings = vllm_start.settings(model, logging, guard.folder, cache) | dict(guard.environment)
    with (
        vllm_start.environment(settings),
        vllm_start.interrupts_held(),
        warnings.catch_warnings(action="ignore"),
    ):
        from vllm.config.logging import LoggingConfig
        from vllm.config.structured_outputs import StructuredOutputsConfig
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.platforms import current_platform
        from vllm.v1.engine.async_llm import AsyncLLM

        on_cpu = current_platform.is_cpu()
        options: dict[str, Any] = {"dtype": config.dtype}
        if on_cpu:
            options = cpu.vllm_options(context, dtype)
        if on_cpu and config.tensor_parallel == 1:
            os.environ.update(_ONE_PROCESS)
            os.environ.setdefault("OMP_NUM_THREADS", str(cpu.threads()))
            os.environ["TMPDIR"] = str(guard.folder)  # a file by which processes would meet
            options["distributed_executor_backend"] = "uni"
        if adapters:
            rank = max(_LEAST_RANK, *(a.rank for a in adapters.values()))
            options |= {
                "enable_lora": True,
                # On a CPU, a request without an adapter gets the one in the last slot (an index of
                # -1), so that slot stays empty.
                "max_loras": len(adapters) + on_cpu,
                "max_lora_rank": 1 << (rank - 1).bit_length(),
            }
        return AsyncLLM.from_engine_args(
            AsyncEngineArgs(
                model=str(model),
                trust_remote_code=False,  # code of a model's folder is never run
                load_format="safetensors",  # and its pickled weights are never read
                max_model_len=context,
                max_num_seqs=config.in_flight,
                gpu_memory_utilization=config.gpu_memory,
                tensor_parallel_size=config.tensor_parallel,
                enable_prefix_caching=True,
                disable_log_stats=True,
                use_tqdm_on_load=False,
                # A weak model that must write JSON writes blank lines for as long as it may.
                structured_outputs_config=StructuredOutputsConfig(
                    backend="xgrammar", disable_any_whitespace=True
                ),
                logging_config=LoggingConfig(pylogging_config_file=str(logging)),
                **options,
            )
        )


def trouble() -> str | None:
    """Return why vLLM cannot be used on this machine, or none; imports it, which takes a while."""
    if importlib.util.find_spec("vllm") is None:
        return "vllm is not installed"
    try:
        with vllm_start.environment(vllm_start.SILENT), warnings.catch_warnings(action="ignore"):
            from vllm.platforms import current_platform
            from vllm.v1.engine import async_llm  # noqa: F401
    except Exception as error:  # whatever a broken installation raises
        return f"vllm cannot be imported: {(str(error) or repr(error)).splitlines()[0]}"
    if current_platform.is_unspecified():
        return "vllm is installed, but for other hardware than this machine has"
    return None
