"""What engines need to know of a CPU: number type, threads, and memory for vLLM's cache."""

from __future__ import annotations

from pathlib import Path

import psutil  # type: ignore[import-untyped]

from selflengthen.config import EngineConfig
from selflengthen.inputs import processor
from selflengthen.inputs.model_shape import shape_in

_GIB = 2**30
_CACHE_SHARE = 4  # vLLM's cache takes at most a quarter of the free memory


def number_type(config: EngineConfig, model: str | Path) -> str:
    """Return the type of numbers that the model computes in: `float32` or `bfloat16`."""
    if config.dtype != "auto":
        return config.dtype
    parameters = shape_in(Path(model)).parameters
    return "bfloat16" if processor.gains_by_bfloat16(parameters) else "float32"


def cache_gib(config: EngineConfig, model: str | Path, context: int) -> int:
    """Return the GiB of vLLM's cache: for all samples in flight, if the memory allows it."""
    width = 4 if number_type(config, model) == "float32" else 2
    wanted = config.in_flight * context * shape_in(Path(model)).kv_bytes * width // 2
    free = int(psutil.virtual_memory().available) // _CACHE_SHARE
    return max(1, min(-(-wanted // _GIB), free // _GIB))


def threads(model: str | Path) -> int:
    """Return the number of computing threads: all cores.

    A small model's steps are short, and this process has to keep up with them: it keeps a core.
    """
    small = shape_in(Path(model)).parameters < processor.LEAST_PARAMETERS
    return max(1, processor.cores() - small)
