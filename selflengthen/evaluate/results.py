"""Reads and measures the answers and grades of an evaluation."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from selflengthen.evaluate.figures import LengthFigures, QualityFigures
from selflengthen.evaluate.length import ScoredResponse, sum_up
from selflengthen.evaluate.quality import quality
from selflengthen.evaluate.targets import (
    BenchmarkData,
    EvaluationTarget,
    Judge,
    ModelState,
    records_by_row,
)
from selflengthen.evaluate.tasks import bands, score
from selflengthen.runner.verify import require_sound
from selflengthen.storage.records import Record


class BandFigures(msgspec.Struct, frozen=True):
    """The mean score of the responses in one band of required length."""

    responses: int
    score: float | None


@dataclass(frozen=True)
class GradeFigures:
    """A judge's grades of a state's answers.

    Attributes:
        figure: The mean over all dimensions, as returned by `Rubric.figure`.
        judged: The number of graded answers.
        unjudged: The number of answers without valid grades.
        reasons: The reasons why answers have no grades, with their counts.
        grades: The mean grade of each dimension.
    """

    figure: float | None
    judged: int
    unjudged: int
    reasons: dict[str, int]
    grades: dict[str, float | None]


@dataclass(frozen=True)
class StateResult:
    """The results of one state.

    `answers`, `scored` and `grades` have one element per row of the benchmark. An answer is None if
    the engine rejected the request; grades are None if the judge's were not valid.
    """

    label: str
    model: str
    state: str
    path: str
    answers: list[Record | None]
    scored: list[ScoredResponse]
    grades: list[dict[str, int] | None]
    length: LengthFigures
    bands: dict[str, BandFigures]
    quality: QualityFigures
    judged: GradeFigures | None

    @property
    def unanswered(self) -> int:
        """The number of rows without an answer."""
        return sum(answer is None for answer in self.answers)


def gather(
    targets: Sequence[EvaluationTarget], benchmark: BenchmarkData, judge: Judge | None
) -> list[StateResult]:
    """Read and measure all answers and grades; raises DamagedFile if they were changed."""
    return [
        _state_result(target, state, benchmark, judge)
        for target in targets
        for state in target.states
    ]


def _state_result(
    target: EvaluationTarget, state: ModelState, benchmark: BenchmarkData, judge: Judge | None
) -> StateResult:
    task = benchmark.task
    folder = target.folder.answers(state.name)
    require_sound(folder)
    answers = records_by_row(folder, len(benchmark.rows))
    scored = score(task, benchmark.rows, answers)
    grades: list[dict[str, int] | None] = [None] * len(answers)
    judged: GradeFigures | None = None
    if judge is not None:
        grades, judged = _grades(target, state, judge, len(answers))
    return StateResult(
        label=target.label(state),
        model=target.config.model,
        state=state.name,
        path=str(folder.path),
        answers=answers,
        scored=scored,
        grades=grades,
        length=sum_up(task.benchmark, scored),
        bands=_bands(scored),
        quality=quality(
            [answer.text if answer else "" for answer in answers],
            [answer.finish_reason if answer else None for answer in answers],
        ),
        judged=judged,
    )


def _grades(
    target: EvaluationTarget, state: ModelState, judge: Judge, count: int
) -> tuple[list[dict[str, int] | None], GradeFigures]:
    """Return the grades of each row, and their figures."""
    folder = target.folder.judged(state.name, judge.name)
    require_sound(folder)
    records = records_by_row(folder, count)
    grades = [record.details["grades"] if record else None for record in records]
    valid = [grade for grade in grades if grade is not None]
    reasons = Counter(rejection.reason for rejection in folder.rejections() if rejection.last)
    figures = GradeFigures(
        figure=judge.rubric.figure(valid),
        judged=len(valid),
        unjudged=len(grades) - len(valid),
        reasons=dict(reasons.most_common()),
        grades=judge.rubric.means(valid),
    )
    return grades, figures


def _bands(scored: Sequence[ScoredResponse]) -> dict[str, BandFigures]:
    figures = {}
    for band in bands(scored):
        scores = [r.score for r in scored if r.counts and r.groups["band"] == band]
        mean = statistics.fmean(scores) if scores else None
        figures[band] = BandFigures(responses=len(scores), score=mean)
    return figures
