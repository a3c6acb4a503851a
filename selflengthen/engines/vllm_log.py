"""The logging handler that vLLM's processes are given.

vLLM configures logging in each of its processes from a file, which names this factory. In a child
process it also takes the standard streams, since what a dying process has to say does not pass
through logging.
"""

from __future__ import annotations

import logging
import os
import sys


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
