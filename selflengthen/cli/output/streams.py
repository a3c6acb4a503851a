"""Everything that is printed goes through a `SafeStream`.

`main` replaces the standard streams with such ones. A print, a help text, a traceback or a library
then cannot send the terminal control characters from a server, a model or a file name, and a
character that the terminal's encoding lacks cannot end a command.
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

# How the progress bars of libraries move the cursor: to the start of the line, and lines up. We
# write nothing that begins like this ourselves.
_BAR_MOVES = re.compile(r"\r|(?:\x1b\[A)+\Z")


class ReaderGone(Exception):
    """Nobody reads standard output any longer, as after `| head`."""


class SafeStream:
    """A text stream that makes control characters visible and escapes what its encoding lacks.

    Output that is not `essential` (progress, notes, errors) is dropped if it cannot be written: a
    run must not end because its terminal is gone. There, progress bars of libraries, as of a
    download, may move the cursor of a terminal.
    """

    def __init__(self, stream: TextIO, *, essential: bool, controls: bool = False) -> None:
        """Write to `stream`; with `controls`, let escape sequences through, for `rich` alone."""
        self.stream, self.essential, self.controls = stream, essential, controls

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the stream."""
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write text, made safe to show."""
        moves = self._bar_moves(text)
        shown = text if self.controls else moves + visible(text[len(moves) :])
        shown = encodable(shown, self.stream.encoding or "utf-8")
        self._try(lambda: self.stream.write(shown))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what is buffered."""
        self._try(self.stream.flush)

    def _bar_moves(self, text: str) -> str:
        """Return the cursor moves that a bar begins with; "" for all other output."""
        moves = None if self.essential else _BAR_MOVES.match(text)
        return moves[0] if moves and self.stream.isatty() else ""

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            gone = error.errno == errno.EPIPE or (error.errno == errno.EIO and self._is_device())
            # Else the buffered text would fail again when Python exits.
            self._discard(error)
            if not self.essential:
                return
            if gone:
                raise ReaderGone from error
            error.filename = error.filename or "standard output"
            raise

    def _is_device(self) -> bool:
        """Whether this is a terminal, even one that hung up, and not a file on a broken disk."""
        try:
            return stat.S_ISCHR(os.fstat(self.stream.fileno()).st_mode)
        except OSError:
            return False

    def _discard(self, error: OSError) -> None:
        """Redirect the stream to nothing, unless it is only busy."""
        if isinstance(error, BlockingIOError):
            return
        with contextlib.suppress(OSError):  # a stream in memory has no descriptor
            descriptor = self.stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """Make standard output and standard error safe, even if they are closed.

    They stay safe after an exception, since Python prints the traceback later.
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
    """Return a stream for progress and notes; what cannot be written is dropped."""
    if isinstance(stream, SafeStream) and not stream.essential:
        return cast(TextIO, stream)
    return cast(TextIO, SafeStream(stream, essential=False))


def for_rich(stream: TextIO) -> TextIO:
    """Return a stream that lets the escape sequences of `rich` through.

    Texts that are written there must go through `visible` first.
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
    """Open /dev/null for each of the descriptors 0 to 2 that is closed.

    Else the next file that is opened gets the number, and whatever is printed goes into it.
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
