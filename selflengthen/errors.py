"""Everything that can go wrong, as one tree.

    SelfLengthenError        a message for people: what is wrong, where, and what to do next
    ├── UserError            bad input or a refused request; exit code 2, nothing was written
    ├── EngineError          an engine cannot serve: it failed to start, died, or stays away
    │   └── RequestRefused   the engine will never serve this one request (for example: too long)
    ├── TrainingError        a training child failed
    └── Interrupted          SIGTERM or Ctrl-C: all work is saved; carries the exit code

A bad sample is none of these: it is a record with a reason. Anything else that is raised is a
broken promise of ours and shows its traceback.
"""

from __future__ import annotations


class SelfLengthenError(Exception):
    """A message for people, without a traceback."""

    exit_code = 1


class UserError(SelfLengthenError):
    """Bad input or a refused request; nothing was written."""

    exit_code = 2


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
