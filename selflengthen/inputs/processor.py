"""What this machine's processor can do, as far as it decides how a model is computed."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_WITH_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # the last is Arm's
LEAST_PARAMETERS = 30_000_000
"""Smaller models stay in float32: between the pocket model and SmolLM2-135M, which gains half."""


def gains_by_bfloat16(parameters: int) -> bool:
    """Whether a model computes faster in bfloat16 than in float32 on this CPU.

    `make bench` measures both (benchmarks/bench_precision.py).
    """
    return parameters >= LEAST_PARAMETERS and has_bfloat16()


@cache
def has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16; macOS and Windows do not say."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not _WITH_BFLOAT16.isdisjoint(flags.lower().split())


def cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
