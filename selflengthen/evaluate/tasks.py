"""Benchmarks that models can answer: where the instructions are, how answers are scored and graded.

`length` counts and scores lengths. Public files are named by their path; the file of the pocket
model's benchmark is shipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from selflengthen.errors import UserError
from selflengthen.evaluate import lifebench
from selflengthen.evaluate.length import BENCHMARKS, NO_GROUP, LengthBenchmark, ScoredResponse
from selflengthen.evaluate.responses import ResponseRow, read_rows
from selflengthen.evaluate.rubrics import LONGBENCH_WRITE, LONGEN, Rubric
from selflengthen.inputs.models import POCKET
from selflengthen.storage.records import Record

_BANDS = ((500, "under 500"), (2000, "500-2k"), (4000, "2k-4k"))


@dataclass(frozen=True)
class Task:
    """A benchmark that models can answer.

    Attributes:
        name: Its name on the command line.
        field: The field with the instruction.
        benchmark: How lengths are scored.
        rubric: What a judge grades.
        key: The field with the mean score.
        best: The best possible score.
        shipped: The file of instructions, if it is shipped.
        expand: Returns the instructions of a line of the file; by default, each line is one.
    """

    name: str
    field: str
    benchmark: LengthBenchmark
    rubric: Rubric
    key: str
    best: float
    shipped: Path | None = None
    expand: Callable[[ResponseRow], Iterable[ResponseRow]] = lambda row: (row,)

    @property
    def figure(self) -> str:
        """The name of the mean score in reports."""
        return "score" if self.key == "overall" else self.key


TASKS = {
    "longen": Task(
        name="longen",
        field="query",
        benchmark=BENCHMARKS["longen"],
        rubric=LONGEN,
        key="overall",
        best=1,
    ),
    "longbench-write": Task(
        name="longbench-write",
        field="prompt",
        benchmark=BENCHMARKS["longbench-write"],
        rubric=LONGBENCH_WRITE,
        key="s_l",
        best=100,
    ),
    "lifebench": Task(
        name="lifebench",
        field="prompt",
        benchmark=BENCHMARKS["lifebench"],
        rubric=LONGEN,
        key="ls",
        best=100,
        expand=lifebench.instructions,
    ),
    "pocket": Task(
        name="pocket",
        field="query",
        benchmark=BENCHMARKS["longen"],
        rubric=LONGEN,
        key="overall",
        best=1,
        shipped=POCKET.parent / "benchmark.jsonl",
    ),
}


def load(task: Task, data: Path | None) -> list[ResponseRow]:
    """Read a benchmark's instructions and check that answers to each can be scored.

    Raises:
        UserError: If there is no file, or a row has no instruction or no length.
    """
    path = data or task.shipped
    if path is None:
        raise UserError(
            f"--benchmark {task.name}: its public file is not shipped; pass it with --data FILE."
        )
    rows = [row for line in read_rows(path) for row in task.expand(line)]
    for row in rows:
        if not row.text(task.field).strip():
            row.fail(f"field {task.field!r} is blank; write the instruction there.")
        task.benchmark.read(_with_response(row, None))
    return rows


def score(
    task: Task, rows: Sequence[ResponseRow], answers: Sequence[Record | None]
) -> list[ScoredResponse]:
    """Score each answer; None, for a request that the engine rejected, counts as empty."""
    pairs = zip(rows, answers, strict=True)
    return [_with_band(task.benchmark.read(_with_response(row, answer))) for row, answer in pairs]


def bands(scored: Iterable[ScoredResponse]) -> list[str]:
    """Return the bands of required length, from short to long."""
    shortest: dict[str, float] = {}
    for response in scored:
        band = response.groups["band"]
        shortest[band] = min(response.required, shortest.get(band, response.required))
    return sorted(shortest, key=lambda band: shortest[band])


def _with_response(row: ResponseRow, answer: Record | None) -> ResponseRow:
    return replace(row, fields={**row.fields, "response": answer.text if answer else ""})


def _with_band(scored: ScoredResponse) -> ScoredResponse:
    """Add a band if the benchmark has none: one of the four in LongBench-Write's paper."""
    if scored.groups.get("band", NO_GROUP) != NO_GROUP:
        return scored
    band = next((name for limit, name in _BANDS if scored.required < limit), "4k and more")
    return replace(scored, groups={**scored.groups, "band": band})
