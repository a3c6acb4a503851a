"""`evaluate`: models, or all rounds of a run, answer a benchmark and are scored side by side."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from selflengthen.cli.options.parser import Parser, file_name, file_path
from selflengthen.errors import UserError

if TYPE_CHECKING:
    from selflengthen.evaluate.paths import EvaluationFolder
    from selflengthen.evaluate.results import StateResult
    from selflengthen.evaluate.targets import BenchmarkData, EvaluationTarget, Judge

NAMES = ("longen", "longbench-write", "lifebench", "pocket")
_ABOUT = """\
Have models answer a benchmark's instructions, score the lengths of their answers as `score` does,
and write tables and plots. For a run, this evaluates the base model, the generator after each round
and the finished model; RUN:base, RUN:2 or RUN:final evaluates just one. Several models and runs are
shown side by side.

The benchmark `pocket` is shipped; give the public file of another one with --data. With
--judge.model, a model also grades the answers: LonGen's seven dimensions, or LongBench-Write's six.

A run's settings are those of its last start; options override them. Run the same command again to
resume. `pocket` means the model; a run with that name is runs/pocket."""


def main(words: Sequence[str]) -> int:
    """Check all input, collect the answers and grades that are missing, print the tables."""
    args = _parser().parse(words)
    if "model" in args.fields:
        raise UserError("--model: name the model without an option, as in `evaluate MODEL`.")

    from selflengthen.cli import eval_targets
    from selflengthen.evaluate import report
    from selflengthen.evaluate.results import gather
    from selflengthen.evaluate.targets import BenchmarkData, check
    from selflengthen.evaluate.tasks import TASKS, load

    task = TASKS[args.benchmark]
    benchmark = BenchmarkData(task, load(task, args.data))
    targets = eval_targets.find_all(args.targets, task, args.fields)
    judge = eval_targets.judge(targets[0].config, task)
    for target in targets:
        check(target, benchmark, judge, redo=args.redo)
        if holder := target.folder.holder():
            raise target.folder.in_use(holder)
    output = _output_folder(targets, task.name)
    folders = {folder.path: folder for folder in (*(t.folder for t in targets), output)}
    with ExitStack() as locks:
        for folder in folders.values():
            locks.enter_context(folder.locked())
        _set_aside(targets, benchmark, judge, redo=args.redo)
        _answer_and_grade(targets, benchmark, judge, output, words)
        states = gather(targets, benchmark, judge)
        report.write(output, states, benchmark, judge)
    if args.json:
        figures = report.figures(states, benchmark, judge)
        print(json.dumps(figures, indent=1, ensure_ascii=False))
    else:
        _print(states, benchmark, judge, output)
    return 0


def _parser() -> Parser:
    parser = Parser("evaluate", _ABOUT, config=True, takes="MODEL|RUN ... --benchmark BENCHMARK")
    parser.add_argument(
        "targets",
        nargs="+",
        metavar="MODEL|RUN",
        type=file_name,
        help="model folder, hub id or `pocket`; folder of a run, or its name in runs/",
    )
    parser.add_argument(
        "--benchmark", required=True, choices=NAMES, metavar="BENCHMARK", help=", ".join(NAMES)
    )
    parser.add_argument(
        "--data", type=file_path, metavar="FILE", help="JSONL with the benchmark's instructions"
    )
    parser.add_argument(
        "--redo",
        action="store_true",
        help="redo what was made with other settings; the old results are set aside",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _set_aside(
    targets: Sequence[EvaluationTarget],
    benchmark: BenchmarkData,
    judge: Judge | None,
    *,
    redo: bool,
) -> None:
    """Check again, now that the folders are locked, and set aside what `--redo` replaces.

    This is done for all targets before any of them answers, so that the command that resumes needs
    no --redo.
    """
    from selflengthen.evaluate.targets import check

    for target in targets:
        if outdated := check(target, benchmark, judge, redo=redo):
            print(f"set aside: {target.folder.set_aside(outdated)}", file=sys.stderr)


def _answer_and_grade(
    targets: Sequence[EvaluationTarget],
    benchmark: BenchmarkData,
    judge: Judge | None,
    output: EvaluationFolder,
    words: Sequence[str],
) -> None:
    """Have every target answer that has not, then the judge grade what is not graded."""
    from selflengthen.cli.run import command
    from selflengthen.cli.runner import Attempt, perform
    from selflengthen.evaluate.pipeline import Answering, Grading
    from selflengthen.evaluate.targets import is_answered, is_graded

    resume = command([word for word in words if word != "--redo"], "evaluate")
    for target in targets:
        if not is_answered(target):
            attempt = Attempt(
                engine=target.config.engine,
                model=target.model,
                run=target.folder,
                log=target.folder.new_log(),
                resume=resume,
            )
            perform(partial(Answering, target, benchmark), attempt)
    if judge is not None and not all(is_graded(target, judge) for target in targets):
        attempt = Attempt(
            engine=judge.config.engine,
            model=judge.model,
            run=output,
            log=output.new_log(),
            resume=resume,
        )
        perform(partial(Grading, targets, benchmark, judge), attempt)


def _output_folder(targets: Sequence[EvaluationTarget], benchmark: str) -> EvaluationFolder:
    """Return the folder for the scores: that of the only target, or one for several."""
    from selflengthen.evaluate.paths import side_by_side

    if len(targets) == 1 and targets[0].all_states:
        return targets[0].folder
    return side_by_side([target.name for target in targets], benchmark)


def _print(
    states: Sequence[StateResult],
    benchmark: BenchmarkData,
    judge: Judge | None,
    output: EvaluationFolder,
) -> None:
    from selflengthen.cli.output.format import reasons, visible
    from selflengthen.cli.output.tables import print_table
    from selflengthen.evaluate.report import tables

    task = benchmark.task
    print(f"{task.name}: {len(benchmark.rows):,} instructions; counted: {task.benchmark.counter}")
    for title, table in tables(states, task, judge):
        print()
        print(visible(title))
        print_table(table)
    for state in states:
        if state.judged is not None and state.judged.unjudged:
            print(f"unjudged, {visible(state.label)}: {reasons(state.judged.reasons)}")
    print()
    print(
        f"{visible(str(output.path))}: report.md, lengths.png, bands.png, scores.json, texts.jsonl"
    )
