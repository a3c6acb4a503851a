"""The lock of a run: a file that one process holds, with its name in it.

The folder of the file is locked, too, where the file system supports it, so that removing or
replacing the file lets no second process in. The holder checks now and then that the file is still
there, and stops if it is not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from selflengthen.errors import DamagedFile, SelfLengthenError, naming

_UNKNOWN = (-1, -1)
_REMEDY = "move it away, then run the same command again"


class Presence:
    """Notices when the file of a lock is removed or replaced, or its folder moved."""

    def __init__(self, path: Path) -> None:
        """Remember the file and its folder as they are now."""
        self._path = path
        self._file = _identity(path)
        self._folder = _identity(path.parent)

    def lost(self) -> bool:
        """Say whether the file was removed or replaced."""
        return self._file is not None and _identity(self._path) not in (self._file, _UNKNOWN)

    def error(self, again: str) -> SelfLengthenError:
        """Return the error for a lost lock; `again` is the command that resumes."""
        folder = self._path.parent
        if _identity(folder) != self._folder:
            return SelfLengthenError(
                f"{folder}: was moved or deleted while this command was using it. Everything "
                "finished is saved in it; to resume, run the command with the folder's new path."
            )
        resume = f" To resume: {again}" if again else ""
        return SelfLengthenError(
            f"{self._path}: was removed or replaced during the run, so the run stopped. "
            f"Everything finished is saved.{resume}"
        )


@contextlib.contextmanager
def hold(path: Path, in_use: Callable[[str], Exception]) -> Iterator[None]:
    """Hold a lock; if another process holds it, raise what `in_use` returns for its name."""
    with contextlib.ExitStack() as stack:
        if not _lock_folder(path.parent, stack):
            raise in_use(_named(path))
        file = _lock_file(path, in_use, stack)
        with naming(path):
            file.truncate(0)
            # Past the buffer: what a full disk does not take would fail once more at the end.
            os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield


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
        with contextlib.ExitStack() as stack, contextlib.suppress(FileNotFoundError):
            if not _lock_folder(path.parent, stack):
                return "another process"
    return None


def _lock_folder(folder: Path, stack: contextlib.ExitStack) -> bool:
    """Lock a folder until `stack` closes; return False where another process has it.

    Some file systems, as NFS, lock no folders; then the file alone has to do.
    """
    number = os.open(folder, os.O_RDONLY)
    stack.callback(os.close, number)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _lock_file(
    path: Path, in_use: Callable[[str], Exception], stack: contextlib.ExitStack
) -> IO[str]:
    """Lock the file that has this name until `stack` closes."""
    while True:
        file = stack.enter_context(_open(path, "a+"))
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


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from others of its name; None where there is none."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # a network's hiccup
        return _UNKNOWN
    return status.st_dev, status.st_ino


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
