"""The log of vLLM's processes: how it is written, and what is read from it.

vLLM configures logging in each of its processes from a file, which names `handler`. In a child
process it also takes the standard streams, since what a dying process has to say does not pass
through logging.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

_AN_ERROR = re.compile(r"[A-Za-z_.]*(Error|Exception|Killed|signal)\b: .*")


def handler(log: str, controller: int) -> logging.Handler:
    """Write to the file `log`; in any process but `controller` stdout and stderr go there too."""
    if os.getpid() != controller:
        sys.stdout.flush()
        sys.stderr.flush()
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)
    return logging.FileHandler(log, encoding="utf-8")


def configuration(log: Path) -> dict[str, Any]:
    """Return a logging configuration that writes vLLM's log to a file."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {
            "file": {
                "()": "selflengthen.engines.vllm_log.handler",
                "log": str(log),
                "controller": os.getpid(),
                "formatter": "line",
            }
        },
        "loggers": {"vllm": {"handlers": ["file"], "level": "INFO", "propagate": False}},
    }


def last_error(log: Path) -> str:
    """Return the last error that a log tells of, in one line; empty where it tells of none."""
    with contextlib.suppress(OSError):
        told = [found[0] for found in _AN_ERROR.finditer(log.read_text("utf-8", "replace"))]
        return told[-1].strip()[:300] if told else ""
    return ""


def whereabouts(log: Path) -> str:
    """Say where all of a log stands, if it outlives the engine."""
    return f" (all of it: {log})" if log.exists() else ""
