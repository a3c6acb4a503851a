"""What hardware this machine has, as far as can be seen without importing torch."""

from __future__ import annotations

import shutil
from pathlib import Path


def has_gpu() -> bool:
    """Return whether this machine has an NVIDIA GPU or its driver."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
