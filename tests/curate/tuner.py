"""An instant tuner: its loss follows from the rows, and it writes an empty adapter.

Run as a program, it is `python -m selflengthen` with tunings that take a fifth of a second.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import sys
from pathlib import Path

from selflengthen.curate.rule.tuning import Loss, Tuning
from selflengthen.storage.atomic import rewrite
from selflengthen.text.measures import word_count
from selflengthen.training.job import ADAPTER_FILES
from selflengthen.training.rows import read


async def tune(tuning: Tuning) -> Loss:
    """Longer rows give a lower loss, and so do more rows, but for a bump at about 30 of them."""
    job = tuning.job
    rows = read(Path(job.rows))
    for name in ADAPTER_FILES:
        rewrite(job.folder / name, [b"{}"])
    words = sum(word_count(row.completion[0]["content"]) for row in rows) / len(rows)
    noise = hashlib.sha256(Path(job.rows).read_bytes()).digest()[0] / 255
    bump = 0.3 * math.exp(-((math.log(len(rows) / 30) / 0.4) ** 2))
    loss = 2 - 0.02 * words - 0.1 * math.log(len(rows)) + bump + 0.004 * noise
    return Loss(loss, 100, len(read(Path(tuning.evaluation))))


class Tuner:
    """Stands in for the real tuner where a command runs."""

    latency = 0.0

    def __init__(self, log: Path) -> None:
        """Ignore the log: there is no child that could write to it."""

    async def __aenter__(self) -> Tuner:
        """Start nothing."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End nothing."""

    async def __call__(self, tuning: Tuning) -> Loss:
        """Tune after `latency` seconds."""
        await asyncio.sleep(self.latency)
        return await tune(tuning)


if __name__ == "__main__":
    import selflengthen.curate.rule.tuner
    from selflengthen.cli import main

    Tuner.latency = 0.2
    selflengthen.curate.rule.tuner.Tuner = Tuner  # type: ignore[assignment,misc]
    sys.exit(main())
