"""The arguments vLLM is started with: those of every machine, of a CPU, and of adapters."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from selflengthen.config import EngineConfig
from selflengthen.engines.base import Adapter
from selflengthen.engines.cpu import number_type, threads

_MIN_LORA_RANK = 8  # vLLM supports ranks from 8 up, in powers of two
# On a CPU vLLM puts its worker into a process of its own, only to pin it to all cores but one. The
# engine core can do the work itself: one process less to start, and nothing left in shared memory.
_SINGLE_PROCESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}


def build(
    config: EngineConfig,
    model: str | Path,
    adapters: Iterable[Adapter],
    *,
    context: int,
    cpu: bool,
    logging_config: Path,
) -> Any:
    """Return vLLM's AsyncEngineArgs; `context` is the most tokens of prompt and completion."""
    from vllm.config.logging import LoggingConfig
    from vllm.config.structured_outputs import StructuredOutputsConfig
    from vllm.engine.arg_utils import AsyncEngineArgs

    options: dict[str, Any] = {"dtype": config.dtype}
    if cpu:
        options = _cpu_options(context, number_type(config, model))
    if runs_in_single_process(config, cpu):
        options["distributed_executor_backend"] = "uni"
    return AsyncEngineArgs(
        model=str(model),
        trust_remote_code=False,  # code in a model's folder is never run
        load_format="safetensors",  # and its pickled weights are never read
        max_model_len=context,
        max_num_seqs=config.in_flight,
        gpu_memory_utilization=config.gpu_memory,
        tensor_parallel_size=config.tensor_parallel,
        enable_prefix_caching=True,
        disable_log_stats=True,
        use_tqdm_on_load=False,
        # A weak model that must write JSON writes blank lines for as long as it is allowed to.
        structured_outputs_config=StructuredOutputsConfig(
            backend="xgrammar", disable_any_whitespace=True
        ),
        logging_config=LoggingConfig(pylogging_config_file=str(logging_config)),
        **options,
        **_lora_options(list(adapters), cpu),
    )


def runs_in_single_process(config: EngineConfig, cpu: bool) -> bool:
    """Return whether the engine core does the worker's job itself."""
    return cpu and config.tensor_parallel == 1


def single_process_environment(model: str | Path, folder: Path) -> dict[str, str]:
    """Return the environment for an engine core without a separate worker.

    `folder` takes the file through which processes would find each other.
    """
    number = os.environ.get("OMP_NUM_THREADS", str(threads(model)))
    # Threads that wait for each other sleep. If they spin, they take the core from this process and
    # from whatever else runs on the machine, and so from the very thread that they wait for.
    policy = os.environ.get("OMP_WAIT_POLICY", "passive")
    return {
        **_SINGLE_PROCESS,
        "OMP_NUM_THREADS": number,
        "OMP_WAIT_POLICY": policy,
        "TMPDIR": str(folder),
    }


def _cpu_options(context: int, dtype: str) -> dict[str, Any]:
    """Return the options that a CPU needs.

    A prompt must not be prefilled in chunks: after a chunk, vLLM sets a GPU's random generator
    back. A CPU's cannot be set back, and the engine core dies ("CPU Generator does not use
    offset").
    """
    return {
        "dtype": dtype,
        "enforce_eager": True,
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(context, 8192),
    }


def _lora_options(adapters: list[Adapter], cpu: bool) -> dict[str, Any]:
    if not adapters:
        return {}
    rank = max(_MIN_LORA_RANK, *(adapter.rank for adapter in adapters))
    return {
        "enable_lora": True,
        # On a CPU, a request without an adapter gets the adapter in the last slot (an index of -1),
        # so that slot stays empty.
        "max_loras": len(adapters) + cpu,
        "max_lora_rank": 1 << (rank - 1).bit_length(),
    }
