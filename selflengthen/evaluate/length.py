"""Scores the length of responses as LonGen, LongBench-Write and LIFEBench do.

The required length is the benchmark's own field if the row has it; otherwise, it is read from the
instruction.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from selflengthen.evaluate import lifebench
from selflengthen.evaluate.figures import (
    KindMeans,
    LengthFigures,
    LifebenchMeans,
    LifebenchScores,
    LongbenchScores,
    LongenScores,
    TypeMean,
)
from selflengthen.evaluate.responses import ResponseRow
from selflengthen.length import scores
from selflengthen.length.counters import lifebench_words, longbench_words, longen_words
from selflengthen.length.mentions import KINDS
from selflengthen.length.requirement import LengthRequirement, read_requirement
from selflengthen.text.statistics import spread

NO_GROUP = "(none)"
"""The group of rows that lack the field with its name."""


@dataclass(frozen=True, slots=True)
class ScoredResponse:
    """The length score of one response.

    Attributes:
        required: The required length; of a range, the upper end.
        words: The length of the response.
        score: The benchmark's score.
        groups: The groups it belongs to, by type: kind, language, band and so on.
        counts: Whether the benchmark includes the response in its means.
    """

    required: float
    words: int
    score: float
    groups: Mapping[str, str]
    counts: bool = True


@dataclass(frozen=True)
class LengthBenchmark:
    """How a benchmark scores lengths.

    Attributes:
        counter: What counts as a word, in words.
        read: Scores one row.
        sum_up: Averages the scores of all rows.
    """

    counter: str
    read: Callable[[ResponseRow], ScoredResponse]
    sum_up: Callable[[Sequence[ScoredResponse]], LongenScores | LongbenchScores | LifebenchScores]


def score(benchmark: LengthBenchmark, rows: Iterable[ResponseRow]) -> LengthFigures:
    """Score all rows and return the benchmark's figures."""
    return sum_up(benchmark, [benchmark.read(row) for row in rows])


def sum_up(benchmark: LengthBenchmark, scored: Sequence[ScoredResponse]) -> LengthFigures:
    """Return a benchmark's figures of scored responses."""
    return LengthFigures(
        responses=len(scored),
        empty=sum(response.words == 0 for response in scored),
        counter=benchmark.counter,
        words=spread([response.words for response in scored]),
        scores=benchmark.sum_up(scored),
    )


def _read_longen(row: ResponseRow) -> ScoredResponse:
    words = longen_words(row.text("response"))
    requirement = _requirement(row, "constraint", "query")
    if "type" in row:
        requirement = _with_kind(row, requirement, row.one_of("type", *KINDS))
    groups = {
        "kind": requirement.kind,
        "language": row.optional_text("language") or _language(requirement),
        "band": row.optional_text("range") or NO_GROUP,
    }
    return ScoredResponse(
        required=float(requirement.number),
        words=words,
        score=scores.longen(words, requirement),
        groups=groups,
    )


def _requirement(row: ResponseRow, *fields: str) -> LengthRequirement:
    """Read the required length from the first of the fields that the row has."""
    field = next((field for field in fields if field in row), fields[-1])
    requirement = read_requirement(row.text(field))
    if requirement is None:
        row.fail(f"field {field!r} asks for no length; remove instructions without one.")
    return requirement


def _with_kind(row: ResponseRow, requirement: LengthRequirement, kind: str) -> LengthRequirement:
    """Change the kind of a requirement, but not its numbers: LonGen's field determines the kind."""
    if kind == requirement.kind:
        return requirement
    numbers = [n for n in (requirement.low, requirement.high) if n is not None]
    if (kind == "range") != (len({*numbers}) == 2):
        row.fail(
            f"field 'type' is {kind!r}, but the row asks for a length of {requirement.text!r:.60}."
        )
    if kind == "above":
        return replace(requirement, kind="above", low=numbers[0], high=None)
    if kind == "below":
        return replace(requirement, kind="below", low=None, high=numbers[-1])
    return replace(requirement, kind="about", low=numbers[0], high=numbers[-1])


def _language(requirement: LengthRequirement) -> str:
    return "zh" if requirement.unit == "characters" else "en"


def _sum_longen(scored: Sequence[ScoredResponse]) -> LongenScores:
    means = _kind_means(scored)
    return LongenScores(
        overall=means.overall,
        about=means.about,
        range=means.range,
        above=means.above,
        below=means.below,
        by_language={
            name: _kind_means(group) for name, group in _grouped(scored, "language").items()
        },
        by_band={name: _kind_means(group) for name, group in _grouped(scored, "band").items()},
    )


