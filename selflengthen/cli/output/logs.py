"""Where everything goes that is not for the person at the terminal: the log of the attempt."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


@contextlib.contextmanager
def quiet(log: Path) -> Iterator[TextIO]:
    """Send logging, warnings and both standard streams to `log`; yield what was stderr.

    Libraries and their native parts write to the streams as they like, and child processes
    inherit them; redirected as file descriptors, all of it stands in the log.
    """
    handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.stdout.flush()
    sys.stderr.flush()
    streams = [os.dup(1), os.dup(2)]
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    with open(os.dup(2), "w", encoding="utf-8", errors="replace") as terminal:
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)
        try:
            yield terminal
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError):  # a full disk takes no log; people shall hear it
                    stream.flush()
            for number, saved in enumerate(streams, 1):
                os.dup2(saved, number)
                os.close(saved)
            logging.captureWarnings(False)
            root.removeHandler(handler)
            root.setLevel(level)
            handler.close()
