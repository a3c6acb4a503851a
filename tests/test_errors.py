"""What a child hands on in one line."""

from __future__ import annotations

import errno
import os

import pytest

from selflengthen.errors import TrainingError, in_a_line

FULL = os.strerror(errno.ENOSPC)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, FULL, "rows"), f"rows: {FULL}; free some disk space"),
        (RuntimeError(f"I/O error: {FULL} (os error 28)"), f"{FULL}; free some disk space"),
        (TrainingError("a: cannot be read (Permission denied)."), "a: cannot be read (Permission"),
        (RuntimeError("Function not implemented"), "RuntimeError: Function not implemented"),
        (ValueError(""), "ValueError: no message"),
    ],
)
def test_the_reason_and_what_to_do(error: Exception, said: str) -> None:
    assert in_a_line(error).startswith(said)
