"""Length scores of responses on file, benchmark by benchmark.

A benchmark reads a row into a `Scored`: what was asked for, what came, the score. The required
length is the benchmark's own field where the row has it; else it is read from the instruction.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from selflengthen.evaluate import lifebench
from selflengthen.evaluate.lifebench import CONTROLS
from selflengthen.evaluate.responses import Row
from selflengthen.length import scores
from selflengthen.length.counters import lifebench_words, longbench_words, longen_words
from selflengthen.length.mentions import KINDS
from selflengthen.length.requirement import LengthRequirement, read_requirement
from selflengthen.text.statistics import spread


@dataclass(frozen=True, slots=True)
class Scored:
    """A response: how long it was to be and is, its score, and the groups it counts in.

    `required` is the length that was named (of a range, the upper end). `counts` is false where the
    benchmark leaves the response out of its means.
    """

    required: float
    words: int
    score: float
    groups: Mapping[str, str]
    counts: bool = True


@dataclass(frozen=True)
class Benchmark:
    """How a benchmark reads a row and sums up; `counter` says how it counts."""

    counter: str
    read: Callable[[Row], Scored]
    sum_up: Callable[[Sequence[Scored]], dict[str, Any]]


def score(benchmark: Benchmark, rows: Iterable[Row]) -> dict[str, Any]:
    """Return a benchmark's scores of all rows, with what they were made from."""
    return sum_up(benchmark, [benchmark.read(row) for row in rows])


def sum_up(benchmark: Benchmark, scored: Sequence[Scored]) -> dict[str, Any]:
    """Return the scores of rows that were read."""
    return {
        "responses": len(scored),
        "empty": sum(one.words == 0 for one in scored),
        "counter": benchmark.counter,
        "words": spread([one.words for one in scored]),
        **benchmark.sum_up(scored),
    }


_NONE = "(none)"  # the group of rows that do not say theirs


def _read_longen(row: Row) -> Scored:
    words = longen_words(row.text("response"))
    demand = _asked(row, "constraint", "query")
    if "type" in row:
        demand = _as(row, demand, row.one_of("type", *KINDS))
    groups = {
        "kind": demand.kind,
        "language": row.optional_text("language") or _language(demand),
        "band": row.optional_text("range") or _NONE,
    }
    return Scored(_named(demand), words, scores.longen(words, demand), groups)


def _asked(row: Row, *fields: str) -> LengthRequirement:
    """Read the demand from the first of the fields that the row has."""
    field = next((field for field in fields if field in row), fields[-1])
    demand = read_requirement(row.text(field))
    if demand is None:
        row.fail(f"field {field!r} names no length; leave out instructions that ask for none.")
    return demand


def _as(row: Row, demand: LengthRequirement, kind: str) -> LengthRequirement:
    """Take the numbers of a demand as one of another kind: in LonGen the field decides."""
    if kind == demand.kind:
        return demand
    numbers = [number for number in (demand.low, demand.high) if number is not None]
    if (kind == "range") != (len({*numbers}) == 2):
        row.fail(f"field 'type' is {kind!r}, but the length named is {demand.text!r:.60}.")
    low, high = numbers[0], numbers[-1]
    if kind == "above":
        return replace(demand, kind="above", low=low, high=None)
    if kind == "below":
        return replace(demand, kind="below", low=None, high=high)
    return replace(demand, kind="about", low=low, high=high)


def _named(demand: LengthRequirement) -> float:
    return float((demand.low if demand.high is None else demand.high) or 0)


def _language(demand: LengthRequirement) -> str:
    return "zh" if demand.unit == "characters" else "en"


def _sum_longen(scored: Sequence[Scored]) -> dict[str, Any]:
    def kinds(some: Sequence[Scored]) -> dict[str, Any]:
        by_kind = _grouped(some, "kind")
        return {"overall": _mean(some)} | {kind: _mean(by_kind.get(kind, ())) for kind in KINDS}

    return {
        **kinds(scored),
        "by_language": {name: kinds(some) for name, some in _grouped(scored, "language").items()},
        "by_band": {name: kinds(some) for name, some in _grouped(scored, "band").items()},
    }


