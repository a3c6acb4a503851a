"""What an evaluation found: figures of every state from the files alone, tables, and the report."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from selflengthen.evaluate import plots, rubrics
from selflengthen.evaluate.length import Scored, sum_up
from selflengthen.evaluate.paths import EvaluationFolder
from selflengthen.evaluate.pipeline import Benchmark, Judge, State, Target, by_row
from selflengthen.evaluate.quality import quality
from selflengthen.evaluate.tasks import Task, bands, score
from selflengthen.storage.atomic import rewrite, write_json
from selflengthen.storage.records import Record

Table = list[list[str]]
"""A head, then rows; the first cell of each names it."""

_COLUMNS = {
    "longen": ("overall", "about", "range", "above", "below"),
    "pocket": ("overall", "about", "range", "above", "below"),
    "longbench-write": ("s_l",),
    "lifebench": ("ls", "ld", "abs_ld"),
}
_TWICE = ("responses", "empty", "words")  # stand in the length figures already


@dataclass(frozen=True)
class Side:
    """One state: its scores a row, and what a judge made of each answer."""

    label: str
    answers: list[Record | None]
    scored: list[Scored]
    grades: list[dict[str, int] | None]
    figures: dict[str, Any]


def gather(targets: Sequence[Target], asked: Benchmark, judge: Judge | None) -> list[Side]:
    """Read all answers and grades, and measure them."""
    return [_side(t, s, asked, judge) for t in targets for s in t.states]


def figures(sides: Sequence[Side], asked: Benchmark, judge: Judge | None) -> dict[str, Any]:
    """Return what `--json` prints and scores.json holds."""
    told = None
    if judge is not None:
        told = {
            "model": judge.name, "digest": judge.model.digest, "rubric": judge.rubric.name,
            "scale": [1, judge.rubric.most], "prompts": judge.rubric.digest(),
        }  # fmt: skip
    return {
        "benchmark": asked.task.name,
        "rows": len(asked.rows),
        "counter": asked.task.benchmark.counter,
        "judge": told,
        "models": [side.figures for side in sides],
    }


def write(
    folder: EvaluationFolder, sides: Sequence[Side], asked: Benchmark, judge: Judge | None
) -> None:
    """Write figures, a line a text, the plots and the report."""
    found = figures(sides, asked, judge)
    write_json(folder.path / "scores.json", found)
    rewrite(folder.path / "texts.jsonl", (msgspec.json.encode(t) + b"\n" for t in _texts(sides)))
    labelled = {side.label: side.scored for side in sides}
    rewrite(folder.path / "lengths.png", [plots.lengths(labelled, asked.task)])
    rewrite(folder.path / "bands.png", [plots.bands(labelled, asked.task)])
    rewrite(folder.path / "report.md", [_markdown(found, asked.task).encode()])


def tables(found: dict[str, Any], task: Task) -> Iterator[tuple[str, Table]]:
    """Yield the tables of an evaluation, each with its title."""
    models, judge = found["models"], found["judge"]
    rubric = task.rubric
    columns = _COLUMNS[task.name]
    left_out = [name for name in ("refused", "dropped") if any(m.get(name) for m in models)]
    judged = [rubric.key, "unjudged"] if judge else []
    head = ["", *columns, "words", "end", "repeat", *left_out, *judged]
    yield "scores", [head, *(_row(model, columns, left_out, rubric) for model in models)]
    names = list(models[0]["bands"])
    rows = [
        [m["name"], *(_figure(m["bands"][n]["score"], task.best) for n in names)] for m in models
    ]
    yield f"{task.figure} by band of required length", [["", *names], *rows]
    if judge:
        graded = [
            [m["name"], *(_figure(v) for v in m["judged"]["grades"].values())] for m in models
        ]
        yield (
            f"grades from 1 to {rubric.most} by {judge['model']}",
            [["", *(name.replace("_", " ") for name in rubric.dimensions)], *graded],
        )


def _side(target: Target, state: State, asked: Benchmark, judge: Judge | None) -> Side:
    folder = target.folder.answers(state.name)
    answers = by_row(folder, len(asked.rows))
    scored = score(asked.task, asked.rows, answers)
    grades: list[dict[str, int] | None] = [None] * len(answers)
    made = {
        "name": target.label(state),
        "model": target.config.model,
        "state": state.name,
        "path": str(folder.path),
        "refused": sum(answer is None for answer in answers),
        **sum_up(asked.task.benchmark, scored),
        "bands": _bands(scored),
        "variety": _variety(answers),
        "judged": None,
    }
    if judge is not None:
        graded = target.folder.judged(state.name, judge.name)
        records = by_row(graded, len(asked.rows))
        grades = [record.details["grades"] if record else None for record in records]
        whole = [one for one in grades if one is not None]
        reasons = Counter(refusal.reason for refusal in graded.refusals() if refusal.last)
        made["judged"] = {
            judge.rubric.key: judge.rubric.figure(whole),
            "judged": len(whole),
            "unjudged": len(grades) - len(whole),
            "reasons": dict(reasons.most_common()),
            "grades": judge.rubric.means(whole),
        }
    return Side(target.label(state), answers, scored, grades, made)


def _variety(answers: Sequence[Record | None]) -> dict[str, Any]:
    texts = [answer.text if answer else "" for answer in answers]
    measured = quality(texts, [answer.finish_reason if answer else None for answer in answers])
    return {name: value for name, value in measured.items() if name not in _TWICE}


def _bands(scored: Sequence[Scored]) -> dict[str, Any]:
    found = {}
    for band in bands(scored):
        scores = [one.score for one in scored if one.counts and one.groups["band"] == band]
        mean = statistics.fmean(scores) if scores else None
        found[band] = {"responses": len(scores), "score": mean}
    return found


def _texts(sides: Sequence[Side]) -> Iterator[dict[str, Any]]:
    for side in sides:
        rows = zip(side.answers, side.scored, side.grades, strict=True)
        for number, (answer, one, grades) in enumerate(rows, 1):
            yield {
                "name": side.label, "row": number, "required": one.required, "words": one.words,
                "score": one.score, "finish_reason": answer.finish_reason if answer else None,
                "counts": one.counts, **one.groups, "grades": grades,
            }  # fmt: skip


def _row(
    model: dict[str, Any], columns: Sequence[str], left_out: Sequence[str], rubric: rubrics.Rubric
) -> list[str]:
    best = {"s_l": 100, "ls": 100}
    cells = [_figure(model[column], best.get(column, 1)) for column in columns]
    variety, judged = model["variety"], model["judged"]
    cells.append(f"{model['words']['mean']:,.0f}")
    cells += [_share(variety["ends"]), _share(variety["repeats"])]
    cells += [str(model[name]) for name in left_out]
    if judged:
        cells += [_figure(judged[rubric.key], 100 if rubric.key == "s_q" else 10)]
        cells.append(str(judged["unjudged"]))
    return [model["name"], *cells]


def _figure(value: float | None, best: float = 10) -> str:
    digits = {1: 3, 10: 2}.get(int(best), 1)
    return "-" if value is None else f"{value:,.{digits}f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _markdown(found: dict[str, Any], task: Task) -> str:
    """Write the report; names are data and form neither cells nor lines."""
    judge = found["judge"]
    lines = [
        f"# {task.name}: {', '.join(_plain(model['name']) for model in found['models'])}", "",
        f"{found['rows']:,} instructions; words are counted as {found['counter']}.",
    ]  # fmt: skip
    if judge:
        unjudged = sum(model["judged"]["unjudged"] for model in found["models"])
        lines.append(
            f"Graded by {_plain(judge['model'])} (rubric {judge['rubric']}, prompts "
            f"{judge['prompts'][:12]}); {unjudged:,} texts unjudged."
        )
    for title, table in tables(found, task):
        head, *rows = [[_plain(cell) for cell in row] for row in table]
        lines += ["", f"## {_plain(title).capitalize()}", "", f"| {' | '.join(head)} |"]
        lines += ["|---|" + "---:|" * (len(head) - 1)]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", "![Required and produced lengths](lengths.png)"]
    lines += ["", "![Score by band of required length](bands.png)", ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
