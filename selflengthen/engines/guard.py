"""Nothing an engine started outlives the controller, however the controller ends.

An inference library starts processes that start more processes, and none of them notices a SIGKILL
of the controller. So all are started with a mark in their environment, and a watcher in its own
session waits on a pipe that only the controller holds open. When the pipe closes, the watcher kills
every process that carries the mark. Unlike process groups and parent ids, the mark survives new
sessions and parents that die first.

The watcher runs this file alone (`python -I guard.py MARK FOLDER`), so it imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import psutil  # type: ignore[import-untyped]

VARIABLE = "SELFLENGTHEN_ENGINE"
_EMPTY_SCANS = 3  # a process between fork and exec does not show its mark yet


class Guard:
    """Watches over the processes of one engine, from before they start until `close`.

    `folder` is for their sockets and the like; it is removed when they have ended.
    """

    def __init__(self) -> None:
        """Start the watcher."""
        self._mark = uuid.uuid4().hex
        self.folder = Path(tempfile.mkdtemp(prefix="selflengthen-"))
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", __file__, self._mark, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables that the engine's processes must be started with."""
        # Without SPT_NOENV, a process that sets its title overwrites its environment with it.
        return {VARIABLE: self._mark, "SPT_NOENV": "1"}

    def kill(self, patience: float = 10) -> None:
        """Kill the engine's processes and wait at most `patience` seconds until all are gone."""
        kill_marked(self._mark, patience)

    def close(self) -> None:
        """Kill the remaining processes, and end the watcher, which removes the folder."""
        self.kill()
        if self._watcher.stdin:
            self._watcher.stdin.close()
        self._watcher.wait()


def marked(mark: str) -> list[psutil.Process]:
    """Return the living processes of this user that were started with the mark."""
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(VARIABLE) != mark or process.pid == os.getpid():
                continue
            # Trackers end by themselves, after they have freed the killed processes' shared memory.
            if not any("resource_tracker" in word for word in process.cmdline()):
                processes.append(process)
    return processes


def kill_marked(mark: str, patience: float) -> None:
    """Kill every marked process until a few scans in a row find none."""
    deadline = time.monotonic() + patience
    empty = 0
    while empty < _EMPTY_SCANS and time.monotonic() < deadline:
        alive = marked(mark)
        empty = 0 if alive else empty + 1
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.05)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    kill_marked(sys.argv[1], 60)
    shutil.rmtree(sys.argv[2], ignore_errors=True)
