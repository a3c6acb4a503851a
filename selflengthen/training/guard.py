"""Ends a child with its parent, and turns SIGTERM into a stop at the next safe point.

The parent holds the only write end of the child's standard input. When the parent dies, however it
dies, the read end closes; a thread notices and kills the process. Processes of `accelerate launch`
run in their own sessions, where no signal to the group reaches them, but they inherit the pipe. On
Linux the kernel also kills the child with its parent, in case a fork of the parent keeps the pipe
open.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import threading
from typing import NoReturn

STOPPED = 143
_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 1.0


class Stopped(Exception):
    """SIGTERM came, and the training was saved."""


class Stop:
    """Whether SIGTERM or SIGINT came.

    Until `armed` is set there is nothing to save, and a signal ends the process at once.
    """

    def __init__(self) -> None:
        """Install the signal handlers."""
        self.armed = False
        self.requested = False
        signal.signal(signal.SIGTERM, self._handle)
        signal.signal(signal.SIGINT, self._handle)

    def _handle(self, *_: object) -> None:
        self.requested = True
        if not self.armed:
            os._exit(STOPPED)


def die_with_parent() -> None:
    """Kill this process as soon as standard input closes or the parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def leave(code: int) -> NoReturn:
    """Exit at once: tearing down what is loaded would only take time."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # a full disk takes no log
            stream.flush()
    os._exit(code)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], _POLL_SECONDS)
        if readable and not os.read(0, 1):
            break
    os.kill(os.getpid(), signal.SIGKILL)
