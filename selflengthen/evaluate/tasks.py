"""Benchmarks as something to be answered: where their instructions stand, and who grades answers.

What counts and how is the business of `length`. Public files are given by their path; that of the
pocket model is shipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from selflengthen.errors import UserError
from selflengthen.evaluate import lifebench
from selflengthen.evaluate.length import BENCHMARKS, Benchmark, Scored
from selflengthen.evaluate.responses import Row, read_rows
from selflengthen.evaluate.rubrics import LONGBENCH_WRITE, LONGEN, Rubric
from selflengthen.inputs.models import POCKET
from selflengthen.storage.records import Record

NO_BAND = "(none)"
_BANDS = ((500, "under 500"), (2000, "500-2k"), (4000, "2k-4k"))


@dataclass(frozen=True)
class Task:
    """A benchmark: the field of its instructions, its scores and its rubric.

    `key` names the mean of the scores; `best` is what a score can be at most. `expand` makes the
    instructions of a line of the file, where that is not one.
    """

    name: str
    field: str
    benchmark: Benchmark
    rubric: Rubric
    key: str
    best: float
    shipped: Path | None = None
    expand: Callable[[Row], Iterable[Row]] = lambda row: (row,)

    @property
    def figure(self) -> str:
        """What the mean of the scores is called for people."""
        return "score" if self.key == "overall" else self.key


TASKS = {
    task.name: task
    for task in (
        Task("longen", "query", BENCHMARKS["longen"], LONGEN, "overall", 1),
        Task(
            "longbench-write", "prompt", BENCHMARKS["longbench-write"], LONGBENCH_WRITE, "s_l", 100
        ),
        Task(
            "lifebench", "prompt", BENCHMARKS["lifebench"], LONGEN, "ls", 100,
            expand=lifebench.instructions,
        ),
        Task(
            "pocket", "query", BENCHMARKS["longen"], LONGEN, "overall", 1,
            POCKET.parent / "benchmark.jsonl",
        ),
    )
}  # fmt: skip


def load(task: Task, data: Path | None) -> list[Row]:
    """Read the instructions of a benchmark, and check that answers to each can be scored."""
    path = data or task.shipped
    if path is None:
        raise UserError(
            f"--benchmark {task.name}: its public file is not shipped; name it with --data FILE."
        )
    rows = [row for line in read_rows(path) for row in task.expand(line)]
    for row in rows:
        if not row.text(task.field).strip():
            row.fail(f"field {task.field!r} is blank; write the instruction there.")
        task.benchmark.read(_answered(row, None))
    return rows


def score(task: Task, rows: Sequence[Row], answers: Sequence[Record | None]) -> list[Scored]:
    """Score every answer; one that the engine refused counts as empty."""
    pairs = zip(rows, answers, strict=True)
    return [_banded(task.benchmark.read(_answered(row, answer))) for row, answer in pairs]


def bands(scored: Iterable[Scored]) -> list[str]:
    """Return the bands of length in the order of what they require."""
    least: dict[str, float] = {}
    for one in scored:
        band = one.groups["band"]
        least[band] = min(one.required, least.get(band, one.required))
    return sorted(least, key=lambda band: least[band])


def _answered(row: Row, answer: Record | None) -> Row:
    return replace(row, fields={**row.fields, "response": answer.text if answer else ""})


def _banded(scored: Scored) -> Scored:
    """Give a band of length to what has none of its own; LongBench-Write's paper has these four."""
    if scored.groups.get("band", NO_BAND) != NO_BAND:
        return scored
    band = next((name for under, name in _BANDS if scored.required < under), "4k and more")
    return replace(scored, groups={**scored.groups, "band": band})
