"""Child processes: what they are given, how they are seen out, and why they ended.

A child's memory, also that of a GPU, is free again when it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from selflengthen.planning.hardware import has_gpu
from selflengthen.training.guard import STOPPED

GRACE = 10.0
"""Seconds that a child has to save after SIGTERM."""

_ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
    "MALLOC_TOP_PAD_": str(256 * 2**20),
}


# Threads that wait for each other sleep. By default they spin, which on a core that has other work
# keeps the very thread from running that they wait for (docs/engines.md has the figures).
_THREADS = {"OMP_WAIT_POLICY": "passive"}


def environment() -> dict[str, str]:
    """Return the environment of a child that imports this package, wherever it lies."""
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def training_environment(launcher: str) -> dict[str, str]:
    """Return the environment of a child that trains; what the user has set stays."""
    if not has_gpu():
        # glibc gives memory back and takes it again all the time; steps are 25 to 70 % quicker so.
        allocator = _ALLOCATOR if sys.platform == "linux" else {}
        return {**_THREADS, **allocator, **environment()}
    if launcher != "plain":
        return environment()
    # TRL refuses a single process that sees several GPUs.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    return {**environment(), "CUDA_VISIBLE_DEVICES": visible.split(",")[0]}


async def start(
    *command: str | Path, environment: Mapping[str, str], log: Path, fds: Sequence[int] = ()
) -> asyncio.subprocess.Process:
    """Start a program that writes to `log`, keeps `fds`, and leads a session of its own.

    Its standard input is a pipe that nobody writes to: where it closes, this process is gone. A
    child that calls `guard.die_with_parent` ends with it, however it ends.
    """
    with log.open("ab") as said:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=said,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            pass_fds=fds,
            start_new_session=True,
        )


async def run(module: str, *words: str | Path, log: Path) -> tuple[int, str]:
    """Run `python -m MODULE WORDS` to its end; return its exit code and its last line.

    It writes to `log`; when this is cancelled, it is killed.
    """
    command = (sys.executable, "-m", module, *words)
    child = await start(*command, environment=environment(), log=log)
    try:
        code = await child.wait()
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGKILL)
            await child.wait()
    return code, last_words(log) or "no word"


async def end(child: asyncio.subprocess.Process) -> None:
    """See a child out that leads its session: SIGTERM, time to save, the end of all its processes.

    That goes on to its end, also where who waits for it is cancelled.
    """
    await asyncio.shield(_ended(child))


async def _ended(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        _signal_group(child.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), GRACE)
    _signal_group(child.pid, signal.SIGKILL)
    if child.stdin is not None:
        child.stdin.close()  # processes outside of the group end with this pipe
    await child.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def reason(code: int, log: Path) -> str:
    """Say in one line why a child ended: the signal, or its last words."""
    if code == STOPPED:
        return "it was stopped by a signal, and saved; the same command goes on."
    if code < 0:
        memory = " (often: out of memory)" if code == -signal.SIGKILL else ""
        return f"it was killed by {signal.Signals(-code).name}{memory}; the same command goes on."
    return last_words(log) or f"exit code {code}, and no word."


def last_words(log: Path) -> str:
    """Return the last line of a log that is not blank; "" where there is none."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
