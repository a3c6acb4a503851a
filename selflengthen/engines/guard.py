"""Nothing an engine started outlives the controller, however the controller ends.

An inference library starts processes that start processes, and a SIGKILL of the controller tells
none of them. So all are started with a mark in their environment, and a watcher in a session of its
own waits on a pipe that only the controller holds open. When the pipe closes, the watcher kills
every process that carries the mark. The mark survives what process groups and parent ids do not:
new sessions, and parents that died first.

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
_QUIET_LOOKS = 3  # a process between fork and exec does not show its mark yet


class Guard:
    """Watches over the processes of one engine, from before they start until `close`.

    `folder` is theirs for sockets and the like, and goes when they go.
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
        """What must stand in the environment while the engine's processes are started."""
        # A process that sets its own title would otherwise overwrite its environment with it.
        return {VARIABLE: self._mark, "SPT_NOENV": "1"}

    def alive(self) -> list[psutil.Process]:
        """Return the engine's processes."""
        return marked(self._mark)

    def kill(self, patience: float = 10) -> None:
        """Kill the engine's processes and wait until none is left, at most `patience` seconds."""
        kill_marked(self._mark, patience)

    def close(self) -> None:
        """Kill what is left, and end the watcher, which removes the folder."""
        self.kill()
        if self._watcher.stdin:
            self._watcher.stdin.close()
        self._watcher.wait()


def marked(mark: str) -> list[psutil.Process]:
    """Return the living processes of this user that were started with the mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(VARIABLE) != mark or process.pid == os.getpid():
                continue
            # Trackers end by themselves, after they have freed what the killed ones shared.
            if not any("resource_tracker" in word for word in process.cmdline()):
                found.append(process)
    return found


def kill_marked(mark: str, patience: float) -> None:
    """Kill every marked process until a few looks in a row find none."""
    deadline = time.monotonic() + patience
    quiet = 0
    while quiet < _QUIET_LOOKS and time.monotonic() < deadline:
        living = marked(mark)
        quiet = 0 if living else quiet + 1
        for process in living:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.05)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    kill_marked(sys.argv[1], 60)
    shutil.rmtree(sys.argv[2], ignore_errors=True)
