"""Ends a child with its parent, and turns SIGTERM into a stop at the next safe place.

The parent holds the only writing end of the child's standard input. When the parent dies, however
it dies, the reading end closes; a thread sees that and kills the process. Processes that
`accelerate launch` starts run in sessions of their own, where no signal to the group reaches them,
but they inherit that input. On Linux the kernel is asked for the same, in case a fork of the
parent keeps the pipe open.
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
_LOOK_EVERY = 1.0


class Stopped(Exception):
    """SIGTERM came, and the training was saved."""


class Stop:
    """Whether SIGTERM came; until `armed` nothing is to be saved, and the process just ends."""

    def __init__(self) -> None:
        """Start to listen."""
        self.armed = False
        self.requested = False
        signal.signal(signal.SIGTERM, self._come)
        signal.signal(signal.SIGINT, self._come)

    def _come(self, *_: object) -> None:
        self.requested = True
        if not self.armed:
            os._exit(STOPPED)


def die_with_parent() -> None:
    """Watch standard input and the parent from now on."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def leave(code: int) -> NoReturn:
    """End this process at once: what is left would only take time to tear down."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # a full disk takes no log
            stream.flush()
    os._exit(code)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], _LOOK_EVERY)
        if readable and not os.read(0, 1):
            break
    os.kill(os.getpid(), signal.SIGKILL)
