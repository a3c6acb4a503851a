"""What can be said of the machine without torch."""

from __future__ import annotations

import shutil
from pathlib import Path


def has_gpu() -> bool:
    """Say whether there is an NVIDIA GPU, from its driver or its tool; neither is started."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
