"""`evaluate`: a benchmark answered by models or by all rounds of a run, scored, side by side."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from selflengthen.cli.options.parser import Parser, file_name, file_path
from selflengthen.errors import UserError

if TYPE_CHECKING:
    from selflengthen.evaluate.paths import EvaluationFolder
    from selflengthen.evaluate.pipeline import Benchmark, Judge, Target

NAMES = ("longen", "longbench-write", "lifebench", "pocket")
_ABOUT = """\
Let models answer a benchmark's instructions, score the lengths of their answers as `score` does,
and write tables and plots. Of a run the base model, the generator after each round and the finished
model are evaluated, or only RUN:base, RUN:2, RUN:final. Several models and runs stand side by side.

The benchmark `pocket` is shipped; of the others the public file is named with --data. With
--judge.model a model grades the answers, too: LonGen's seven dimensions, or LongBench-Write's six.

A run's settings are those that it was last started with; options go before them. Running the same
command again goes on with it. `pocket` means the model; a run of that name is runs/pocket."""


def main(words: Sequence[str]) -> int:
    """Check all there is to check, have what is missing answered and graded, print the tables."""
    parser = Parser("evaluate", _ABOUT, config=True, takes="MODEL|RUN ... --benchmark BENCHMARK")
    parser.add_argument(
        "targets", nargs="+", metavar="MODEL|RUN", type=file_name,
        help="model folder, hub id or `pocket`; folder of a run, or its name below runs/",
    )  # fmt: skip
    parser.add_argument(
        "--benchmark", required=True, choices=NAMES, metavar="BENCHMARK", help=", ".join(NAMES)
    )
    parser.add_argument(
        "--data", type=file_path, metavar="FILE", help="JSONL with the benchmark's instructions"
    )
    parser.add_argument(
        "--redo", action="store_true",
        help="make again what was made with other settings; what is there is set aside",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse(words)
    if "model" in asked.fields:
        raise UserError("--model: name the model without an option, as in `evaluate MODEL`.")

    from selflengthen.cli import eval_targets
    from selflengthen.evaluate import report
    from selflengthen.evaluate.pipeline import Benchmark, check
    from selflengthen.evaluate.tasks import TASKS, load

    task = TASKS[asked.benchmark]
    bench = Benchmark(task, load(task, asked.data))
    found = eval_targets.find_all(asked.targets, task, asked.fields)
    judge = eval_targets.judge(found[0].config, task)
    for target in found:
        check(target, bench, judge, redo=asked.redo)
        if holder := target.folder.holder():
            raise target.folder.in_use(holder)
    place = _place(found, task.name)
    folders = {folder.path: folder for folder in (*(target.folder for target in found), place)}
    with ExitStack() as locks:
        for folder in folders.values():
            locks.enter_context(folder.locked())
        _make(found, bench, judge, place, words, redo=asked.redo)
        sides = report.gather(found, bench, judge)
        report.write(place, sides, bench, judge)
    figures = report.figures(sides, bench, judge)
    if asked.json:
        print(json.dumps(figures, indent=1, ensure_ascii=False))
    else:
        _print(figures, task, place)
    return 0


def _make(
    found: Sequence[Target],
    bench: Benchmark,
    judge: Judge | None,
    place: EvaluationFolder,
    words: Sequence[str],
    *,
    redo: bool,
) -> None:
    """Have every target answer that has not, then the judge grade what is not graded."""
    from selflengthen.cli.run import command
    from selflengthen.cli.runner import Attempt, perform
    from selflengthen.evaluate.pipeline import Answering, Grading, check, is_answered, is_graded

    again = command([word for word in words if word != "--redo"], "evaluate")
    for target in found:
        if aside := check(target, bench, judge, redo=redo):
            print(f"set aside: {target.folder.set_aside(aside)}", file=sys.stderr)
        if not is_answered(target):
            attempt = Attempt(
                engine=target.config.engine,
                model=target.model,
                run=target.folder,
                log=target.folder.new_log(),
                resume=again,
            )
            perform(partial(Answering, target, bench), attempt)
    if judge is not None and not all(is_graded(target, judge) for target in found):
        attempt = Attempt(
            engine=judge.config.engine,
            model=judge.model,
            run=place,
            log=place.new_log(),
            resume=again,
        )
        perform(partial(Grading, found, bench, judge), attempt)


def _place(found: Sequence[Target], benchmark: str) -> EvaluationFolder:
    """Return where the scores go: to what was evaluated, or to a folder for several."""
    from selflengthen.evaluate.paths import side_by_side

    if len(found) == 1 and found[0].whole:
        return found[0].folder
    return side_by_side([target.name for target in found], benchmark)


def _print(figures: dict[str, Any], task: Any, place: EvaluationFolder) -> None:
    from selflengthen.cli.output.format import reasons, visible
    from selflengthen.cli.output.tables import print_table
    from selflengthen.evaluate.report import tables

    print(f"{task.name}: {figures['rows']:,} instructions; counted: {figures['counter']}")
    for title, table in tables(figures, task):
        print()
        print(visible(title))
        print_table(table)
    for model in figures["models"]:
        if model["judged"] and model["judged"]["unjudged"]:
            told = reasons(model["judged"]["reasons"])
            print(f"unjudged, {visible(model['name'])}: {told}")
    print()
    print(
        f"{visible(str(place.path))}: report.md, lengths.png, bands.png, scores.json, texts.jsonl"
    )