def _kind_means(scored: Sequence[ScoredResponse]) -> KindMeans:
    by_kind = _grouped(scored, "kind")
    return KindMeans(
        overall=_mean(scored), **{kind: _mean(by_kind.get(kind, ())) for kind in KINDS}
    )


def _read_longbench_write(row: ResponseRow) -> ScoredResponse:
    words = longbench_words(row.text("response"))
    if "length" in row:
        required = row.length("length")
    else:
        required = float(_requirement(row, "prompt").number)
    return ScoredResponse(
        required=required,
        words=words,
        score=scores.s_l(required, words),
        groups={"type": row.optional_text("type") or NO_GROUP},
    )


def _sum_longbench_write(scored: Sequence[ScoredResponse]) -> LongbenchScores:
    by_type = {
        name: TypeMean(responses=len(group), s_l=_mean(group))
        for name, group in _grouped(scored, "type").items()
    }
    return LongbenchScores(s_l=_mean(scored), by_type=by_type)


def _read_lifebench(row: ResponseRow) -> ScoredResponse:
    words = lifebench_words(row.text("response"))
    field = "task" if "task" in row and "prompt" not in row else "prompt"
    control, required = lifebench.required_length(row, field)
    groups = {
        "control": control,
        "language": row.optional_text("lang") or NO_GROUP,
        "band": f"{required:g}" if required in lifebench.LENGTHS else NO_GROUP,
    }
    return ScoredResponse(
        required=required,
        words=words,
        score=scores.ls(required, words, control),
        groups=groups,
        counts=words > 1,
    )


def _sum_lifebench(scored: Sequence[ScoredResponse]) -> LifebenchScores:
    counted = [response for response in scored if response.counts]
    means = _lifebench_means(counted)
    by_control = _grouped(counted, "control")
    by_length = {
        f"{length:g}": _lifebench_means([r for r in counted if r.required == length])
        for length in sorted({response.required for response in scored})
    }
    return LifebenchScores(
        dropped=len(scored) - len(counted),
        ld=means.ld,
        abs_ld=means.abs_ld,
        ls=means.ls,
        by_constraint={
            control: _lifebench_means(by_control.get(control, ())) for control in lifebench.CONTROLS
        },
        by_length=by_length,
        by_language={
            name: _lifebench_means(group) for name, group in _grouped(counted, "language").items()
        },
    )


def _lifebench_means(counted: Sequence[ScoredResponse]) -> LifebenchMeans:
    """Average the means of the cells; a cell has the responses to one control and one length."""
    cells: dict[tuple[str, float], list[ScoredResponse]] = {}
    for response in counted:
        key = (response.groups["control"], response.required)
        cells.setdefault(key, []).append(response)
    if not cells:
        return LifebenchMeans(responses=0, ld=None, abs_ld=None, ls=None)
    deviations = [[scores.ld(r.required, r.words) for r in cell] for cell in cells.values()]
    return LifebenchMeans(
        responses=len(counted),
        ld=statistics.fmean(map(statistics.fmean, deviations)),
        abs_ld=statistics.fmean(statistics.fmean(map(abs, cell)) for cell in deviations),
        ls=statistics.fmean(statistics.fmean(r.score for r in cell) for cell in cells.values()),
    )


def _grouped(scored: Iterable[ScoredResponse], group: str) -> dict[str, list[ScoredResponse]]:
    grouped: dict[str, list[ScoredResponse]] = {}
    for response in scored:
        grouped.setdefault(response.groups[group], []).append(response)
    return dict(sorted(grouped.items()))


def _mean(scored: Sequence[ScoredResponse]) -> float | None:
    return statistics.fmean(response.score for response in scored) if scored else None


BENCHMARKS = {
    "longen": LengthBenchmark(
        counter=(
            "wide characters (U+3000-303F, 4E00-9FFF, FF00-FFEF) and white-space tokens of the rest"
        ),
        read=_read_longen,
        sum_up=_sum_longen,
    ),
    "longbench-write": LengthBenchmark(
        counter="ideographs (U+4E00-9FFF) and runs of ASCII letters between word boundaries",
        read=_read_longbench_write,
        sum_up=_sum_longbench_write,
    ),
    "lifebench": LengthBenchmark(
        counter=(
            "ideographs (U+4E00-9FFF) and runs of ASCII letters, digits, ' and - with word "
            "boundaries"
        ),
        read=_read_lifebench,
        sum_up=_sum_lifebench,
    ),
}
