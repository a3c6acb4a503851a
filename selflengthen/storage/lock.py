"""The lock of a run: a file that one process holds, with its name in it.

The folder of the file is locked, too, where the file system can do that: so a file that is removed
or replaced while it is held lets nobody in. Whoever holds it looks now and then whether it is still
there, and stops where it is not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from selflengthen.errors import DamagedFile, naming

_REMEDY = "move it away, then give the same command again"


class Lock:
    """A lock that this process holds."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        """Keep the file that is held."""
        self.path, self._file = path, file

    def is_lost(self) -> bool:
        """Say whether the file was removed or replaced: another process may then hold its name."""
        return not _is_same(self.path, self._file)


@contextlib.contextmanager
def hold(path: Path, in_use: Callable[[str], Exception]) -> Iterator[Lock]:
    """Hold a lock; raise what `in_use` makes of its holder's name where another process does."""
    with contextlib.ExitStack() as held:
        if not _lock_folder(path.parent, held):
            raise in_use(_named(path))
        file = _lock_file(path, in_use, held)
        with naming(path):
            file.truncate(0)
            # Past the buffer: what a full disk does not take would fail once more at the end.
            os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield Lock(path, file)


def holder(path: Path) -> str | None:
    """Return who holds a lock, or None; nothing is written.

    The lock is tried only where its holder may still live, so that looking does not keep anyone
    from taking it.
    """
    try:
        with _open(path, "r") as file:
            name = _name(file)
            if _is_gone(name):
                return None
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return name
    except FileNotFoundError:
        with contextlib.ExitStack() as held, contextlib.suppress(FileNotFoundError):
            if not _lock_folder(path.parent, held):
                return "another process"
    return None


def _lock_folder(folder: Path, held: contextlib.ExitStack) -> bool:
    """Lock a folder until `held` closes; return False where another process has it.

    Some file systems, as NFS, lock no folders; then the file alone has to do.
    """
    number = os.open(folder, os.O_RDONLY)
    held.callback(os.close, number)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _lock_file(
    path: Path, in_use: Callable[[str], Exception], held: contextlib.ExitStack
) -> IO[str]:
    """Lock the file that has this name until `held` closes."""
    while True:
        file = held.enter_context(_open(path, "a+"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise in_use(_name(file)) from error
        except OSError as error:  # a file system without locks does not say of which file
            error.filename = str(path)
            raise
        if _is_same(path, file):  # else it was replaced between opening and locking
            return file


def _open(path: Path, mode: str) -> IO[str]:
    try:
        return open(path, mode, encoding="utf-8", errors="replace")
    except IsADirectoryError as error:
        raise DamagedFile(path, "there is a folder where a file belongs", _REMEDY) from error


def _is_same(path: Path, file: IO[str]) -> bool:
    """Say whether an open file is still the one that has this name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False


def _named(path: Path) -> str:
    try:
        with _open(path, "r") as file:
            return _name(file)
    except FileNotFoundError:
        return "another process"


def _name(file: IO[str]) -> str:
    """Return the holder's name as the file tells it, in one line."""
    return " ".join(file.read(200).replace("\0", " ").split()) or "another process"


def _is_gone(holder: str) -> bool:
    """Whether `process PID on HOST` speaks of this machine and no such process is left."""
    match holder.split():
        case ["process", pid, "on", host] if host == socket.gethostname() and pid.isdecimal():
            try:
                os.kill(int(pid), 0)
            except (ProcessLookupError, OverflowError):
                return True
            except PermissionError:
                pass
    return False
