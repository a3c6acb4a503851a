"""Sends all output that is not for the person at the terminal to the log of the attempt."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from selflengthen.cli.output.streams import for_people
from selflengthen.text.printable import visible


@contextlib.contextmanager
def quiet(log: Path) -> Iterator[TextIO]:
    """Send logging, warnings and both standard streams to `log`; yield what was stderr.

    Libraries, their native code and child processes write to the streams directly. Redirecting the
    file descriptors sends all of that to the log.
    """
    handler = logging.FileHandler(log, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(_Printable("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.stdout.flush()
    sys.stderr.flush()
    streams = [os.dup(1), os.dup(2)]
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    with _terminal(streams[1]) as terminal, _stdout_for_libraries():
        try:
            yield terminal
        finally:
            for stream in (terminal, sys.stdout, sys.stderr):
                with contextlib.suppress(OSError):  # a full disk: the error must still be shown
                    stream.flush()
            for number, saved in enumerate(streams, 1):
                os.dup2(saved, number)
                os.close(saved)
            logging.captureWarnings(False)
            root.removeHandler(handler)
            root.setLevel(level)
            with contextlib.suppress(OSError):  # as above
                handler.close()


class _Printable(logging.Formatter):
    """Makes control characters visible: people read logs at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record, and its traceback if it has one."""
        return visible(super().format(record))


@contextlib.contextmanager
def _terminal(descriptor: int) -> Iterator[TextIO]:
    """Yield a stream for people to `descriptor`, in the encoding of their terminal."""
    encoding = sys.stderr.encoding or "utf-8"
    stream = open(descriptor, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    try:
        yield for_people(stream)
    finally:
        with contextlib.suppress(OSError):  # the terminal has gone
            stream.close()


@contextlib.contextmanager
def _stdout_for_libraries() -> Iterator[None]:
    """Let libraries print into the log; a full disk then stops nothing."""
    before, sys.stdout = sys.stdout, for_people(sys.stdout)
    try:
        yield
    finally:
        sys.stdout = before
