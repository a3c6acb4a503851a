"""The peak memory of a process."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path


def peak_memory() -> int:
    """Return this process's peak resident memory in bytes.

    On Linux it is read from /proc, since the figure of getrusage includes the peak of the process
    that started this one.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
