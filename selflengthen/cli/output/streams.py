"""The door to the terminal: everything that is printed goes through a `SafeStream`.

`main` puts one in place of each standard stream. So no print, no help text, no traceback and no
library can send a terminal what a server, a model or a file name made up, and no character that
the terminal's encoding lacks can end a command.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO, cast

from selflengthen.text.printable import encodable, visible

# What the progress bars of libraries move the cursor by: back to the line's start, and lines up.
# Nothing of ours is written in such pieces.
_BAR_MOVES = re.compile(r"\r|(?:\x1b\[A)+\Z")


class ReaderGone(Exception):
    """Nobody reads standard output any more, as after `| head`."""


class SafeStream:
    """A text stream that shows control characters and escapes what its encoding lacks.

    Output that is not `essential` (progress, notes, errors) is dropped where it cannot be written:
    a run must not end because its terminal went away. In such output a terminal gets the moves of
    progress bars, as of a download.
    """

    def __init__(self, stream: TextIO, *, essential: bool, controls: bool = False) -> None:
        """Write to `stream`; with `controls`, let escape sequences through, for `rich` alone."""
        self.stream, self.essential, self.controls = stream, essential, controls

    def __getattr__(self, name: str) -> Any:
        """Be the stream in all else."""
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write text that is safe to show."""
        moves = self._bar_moves(text)
        shown = text if self.controls else moves + visible(text[len(moves) :])
        shown = encodable(shown, self.stream.encoding or "utf-8")
        self._try(lambda: self.stream.write(shown))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, one after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write out what is buffered."""
        self._try(self.stream.flush)

    def _bar_moves(self, text: str) -> str:
        """Return how a bar moves the cursor before what it writes; "" for all other output."""
        moves = None if self.essential else _BAR_MOVES.match(text)
        return moves[0] if moves and self.stream.isatty() else ""

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            gone = error.errno == errno.EPIPE or (error.errno == errno.EIO and self._is_device())
            # What is buffered would fail again when Python exits.
            self._discard(error)
            if not self.essential:
                return
            if gone:
                raise ReaderGone from error
            error.filename = error.filename or "standard output"
            raise

    def _is_device(self) -> bool:
        """Whether this is a terminal, also one that has hung up, and no file on a broken disk."""
        try:
            return stat.S_ISCHR(os.fstat(self.stream.fileno()).st_mode)
        except OSError:
            return False

    def _discard(self, error: OSError) -> None:
        """Let the stream lead nowhere, unless it is only busy."""
        if isinstance(error, BlockingIOError):
            return
        with contextlib.suppress(OSError):  # a stream in memory has no descriptor
            descriptor = self.stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """Make standard output and standard error safe, also where they are closed.

    They stay so where an exception passes, since Python prints the traceback after that.
    """
    before = sys.stdout, sys.stderr
    _fill_closed()
    sys.stdout = _safe(sys.stdout, 1, essential=True)
    sys.stderr = _safe(sys.stderr, 2, essential=False)
    yield
    with contextlib.suppress(OSError, ReaderGone):
        sys.stdout.flush()
    sys.stdout, sys.stderr = before


def for_people(stream: TextIO) -> TextIO:
    """Return a stream for progress and notes: what cannot be written there is dropped."""
    if isinstance(stream, SafeStream) and not stream.essential:
        return cast(TextIO, stream)
    return cast(TextIO, SafeStream(stream, essential=False))


def for_rich(stream: TextIO) -> TextIO:
    """Return a stream that lets the escape sequences of `rich` through.

    Whoever writes there shows texts with `visible` first.
    """
    if not isinstance(stream, SafeStream):
        return cast(TextIO, SafeStream(stream, essential=True, controls=True))
    inner, essential = stream.stream, stream.essential
    return cast(TextIO, SafeStream(inner, essential=essential, controls=True))


def _safe(stream: TextIO | SafeStream | None, descriptor: int, *, essential: bool) -> TextIO:
    if stream is None:  # it was closed when Python started
        stream = open(descriptor, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if not isinstance(stream, SafeStream):
        stream = SafeStream(stream, essential=essential)
    return cast(TextIO, stream)


def _fill_closed() -> None:
    """Open the closed ones of the descriptors 0 to 2 on nothing.

    Else the next file that is opened would get the number, and what is printed would go into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            os.set_inheritable(descriptor, True)
