"""The child: `python -m selflengthen.training [--watched] JOB`.

With `--watched` it ends when standard input closes, see `guard`. Exit codes: 0 finished, 143 saved
after SIGTERM, 1 failed (`failure.txt` has the reason).
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
    """Do the training in the job file and return the exit code."""
    started = time.monotonic()
    if "--watched" in arguments:
        guard.die_with_parent()
    stop = guard.Stop()
    job = msgspec.json.decode(Path(arguments[-1]).read_bytes(), type=TrainingJob)
    try:
        if finished(job) is None:
            training_rows = rows.read(Path(job.rows))  # reports bad rows before the slow imports
            from selflengthen.training import sft

            sft.run(job, training_rows, stop, started)
    except guard.Stopped:
        print("Stopped by a signal; all steps are saved.", flush=True)
        return guard.STOPPED
    except Exception as error:
        _write_reason(job.folder, error)
        with contextlib.suppress(OSError):  # on a full disk the traceback cannot be written either
            traceback.print_exc()
        return 1
    return 0


def _write_reason(folder: Path, error: Exception) -> None:
    """Write the reason in one line; of several processes, the first to fail writes it.

    On a full disk the file stays empty, which `launch` reports as such.
    """
    with contextlib.suppress(OSError), (folder / "failure.txt").open("x", encoding="utf-8") as file:
        file.write(in_a_line(error) + "\n")


if __name__ == "__main__":
    guard.leave(main(sys.argv[1:]))
