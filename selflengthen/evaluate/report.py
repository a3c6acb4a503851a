"""Presents an evaluation as JSON, tables, plots and a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from selflengthen.evaluate import plots
from selflengthen.evaluate.paths import EvaluationFolder
from selflengthen.evaluate.results import StateResult
from selflengthen.evaluate.targets import BenchmarkData, Judge
from selflengthen.evaluate.tasks import Task
from selflengthen.storage.atomic import rewrite, write_json

Table = list[list[str]]
"""A header and rows; the first cell of each row is its name."""

_COLUMNS = {
    "longen": ("overall", "about", "range", "above", "below"),
    "pocket": ("overall", "about", "range", "above", "below"),
    "longbench-write": ("s_l",),
    "lifebench": ("ls", "ld", "abs_ld"),
}
_IN_LENGTH = (
    "responses",
    "empty",
    "words",
)  # figures of `quality` that are in the length figures, too


def figures(
    states: Sequence[StateResult], benchmark: BenchmarkData, judge: Judge | None
) -> dict[str, object]:
    """Return the JSON object that `--json` prints and scores.json contains."""
    grader: dict[str, object] | None = None
    if judge is not None:
        grader = {
            "model": judge.name,
            "digest": judge.model.digest,
            "rubric": judge.rubric.name,
            "scale": [1, judge.rubric.max_grade],
            "prompts": judge.rubric.digest(),
        }
    return {
        "benchmark": benchmark.task.name,
        "rows": len(benchmark.rows),
        "counter": benchmark.task.benchmark.counter,
        "judge": grader,
        "models": [_state_json(state, benchmark.task) for state in states],
    }


def _state_json(state: StateResult, task: Task) -> dict[str, object]:
    variety: dict[str, object] = msgspec.to_builtins(state.quality)
    judged: dict[str, object] | None = None
    if state.judged is not None:
        judged = {
            task.rubric.key: state.judged.figure,
            "judged": state.judged.judged,
            "unjudged": state.judged.unjudged,
            "reasons": state.judged.reasons,
            "grades": state.judged.grades,
        }
    return {
        "name": state.label,
        "model": state.model,
        "state": state.state,
        "path": state.path,
        "refused": state.unanswered,
        **state.length.as_json(),
        "bands": msgspec.to_builtins(state.bands),
        "variety": {name: value for name, value in variety.items() if name not in _IN_LENGTH},
        "judged": judged,
    }


def write(
    folder: EvaluationFolder,
    states: Sequence[StateResult],
    benchmark: BenchmarkData,
    judge: Judge | None,
) -> None:
    """Write scores.json, texts.jsonl, the plots and report.md."""
    task = benchmark.task
    write_json(folder.path / "scores.json", figures(states, benchmark, judge))
    texts = (msgspec.json.encode(text) + b"\n" for text in _texts(states))
    rewrite(folder.path / "texts.jsonl", texts)
    scores = {state.label: state.scored for state in states}
    rewrite(folder.path / "lengths.png", [plots.lengths(scores)])
    rewrite(folder.path / "bands.png", [plots.bands(scores, task)])
    rewrite(folder.path / "report.md", [_markdown(states, benchmark, judge).encode()])


def tables(
    states: Sequence[StateResult], task: Task, judge: Judge | None
) -> Iterator[tuple[str, Table]]:
    """Yield the tables of an evaluation, each with its title."""
    yield "scores", _score_table(states, task, judge)
    names = list(states[0].bands)
    rows = [
        [state.label, *(_figure(state.bands[name].score, task.best) for name in names)]
        for state in states
    ]
    yield f"{task.figure} by band of required length", [["", *names], *rows]
    if judge is not None:
        dimensions = [name.replace("_", " ") for name in task.rubric.dimensions]
        rows = [
            [state.label, *(_figure(grade) for grade in state.judged.grades.values())]
            for state in states
            if state.judged is not None
        ]
        title = f"grades from 1 to {task.rubric.max_grade} by {judge.name}"
        yield title, [["", *dimensions], *rows]


def _score_table(states: Sequence[StateResult], task: Task, judge: Judge | None) -> Table:
    columns = _COLUMNS[task.name]
    left_out: list[str] = []
    if any(state.unanswered for state in states):
        left_out.append("refused")
    if any(_dropped(state) for state in states):
        left_out.append("dropped")
    head = ["", *columns, "words", "end", "repeat", *left_out]
    if judge is not None:
        head += [task.rubric.key, "unjudged"]
    return [head, *(_score_row(state, task, left_out) for state in states)]


def _score_row(state: StateResult, task: Task, left_out: Sequence[str]) -> list[str]:
    cells = [state.label]
    for column in _COLUMNS[task.name]:
        best = 100 if column in ("s_l", "ls") else 1
        cells.append(_figure(getattr(state.length.scores, column), best))
    cells.append(f"{state.length.words['mean']:,.0f}")
    cells.append(_share(state.quality.ends))
    cells.append(_share(state.quality.repeats))
    if "refused" in left_out:
        cells.append(str(state.unanswered))
    if "dropped" in left_out:
        cells.append(str(_dropped(state)))
    if state.judged is not None:
        cells.append(_figure(state.judged.figure, 100 if task.rubric.key == "s_q" else 10))
        cells.append(str(state.judged.unjudged))
    return cells


def _dropped(state: StateResult) -> int:
    """Return how many responses LIFEBench leaves out; the other benchmarks leave out none."""
    return getattr(state.length.scores, "dropped", 0)


def _texts(states: Sequence[StateResult]) -> Iterator[dict[str, object]]:
    """Yield the lines of texts.jsonl; each of a benchmark's groups is a field."""
    for state in states:
        rows = zip(state.answers, state.scored, state.grades, strict=True)
        for number, (answer, scored, grades) in enumerate(rows, 1):
            yield {
                "name": state.label,
                "row": number,
                "required": scored.required,
                "words": scored.words,
                "score": scored.score,
                "finish_reason": answer.finish_reason if answer else None,
                "counts": scored.counts,
                **scored.groups,
                "grades": grades,
            }


def _figure(value: float | None, best: float = 10) -> str:
    digits = {1: 3, 10: 2}.get(int(best), 1)
    return "-" if value is None else f"{value:,.{digits}f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _markdown(states: Sequence[StateResult], benchmark: BenchmarkData, judge: Judge | None) -> str:
    """Return the report; names are escaped, so that they cannot break its tables."""
    task = benchmark.task
    lines = [
        f"# {task.name}: {', '.join(_plain(state.label) for state in states)}",
        "",
        f"{len(benchmark.rows):,} instructions; words are counted as {task.benchmark.counter}.",
    ]
    if judge:
        unjudged = sum(state.judged.unjudged for state in states if state.judged)
        lines.append(
            f"Graded by {_plain(judge.name)} (rubric {judge.rubric.name}, prompts "
            f"{judge.rubric.digest()[:12]}); {unjudged:,} texts unjudged."
        )
    for title, table in tables(states, task, judge):
        head, *rows = [[_plain(cell) for cell in row] for row in table]
        lines += ["", f"## {_plain(title).capitalize()}", "", f"| {' | '.join(head)} |"]
        lines += ["|---|" + "---:|" * (len(head) - 1)]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", "![Required and produced lengths](lengths.png)"]
    lines += ["", "![Score by band of required length](bands.png)", ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
