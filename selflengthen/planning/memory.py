"""Memory: what engine and training take of it, and what this machine has."""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from selflengthen.config import Config, EngineConfig, TrainConfig
from selflengthen.inputs import processor
from selflengthen.inputs.hardware import has_gpu
from selflengthen.inputs.model_shape import Shape
from selflengthen.planning.units import size

_CGROUP = Path("/sys/fs/cgroup/memory.max")
_LIBRARIES = 2 << 30  # bytes that a process takes before it holds a model
_STEP = 256  # tokens by which a length is rounded down
_LEAST = 1024  # tokens; less would drop nearly every row of long texts


@dataclass(frozen=True)
class Device:
    """A device that models run on: one GPU, or the CPU with the machine's memory (bytes)."""

    name: str
    memory: int


@cache
def device() -> Device | None:
    """Return this machine's device; None where its memory cannot be told."""
    if not has_gpu():
        memory = int(psutil.virtual_memory().total)
        with contextlib.suppress(OSError, ValueError):  # no limit
            memory = min(memory, int(_CGROUP.read_text()))
        return Device("this machine", memory)
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return Device("one GPU", min(int(line) for line in done.stdout.split()) << 20)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def number_bytes(dtype: str, shape: Shape) -> int:
    """Return the bytes of a number that is computed with; `dtype` as in `engine.dtype`."""
    if dtype != "auto":
        return 4 if dtype == "float32" else 2
    return 2 if has_gpu() or processor.gains_by_bfloat16(shape.parameters) else 4


def engine_memory(shape: Shape, config: Config) -> tuple[float, str]:
    """Return the bytes that generation takes on this machine, and what that rests on.

    All samples in flight as long as they may get, or as many as the memory has room for.
    """
    engine, tokens = config.engine, config.sampling.max_tokens
    width = number_bytes(engine.dtype, shape)
    weights = shape.parameters * width
    kv_bytes = shape.kv_bytes * width // 2
    sample = kv_bytes * tokens
    wanted = weights + sample * engine.in_flight
    text = (
        f"weights {size(weights)}, and {kv_bytes} bytes of cache per token for {engine.in_flight} "
        f"samples of {tokens} tokens (one takes {size(sample)})"
    )
    free = _engine_room(engine, weights)
    if free is None or wanted <= free or not sample:
        return wanted, text
    count = max(0, int((free - weights) // sample))
    return max(weights, min(wanted, free)), (
        f"{text}; that would be {size(wanted)}, and {_there().name} has room for {size(free)}: "
        f"{count} samples of full length run at once, more while they are shorter"
    )


def _engine_room(engine: EngineConfig, weights: float) -> float | None:
    """Return the bytes that an engine may take: of GPUs its share, of a CPU's memory a quarter."""
    there = device()
    if there is None:
        return None
    if has_gpu():
        return there.memory * engine.gpu_memory * engine.tensor_parallel
    return weights + there.memory / 4


def _there() -> Device:
    return device() or Device("this machine", 0)


def train_memory(shape: Shape, train: TrainConfig) -> tuple[float, str]:
    """Return the bytes for weights, the adapter with gradient and moments, and activations."""
    tokens = train.max_length * train.per_device_batch
    fixed, per_token = _train_parts(shape, train)
    how = "with" if train.gradient_checkpointing else "without"
    value = fixed + per_token * tokens
    text = (
        f"weights, 16 bytes per LoRA parameter, activations of {tokens} tokens {how} gradient "
        "checkpointing, chunked logits"
    )
    there = device()
    if there is not None and value > there.memory:
        text += f"; {there.name} has {size(there.memory)}: lower train.max_length"
    return value, text


def longest_row(shape: Shape, train: TrainConfig) -> int | None:
    """Return the tokens of the longest row that the memory has room for; None if not known."""
    there = device()
    if there is None:
        return None
    fixed, per_token = _train_parts(shape, train)
    free = there.memory - fixed - _LIBRARIES
    tokens = int(free / max(1, per_token * train.per_device_batch))
    return max(_LEAST, tokens // _STEP * _STEP)


def _train_parts(shape: Shape, train: TrainConfig) -> tuple[float, float]:
    """Return the bytes that a training takes whatever its rows, and per token of a step."""
    width = number_bytes("auto" if train.bf16 else "float32", shape)
    fixed = shape.parameters * width + 16 * shape.lora(train.lora_r)
    layer = (8 * shape.hidden + 3 * shape.inner) * width
    checkpoints = shape.hidden * width * shape.layers
    sparing = train.gradient_checkpointing
    return fixed, checkpoints + layer if sparing else layer * shape.layers
