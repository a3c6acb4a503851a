"""What surrounds vLLM while it starts: the environment it reads, and signals that are held back."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from multiprocessing import resource_tracker
from pathlib import Path

SILENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "TRANSFORMERS_VERBOSITY": "error",
    "PYTHONWARNINGS": "ignore",
    "TORCH_LOGS": "-torch._library",  # warns of a missing Triton, which a CPU does not need
}
_SOCKET_FOLDER = 64  # longest path of a folder in which a socket can still be opened


def settings(model: str | Path, logging: Path, folder: Path, cache_gib: int) -> dict[str, str]:
    """Return the environment in which vLLM is started; on a CPU its cache takes `cache_gib`."""
    chosen = SILENT | {
        "VLLM_LOGGING_CONFIG_PATH": str(logging),
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a fork does not show the guard's mark
        "VLLM_CPU_KVCACHE_SPACE": os.environ.get("VLLM_CPU_KVCACHE_SPACE", str(cache_gib)),
    }
    if len(str(folder)) < _SOCKET_FOLDER:
        chosen["VLLM_RPC_BASE_PATH"] = str(folder)  # its sockets go when the folder goes
    if Path(model).is_dir():
        chosen |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return chosen


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, and put the environment back as it was."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back from processes started here: it is the controller's to handle."""
    # The tracker's start would release it again, and the guard must not take it for vLLM's.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
