"""Child processes: their environment, how they are started and ended, and why they ended.

A child's memory, a GPU's included, is free again when it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from selflengthen.inputs import hardware
from selflengthen.training.guard import STOPPED

SAVE_SECONDS = 10.0
"""How long a child may take to save after SIGTERM."""

# glibc would return memory and take it again all the time; steps are 25 to 70 % faster like this.
_ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
    "MALLOC_TOP_PAD_": str(256 * 2**20),
}

# Threads that wait for each other sleep. By default they spin, and on a core with other work that
# keeps the thread that they wait for from running (docs/engines.md has the figures).
_THREADS = {"OMP_WAIT_POLICY": "passive"}


def environment() -> dict[str, str]:
    """Return the environment of a child that can import this package, wherever it is installed."""
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def training_environment(launcher: str) -> dict[str, str]:
    """Return the environment of a training child; variables that the user has set win."""
    if not hardware.has_gpu():
        allocator = _ALLOCATOR if sys.platform == "linux" else {}
        return {**_THREADS, **allocator, **environment()}
    if launcher != "plain":
        return environment()
    # TRL rejects a single process that sees several GPUs.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    return {**environment(), "CUDA_VISIBLE_DEVICES": visible.split(",")[0]}


async def start(
    *command: str | Path, environment: Mapping[str, str], log: Path, fds: Sequence[int] = ()
) -> asyncio.subprocess.Process:
    """Start a program that writes to `log`, inherits `fds`, and leads a session of its own.

    Its standard input is a pipe that nobody writes to; it closes when this process is gone. A child
    that calls `guard.die_with_parent` ends then, however this process ended.
    """
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            pass_fds=fds,
            start_new_session=True,
        )


async def run(module: str, *arguments: str | Path, log: Path) -> tuple[int, str]:
    """Run `python -m MODULE ARGUMENTS` to its end; return its exit code and its last line.

    The child writes to `log`; on cancellation it is killed.
    """
    command = (sys.executable, "-m", module, *arguments)
    child = await start(*command, environment=environment(), log=log)
    try:
        code = await child.wait()
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGKILL)
            await child.wait()
    return code, last_words(log) or "it logged nothing"


async def end(child: asyncio.subprocess.Process) -> None:
    """End a child from `start`: send SIGTERM, let it save, then kill all its processes.

    This runs to its end even if the caller is cancelled.
    """
    await asyncio.shield(_end(child))


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        _signal_group(child.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), SAVE_SECONDS)
    _signal_group(child.pid, signal.SIGKILL)
    if child.stdin is not None:
        child.stdin.close()  # processes outside the group end when this pipe closes
    await child.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def reason(code: int, log: Path) -> str:
    """Return in one line why a child ended: the signal, or its last words."""
    if code == STOPPED:
        return "it was stopped by a signal and saved; run the same command to resume."
    if code < 0:
        hint = " (often: out of memory)" if code == -signal.SIGKILL else ""
        name = signal.Signals(-code).name
        return f"it was killed by {name}{hint}; run the same command to resume."
    return last_words(log) or f"it logged nothing and ended with exit code {code}."


def last_words(log: Path) -> str:
    """Return the last line of a log that is not blank, or ""."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
