"""The child: `python -m selflengthen.training [--watched] JOB`.

`--watched` ends it when standard input closes, see `guard`. Exit codes: 0 finished, 143 saved
after SIGTERM, 1 failed (the reason is in `failure.txt`).
"""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from pathlib import Path

import msgspec

from selflengthen.errors import in_a_line
from selflengthen.training import guard, rows
from selflengthen.training.job import TrainingJob, finished


def main(arguments: list[str]) -> int:
    """Train what the job file says and return the exit code."""
    started = time.monotonic()
    if "--watched" in arguments:
        guard.die_with_parent()
    stop = guard.Stop()
    job = msgspec.json.decode(Path(arguments[-1]).read_bytes(), type=TrainingJob)
    try:
        if finished(job) is None:
            given = rows.read(Path(job.rows))  # what is wrong with them is said before the imports
            from selflengthen.training import sft

            sft.run(job, given, stop, started)
    except guard.Stopped:
        print("Stopped by a signal; all steps are saved.", flush=True)
        return guard.STOPPED
    except Exception as error:
        _explain(job.folder, error)
        with contextlib.suppress(OSError):  # a full disk takes no traceback either
            traceback.print_exc()
        return 1
    return 0


def _explain(folder: Path, error: Exception) -> None:
    """Write the reason in one line; the first of several processes to fail knows it.

    Where the disk takes no more, the file stays empty: `launch` knows what that means.
    """
    with contextlib.suppress(OSError), (folder / "failure.txt").open("x", encoding="utf-8") as file:
        file.write(in_a_line(error) + "\n")


if __name__ == "__main__":
    guard.leave(main(sys.argv[1:]))
