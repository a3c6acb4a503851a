"""What engines do on a CPU: threads, types of numbers, and memory for vLLM's cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from selflengthen.config import EngineConfig
from selflengthen.inputs import processor
from selflengthen.inputs.model_shape import shape_in

_GIB = 2**30
_SHARE = 4  # of the free memory, vLLM's cache takes at most one part in so many


def dtype(config: EngineConfig, model: str | Path) -> str:
    """Return the type of numbers that a model is computed in: `float32` or `bfloat16`."""
    if config.dtype != "auto":
        return config.dtype
    parameters = shape_in(Path(model)).parameters
    return "bfloat16" if processor.gains_by_bfloat16(parameters) else "float32"


def vllm_options(context: int, dtype: str) -> dict[str, Any]:
    """Return what vLLM needs to be told on a CPU.

    A prompt must not be read in parts: after a part, a GPU's random generator is set back, which a
    CPU's cannot be, and the engine core dies of it ("CPU Generator does not use offset").
    """
    return {
        "dtype": dtype,
        "enforce_eager": True,
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(context, 8192),
    }


def cache_gib(config: EngineConfig, model: str | Path, context: int, dtype: str) -> int:
    """Return the GiB of vLLM's cache: for all samples in flight, within a quarter of the memory."""
    kv_bytes = shape_in(Path(model)).kv_bytes * (2 if dtype == "float32" else 1)
    wanted = -(-config.in_flight * context * kv_bytes // _GIB)
    room = int(psutil.virtual_memory().available) // _SHARE // _GIB
    return max(1, min(wanted, room))


def threads() -> int:
    """Return the threads that compute: all cores."""
    return int(os.environ.get("G3_THREADS") or processor.cores())