def _read_longbench_write(row: Row) -> Scored:
    words = longbench_words(row.text("response"))
    required = row.length("length") if "length" in row else _named(_asked(row, "prompt"))
    groups = {"type": row.optional_text("type") or _NONE}
    return Scored(required, words, scores.s_l(required, words), groups)


def _sum_longbench_write(scored: Sequence[Scored]) -> dict[str, Any]:
    by_type = {
        name: {"responses": len(some), "s_l": _mean(some)}
        for name, some in _grouped(scored, "type").items()
    }
    return {"s_l": _mean(scored), "by_type": by_type}


def _read_lifebench(row: Row) -> Scored:
    words = lifebench_words(row.text("response"))
    field = "task" if "task" in row and "prompt" not in row else "prompt"
    control, required = lifebench.named(row, field)
    groups = {
        "control": control,
        "language": row.optional_text("lang") or _NONE,
        "band": f"{required:g}" if required in lifebench.LENGTHS else _NONE,
    }
    score = scores.ls(required, words, control)
    return Scored(required, words, score, groups, counts=words > 1)


def _sum_lifebench(scored: Sequence[Scored]) -> dict[str, Any]:
    counted = [one for one in scored if one.counts]
    overall = _lifebench_means(counted)
    del overall["responses"]
    by_control = _grouped(counted, "control")
    lengths = sorted({one.required for one in scored})
    return {
        "dropped": len(scored) - len(counted),
        **overall,
        "by_constraint": {
            control: _lifebench_means(by_control.get(control, ())) for control in CONTROLS
        },
        "by_length": {
            f"{length:g}": _lifebench_means([one for one in counted if one.required == length])
            for length in lengths
        },
        "by_language": {
            name: _lifebench_means(some) for name, some in _grouped(counted, "language").items()
        },
    }


def _lifebench_means(counted: Sequence[Scored]) -> dict[str, Any]:
    """Return means over the lengths asked for in one way, each itself a mean over its responses."""
    cells: dict[tuple[str, float], list[Scored]] = {}
    for one in counted:
        cells.setdefault((one.groups["control"], one.required), []).append(one)
    if not cells:
        return {"responses": 0, "ld": None, "abs_ld": None, "ls": None}
    deviations = [[scores.ld(one.required, one.words) for one in cell] for cell in cells.values()]
    return {
        "responses": len(counted),
        "ld": statistics.fmean(map(statistics.fmean, deviations)),
        "abs_ld": statistics.fmean(statistics.fmean(map(abs, cell)) for cell in deviations),
        "ls": statistics.fmean(
            statistics.fmean(one.score for one in cell) for cell in cells.values()
        ),
    }


def _grouped(scored: Iterable[Scored], group: str) -> dict[str, list[Scored]]:
    grouped: dict[str, list[Scored]] = {}
    for one in scored:
        grouped.setdefault(one.groups[group], []).append(one)
    return dict(sorted(grouped.items()))


def _mean(scored: Sequence[Scored]) -> float | None:
    return statistics.fmean(one.score for one in scored) if scored else None


BENCHMARKS = {
    "longen": Benchmark(
        "wide characters (U+3000-303F, 4E00-9FFF, FF00-FFEF) and white-space tokens of the rest",
        _read_longen,
        _sum_longen,
    ),
    "longbench-write": Benchmark(
        "ideographs (U+4E00-9FFF) and runs of ASCII letters between word boundaries",
        _read_longbench_write,
        _sum_longbench_write,
    ),
    "lifebench": Benchmark(
        "ideographs (U+4E00-9FFF) and runs of ASCII letters, digits, ' and - with word boundaries",
        _read_lifebench,
        _sum_lifebench,
    ),
}
