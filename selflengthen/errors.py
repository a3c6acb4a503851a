"""Everything that can go wrong, as one tree.

    SelfLengthenError        a message for people: what is wrong, where, and what to do next
    ├── UserError            bad input; exit code 2, nothing was written
    │   └── DamagedFile      a file of a run was changed, cut short or removed
    ├── EngineError          an engine cannot serve: it failed to start, died, or does not answer
    │   └── RequestRefused   the engine can never serve this request, as one that is too long
    ├── TrainingError        a training process failed
    └── Interrupted          SIGTERM or Ctrl-C: all work is saved; carries the exit code

A rejected sample is none of these: it is a record with a reason. Any other exception is a bug and
shows its traceback, except those of the operating system that `refused` explains.
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
    """Bad input; nothing was written."""

    exit_code = 2


class DamagedFile(UserError):
    """A file of a run was changed, cut short or removed.

    Attributes:
        path: the file.
        what: what is wrong with it.
        remedy: how to restore it or make it again.
    """

    def __init__(self, path: Path, what: str, remedy: str, line: int | None = None) -> None:
        """Write the message, with the number of the damaged line if it is known."""
        where = f", line {line}" if line else ""
        super().__init__(f"{path}{where}: {what}; {remedy}.")
        self.path = path
        self.what = what
        self.remedy = remedy


class EngineError(SelfLengthenError):
    """An engine cannot serve."""


class RequestRefused(EngineError):
    """The engine can never serve this request; the message is the reason."""


class TrainingError(SelfLengthenError):
    """A training process failed."""


class Interrupted(SelfLengthenError):
    """Stopped by a signal: everything finished is saved, and the same command resumes."""

    def __init__(self, message: str, exit_code: int) -> None:
        """Carry the exit code: 143 for SIGTERM, 130 for Ctrl-C."""
        super().__init__(message)
        self.exit_code = exit_code


_AGAIN = "then run the same command again to resume"
_MANY = (errno.EMFILE, errno.ENFILE)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TO_DO = {
    **dict.fromkeys(_FULL, f"free some disk space, {_AGAIN}"),
    errno.EISDIR: "a file belongs there; move the folder away, then run the same command again",
    **dict.fromkeys(
        (errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY),
        "another file or folder is in its place; move it away, then run the same command again",
    ),
    **dict.fromkeys(_MANY, f"raise the limit on open files (`ulimit -n 1024`), {_AGAIN}"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), f"make it writable, {_AGAIN}"),
    errno.ENAMETOOLONG: "give it a shorter name",
    **dict.fromkeys(
        (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP),
        "this file system has no locks; move the folder to one that has",
    ),
}


def refused(error: Exception) -> str | None:
    """Explain an error of the operating system in one line; return None for other errors.

    Of a full disk, some libraries pass on only the system's message, in an exception of their own.
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
    """Explain that the locale cannot encode a file's name; return None for other errors."""
    encoding = sys.getfilesystemencoding()
    if error.encoding.replace("-", "") != encoding.replace("-", "") or "utf" in encoding:
        return None
    return (
        f"{error.object}: the locale's encoding ({encoding}) cannot name this file; set "
        "LC_ALL=C.UTF-8, then run the same command again."
    )


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the file's name to an OSError that has none, as that of a failed write."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def in_a_line(error: Exception) -> str:
    """Return the reason of a failure in one line, for a child process to pass on."""
    line = (str(error).strip().splitlines() or ["no message"])[0]
    if isinstance(error, SelfLengthenError):
        return line
    return refused(error) or f"{type(error).__name__}: {line}"
