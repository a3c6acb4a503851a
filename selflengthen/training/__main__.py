"""The child: `python -m selflengthen.training [--watched] JOB`.

`--watched` ends it when standard input closes, see `guard`. Exit codes: 0 finished, 143 saved
after SIGTERM, 1 failed (the reason is in `failure.txt`).
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from pathlib import Path

import msgspec

from selflengthen.errors import SelfLengthenError
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
        traceback.print_exc()
        _explain(job.folder, error)
        return 1
    return 0


def _explain(folder: Path, error: Exception) -> None:
    """Write the reason in one line; the first of several processes to fail knows it."""
    lines = str(error).strip().splitlines() or ["no message"]
    known = isinstance(error, SelfLengthenError)
    reason = lines[0] if known else f"{type(error).__name__}: {lines[0]}"
    try:
        with (folder / "failure.txt").open("x", encoding="utf-8") as file:
            file.write(reason + "\n")
    except FileExistsError:
        pass


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # what is left would only take time to tear down
