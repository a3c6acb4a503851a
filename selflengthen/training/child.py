"""A child process that does one thing and ends: its memory, also that of a GPU, is free again."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from selflengthen.training.launch import child_environment


async def run(module: str, *words: str | Path, log: Path) -> tuple[int, str]:
    """Run `python -m MODULE WORDS` to its end; return its exit code and its last line.

    It writes to `log`; when this is cancelled, it is killed. A child that calls
    `guard.die_with_parent` ends with this process, however that ends.
    """
    with log.open("ab") as said:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=said,
            stderr=asyncio.subprocess.STDOUT,
            env=child_environment(),
            start_new_session=True,
        )
    try:
        code = await child.wait()
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGKILL)
            await child.wait()
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return code, next((line.strip() for line in reversed(lines) if line.strip()), "no word")
