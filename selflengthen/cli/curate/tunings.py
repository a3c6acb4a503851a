"""`curate fit` with tunings, and `curate search`: jobs of many trainings that resume."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from selflengthen.cli.curate.choosing import (
    add_options,
    open_data,
    options_in,
    parser_of,
    write_and_print,
)
from selflengthen.cli.curate.rules import (
    RULE_OUT,
    add_indicators,
    add_target,
    models_of,
    print_rule,
)
from selflengthen.cli.options.parser import Parser, file_name, file_path
from selflengthen.storage.atomic import check_new_file

if TYPE_CHECKING:
    from selflengthen.cli.output.progress import Reporter
    from selflengthen.curate.indicators.registry import Measured
    from selflengthen.curate.io.rows import Rows
    from selflengthen.curate.rule.curve import SearchResult
    from selflengthen.curate.rule.tuning import TuningSeries, TuningSetup

T = TypeVar("T")
_FIELDS = ("model", "seed", "train.")
_FIT = """\
fit a rule by fine-tuning: draw subsets of DATA, fine-tune a model on each (learning rate and
epochs: --train.generator.…), measure its loss on the evaluation set, and fit the rule to the mean
indicators of the subsets. After a kill, run the same command again to resume; you may raise
--subsets"""
_SEARCH = """\
find the number of top-ranked rows that minimises evaluation loss, and keep these rows. Each trial
fine-tunes a model (learning rate and epochs: --train.generator.…) on that many of the best rows by
a rule, and measures its loss on the evaluation set; BlendSearch picks the numbers to try. The loss
of each size is written next to FILE (.curve.json), and plotted (.curve.png). After a kill, run the
same command again to resume; you may raise --trials"""


def fit(words: Sequence[str]) -> int:
    """Fit a rule by tunings on subsets."""
    from selflengthen.curate.steps import IndicatorModels

    takes = "DATA --evaluation SET --indicators A,B"
    parser = parser_of("fit", _FIT, only=_FIELDS, takes=takes, out=RULE_OUT)
    _add_tuning(parser)
    add_indicators(parser)
    _add_count(parser, "subsets", 129, "number of subsets")
    _add_count(parser, "rows", 1000, "rows per subset")
    add_target(parser)
    names = add_options(parser, IndicatorModels, "models of indicators")
    args = parser.parse(words)

    from selflengthen.curate.rule import rules
    from selflengthen.curate.rule.subsets import Fitting, SubsetPlan

    out = Path(args.out)
    check_new_file(out)
    setup = _setup(args)
    rows, measured = _measure(args, args.indicators.split(","), names)
    series = Fitting(rows, measured, SubsetPlan(args.subsets, args.rows, args.target), setup)
    rule = _perform(series, args, ["fit", *words])
    rules.save(rule, out)
    print_rule(rule, out, as_json=args.json)
    return 0


def search(words: Sequence[str]) -> int:
    """Keep the best rows by a rule, as many as minimise the loss."""
    parser, names = _search_parser()
    args = parser.parse(words)

    from selflengthen.curate.io.write import check_output
    from selflengthen.curate.rule import rules
    from selflengthen.curate.rule.search import Searching, SizeRange

    check_output(Path(args.out))
    rule = rules.load(args.rule)
    setup = _setup(args)
    rows, measured = _measure(args, list(rule.weights), names)
    least = args.least or max(1, len(rows) // 32)
    sizes = SizeRange(least, args.most or len(rows), args.points)
    predicted = rule.predict(measured.names, measured.values)
    series = Searching(rows, predicted, sizes, args.trials, setup)
    result = _perform(series, args, ["search", *words])
    _report(result, rows, args)
    return 0


def _search_parser() -> tuple[Parser, list[str]]:
    """Return the parser of `search`, and the names of its options for models."""
    from selflengthen.curate.steps import IndicatorModels

    parser = parser_of("search", _SEARCH, only=_FIELDS, takes="DATA --evaluation SET --rule RULE")
    _add_tuning(parser)
    parser.add_argument(
        "--rule",
        required=True,
        metavar="RULE",
        type=file_name,
        help="YAML file, or `published`: InstructMining's",
    )
    _add_count(parser, "trials", 16, "the largest number of fine-tuning runs")
    _add_count(parser, "least", None, "the smallest size to try (default: 1/32 of the rows)")
    _add_count(parser, "most", None, "the largest size to try (default: all rows)")
    _add_count(parser, "points", 24, "sizes on the grid, in equal ratios from least to most")
    return parser, add_options(parser, IndicatorModels, "models of indicators")


def _report(result: SearchResult, rows: Rows, args: argparse.Namespace) -> None:
    """Write the curve, the rows and the report; print the report."""
    import msgspec

    from selflengthen.curate.io.report import StepReport
    from selflengthen.curate.io.rows import AppliedStep
    from selflengthen.curate.io.write import beside
    from selflengthen.curate.rule import curve
    from selflengthen.storage.atomic import rewrite, write_json

    out = Path(args.out)
    figures = curve.figures(result)
    write_json(beside(out, "curve.json"), msgspec.to_builtins(figures))
    rewrite(beside(out, "curve.png"), [curve.plot(result)])
    descent = figures.double_descent
    step = StepReport(
        method="search",
        options={"rule": args.rule, "evaluation": args.evaluation},
        rows=len(rows),
        kept=result.best,
        dropped={"predicted loss": len(rows) - result.best},
        figures={
            **result.choice.figures,
            "trials": len(result.curve),
            "loss": round(figures.loss, 4),
            "double_descent": "none" if descent is None else msgspec.to_builtins(descent),
        },
    )
    if not args.json:
        from selflengthen.cli.output.tables import print_table

        print_table(curve.table(result))
    write_and_print(args, rows, [AppliedStep("search", rows, result.choice)], [step])


def _add_tuning(parser: Parser) -> None:
    group = parser.add_argument_group("tunings")
    group.add_argument(
        "--evaluation",
        required=True,
        metavar="SET",
        type=file_name,
        help="the data set on which to measure a tuned model's loss; named like DATA",
    )
    group.add_argument(
        "--work",
        metavar="FOLDER",
        type=file_path,
        help="the folder for tunings and their losses (default: next to FILE, named .work)",
    )
    group.add_argument(
        "--keep-adapters",
        action="store_true",
        help="keep each adapter's weights, which are otherwise deleted once its loss is saved",
    )


def _add_count(parser: Parser, name: str, default: int | None, about: str) -> None:
    shown = "" if default is None else f" (default: {default})"
    parser.add_argument(
        f"--{name}", type=_count, metavar="N", default=default, help=f"{about}{shown}"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _setup(args: argparse.Namespace) -> TuningSetup:
    """Check the settings, find the model and open the evaluation set; raises UserError."""
    from selflengthen.cli.options.settings import resolve
    from selflengthen.cli.preflight import check_batch, fit_lengths, print_lengths
    from selflengthen.curate.io.columns import FieldNames
    from selflengthen.curate.io.load import open_beside
    from selflengthen.curate.rule.tuning import TuningSetup
    from selflengthen.inputs import models

    settings = resolve(None, args.fields, None)
    check_batch(settings.config)
    model = models.find(settings.config.model)
    config = fit_lengths(settings, model)
    named = FieldNames(args.prompt_field, args.response_field, args.messages_field)
    evaluation = open_beside(args.evaluation, named)
    print_lengths(settings, config, model)
    return TuningSetup(
        model=model,
        train=config.train,
        evaluation=evaluation,
        seed=config.seed,
        keep=args.keep_adapters,
    )


def _measure(
    args: argparse.Namespace, indicators: list[str], names: Sequence[str]
) -> tuple[Rows, Measured]:
    """Open DATA and measure these indicators of its rows; `names` are the options for models."""
    from selflengthen.curate.indicators.registry import check, measure

    models = models_of(options_in(args, names))
    check(indicators, models)
    rows, _ = open_data(args)
    return rows, measure(rows, indicators, models)


def _perform(series: TuningSeries[T], args: argparse.Namespace, words: Sequence[str]) -> T:
    """Run a series of tunings in its folder, or resume it; `words` are the command that does."""
    from selflengthen.cli.run import command
    from selflengthen.cli.runner import attend
    from selflengthen.curate.io.work_dir import WorkFolder
    from selflengthen.curate.rule.tuner import Tuner

    work = WorkFolder(args.work or _work_folder(Path(args.out)))
    work.check(series.identity)
    with work.locked():
        work.begin(series.identity)
        log = work.new_log()

        async def act(reporter: Reporter) -> T:
            def on_progress(what: str, done: int, total: int) -> None:
                reporter.note(f"{done}/{total}: {what}")

            async with Tuner(log) as tune:
                return await series.play(work.path, tune, on_progress)

        return attend(act, work.path, log, command(words, "curate"))


def _work_folder(out: Path) -> Path:
    from selflengthen.curate.io.write import beside

    return beside(out.with_suffix("") if out.suffix in (".yaml", ".yml") else out, "work")
