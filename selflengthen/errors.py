"""Everything that can go wrong, as one tree.

    SelfLengthenError        a message for people: what is wrong, where, and what to do next
    ├── UserError            bad input or a refused request; exit code 2, nothing was written
    │   └── DamagedFile      a file of a run is not what was written there
    ├── EngineError          an engine cannot serve: it failed to start, died, or stays away
    │   └── RequestRefused   the engine will never serve this one request (for example: too long)
    ├── TrainingError        a training child failed
    └── Interrupted          SIGTERM or Ctrl-C: all work is saved; carries the exit code

A bad sample is none of these: it is a record with a reason. Anything else that is raised is a
broken promise of ours and shows its traceback; but for what the machine refuses, see `refused`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path


class SelfLengthenError(Exception):
    """A message for people, without a traceback."""

    exit_code = 1


class UserError(SelfLengthenError):
    """Bad input or a refused request; nothing was written."""

    exit_code = 2


class DamagedFile(UserError):
    """A file of a run is not what was written there, or is missing.

    Attributes:
        path: the file.
        what: what is wrong with it.
        remedy: what to do about it.
    """

    def __init__(self, path: Path, what: str, remedy: str, line: int | None = None) -> None:
        """Say it in one line, with the number of the line where it is known."""
        where = f", line {line}" if line else ""
        super().__init__(f"{path}{where}: {what}; {remedy}.")
        self.path, self.what, self.remedy = path, what, remedy


class EngineError(SelfLengthenError):
    """An engine cannot serve."""


class RequestRefused(EngineError):
    """The engine will never serve this request; the message is the reason."""


class TrainingError(SelfLengthenError):
    """A training child failed."""


class Interrupted(SelfLengthenError):
    """Asked to stop: everything finished is saved, and the same command continues."""

    def __init__(self, message: str, exit_code: int) -> None:
        """Carry the exit code: 143 for SIGTERM, 130 for Ctrl-C."""
        super().__init__(message)
        self.exit_code = exit_code


_AGAIN = "then the same command goes on from what is saved"
_MANY = (errno.EMFILE, errno.ENFILE)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TO_DO = {
    **dict.fromkeys(_FULL, f"make room on the disk, {_AGAIN}"),
    errno.EISDIR: "a file belongs there; move the folder away, then give the same command again",
    **dict.fromkeys(
        (errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY),
        "something stands in its way; move that, then give the same command again",
    ),
    **dict.fromkeys(_MANY, f"raise the limit on open files (`ulimit -n 1024`), {_AGAIN}"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), f"make it writable, {_AGAIN}"),
    errno.ENAMETOOLONG: "give it a shorter name",
    **dict.fromkeys(
        (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP),
        "here two processes could not be kept apart; put the folder on a file system with locks",
    ),
}


def refused(error: Exception) -> str | None:
    """Say in one line what the machine refuses, and what to do about it; None for other errors.

    Libraries that write files of their own pass on the system's words for a full disk alone.
    """
    if isinstance(error, UnicodeEncodeError):
        return _unnameable(error)
    if isinstance(error, OSError):
        code, place = error.errno, error.filename
    else:
        code, place = next((c for c in _FULL if os.strerror(c) in str(error)), None), None
    if code not in _TO_DO:
        return None
    where = f"{place}: " if place else ""
    return f"{where}{os.strerror(code)}; {_TO_DO[code]}."


def _unnameable(error: UnicodeEncodeError) -> str | None:
    """Say that the locale has no name for a file; None where that is not what went wrong."""
    encoding = sys.getfilesystemencoding()
    if error.encoding.replace("-", "") != encoding.replace("-", "") or "utf" in encoding:
        return None
    return (
        f"{error.object}: the locale's encoding ({encoding}) cannot name this file; set "
        "LC_ALL=C.UTF-8, then give the same command again."
    )


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name a file in the OSErrors that do not: a write that fails does not know where."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def in_a_line(error: Exception) -> str:
    """Say in one line why something failed, for a child process to hand on."""
    line = (str(error).strip().splitlines() or ["no message"])[0]
    if isinstance(error, SelfLengthenError):
        return line
    return refused(error) or f"{type(error).__name__}: {line}"
