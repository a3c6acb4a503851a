"""What surrounds vLLM while it starts: the environment that it reads, and Ctrl-C blocked."""

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
    "TORCH_LOGS": "-torch._library",  # warns that Triton is missing, which a CPU does not need
}
_MAX_SOCKET_FOLDER = 64  # characters; in a folder with a longer path no socket can be opened


def settings(
    model: str | Path, logging_config: Path, folder: Path, cache_gib: int
) -> dict[str, str]:
    """Return the environment in which vLLM is started.

    `logging_config` is the logging configuration's file; sockets lie in `folder`.
    On a CPU, the cache takes `cache_gib`.
    """
    variables = SILENT | {
        "VLLM_LOGGING_CONFIG_PATH": str(logging_config),
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a fork does not show the guard's mark
        "VLLM_CPU_KVCACHE_SPACE": os.environ.get("VLLM_CPU_KVCACHE_SPACE", str(cache_gib)),
    }
    if len(str(folder)) < _MAX_SOCKET_FOLDER:
        variables["VLLM_RPC_BASE_PATH"] = str(folder)  # its sockets are removed with the folder
    if Path(model).is_dir():
        variables |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return variables


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, and restore the environment afterwards."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C in processes that are started here: the controller handles it."""
    # Started here, the tracker would unblock it again, and the guard would take it for vLLM's.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
