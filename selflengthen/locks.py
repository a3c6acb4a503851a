"""The lock of a run: a file that one process holds, with its name in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def hold(path: Path, in_use: Callable[[str], Exception]) -> Iterator[None]:
    """Hold a lock; raise what `in_use` makes of its holder's name where another process does."""
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise in_use(file.read().strip() or "another process") from error
        except OSError as error:  # a file system without locks does not say of which file
            error.filename = str(path)
            raise
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


class Presence:
    """Whether a locked file is still where it was: its folder may be moved or deleted meanwhile."""

    def __init__(self, path: Path) -> None:
        """Remember which file it is."""
        self._path = path
        self._file = self._look()

    def lost(self) -> bool:
        """Say whether another file is there by now, or none."""
        return self._file is not None and self._look() != self._file

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:  # a network's hiccup: nothing is known
            return self._file if hasattr(self, "_file") else None
        return found.st_dev, found.st_ino


def holder(path: Path) -> str | None:
    """Return who holds a lock, or None; nothing is written.

    The lock is tried only where its holder may still live, so that looking does not keep anyone
    from taking it.
    """
    try:
        with open(path, encoding="utf-8") as file:
            named = file.read().strip() or "another process"
            if _is_gone(named):
                return None
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return named
    except FileNotFoundError:
        pass
    return None


def _is_gone(holder: str) -> bool:
    """Whether `process PID on HOST` speaks of this machine and no such process is left."""
    match holder.split():
        case ["process", pid, "on", host] if host == socket.gethostname() and pid.isdecimal():
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                return True
            except PermissionError:
                pass
    return False
