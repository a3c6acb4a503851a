"""The log of vLLM's processes: how it is written, and what is read from it.

vLLM configures logging in each of its processes from a file, which names `handler`. In a child
process the handler also takes the standard streams: a dying process writes its last words there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

_ERROR = re.compile(r"[A-Za-z_.]*(Error|Exception|Killed|signal)\b: .*")


def handler(log: str, controller: int) -> logging.Handler:
    """Return a handler that writes to `log`; except in `controller`, stdout and stderr follow.

    `controller` is a process id.
    """
    if os.getpid() != controller:
        sys.stdout.flush()
        sys.stderr.flush()
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)
    return logging.FileHandler(log, encoding="utf-8")


def configuration(log: Path) -> dict[str, Any]:
    """Return vLLM's logging configuration (`logging.config.dictConfig`), which writes to `log`."""
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
    """Return the last error in a log, as one line; empty if there is none."""
    with contextlib.suppress(OSError):
        errors = [match[0] for match in _ERROR.finditer(log.read_text("utf-8", "replace"))]
        return errors[-1].strip()[:300] if errors else ""
    return ""


def location(log: Path) -> str:
    """Return a parenthesis that names the log, if the log outlives the engine."""
    return f" (log: {log})" if log.exists() else ""
