"""`curate fit` by tunings, and `curate search`: works of many trainings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from selflengthen.cli.curate.choosing import add_options, given, leave, opened, parser_of
from selflengthen.cli.curate.rules import refuse_existing, tell, with_models
from selflengthen.cli.options.parser import Parser, file_name, file_path
from selflengthen.errors import UserError

if TYPE_CHECKING:
    from selflengthen.cli.output.progress import Reporter
    from selflengthen.curate.indicators.registry import Measured
    from selflengthen.curate.io.rows import Rows
    from selflengthen.curate.rule.tuning import Setup, Work

T = TypeVar("T")
_FIELDS = ("model", "seed", "train.")
_FIT = """\
make a rule by tunings: draw subsets of DATA, tune a model on each with our own training (rate and
epochs: --train.generator.…), measure its loss on another set, and fit the rule to the subsets' mean
indicators. The same command goes on after a kill; --subsets may grow"""
_SEARCH = """\
keep as many of the best rows by a rule as tune a model best. Trials are tunings (rate and epochs:
--train.generator.…) on the best rows of a size, measured on another set; BlendSearch chooses the
sizes. Beside FILE stand the curve of loss over size (.curve.json) and its picture (.curve.png).
The same command goes on after a kill; --trials may grow"""


def fit(words: Sequence[str]) -> int:
    """Make a rule by tunings on subsets."""
    from selflengthen.curate.steps import WithModels

    takes = "DATA --evaluation SET --indicators A,B"
    parser = parser_of("fit", _FIT, only=_FIELDS, takes=takes, out="where the rule goes: .yaml")
    _add_tuning(parser)
    parser.add_argument("--indicators", metavar="A,B", required=True, help="which, with commas")
    _add_count(parser, "subsets", 129, "how many subsets")
    _add_count(parser, "rows", 1000, "rows of a subset")
    parser.add_argument(
        "--target", choices=["log loss", "loss"], default="log loss", help="what the rule predicts"
    )
    names = add_options(parser, WithModels, "models of indicators")
    asked = parser.parse(words)

    from selflengthen.curate.rule import rules
    from selflengthen.curate.rule.subsets import Fitting, Plan

    out = Path(asked.out)
    refuse_existing(out)
    setup = _setup(asked)
    rows, measured = _measured(asked, asked.indicators.split(","), names)
    work = Fitting(rows, measured, Plan(asked.subsets, asked.rows, asked.target), setup)
    rule = _perform(work, asked, ["fit", *words])
    rules.save(rule, out)
    tell(rule, out, as_json=asked.json)
    return 0


def search(words: Sequence[str]) -> int:
    """Keep the best rows, as many as tune a model best."""
    from selflengthen.curate.steps import WithModels

    parser = parser_of("search", _SEARCH, only=_FIELDS, takes="DATA --evaluation SET --rule RULE")
    _add_tuning(parser)
    parser.add_argument(
        "--rule",
        required=True,
        metavar="RULE",
        type=file_name,
        help="YAML file, or `published`: InstructMining's",
    )
    _add_count(parser, "trials", 16, "most tunings")
    _add_count(parser, "least", None, "smallest size tried (default: a 32nd of the set)")
    _add_count(parser, "most", None, "largest size tried (default: the whole set)")
    _add_count(parser, "points", 24, "sizes on the grid, in equal ratios from least to most")
    names = add_options(parser, WithModels, "models of indicators")
    asked = parser.parse(words)

    from selflengthen.curate.io.write import beside, refuse_existing
    from selflengthen.curate.rule import rules
    from selflengthen.curate.rule import search as room
    from selflengthen.storage.atomic import rewrite, write_json

    out = Path(asked.out)
    refuse_existing(out)
    rule, setup = rules.load(asked.rule), _setup(asked)
    rows, measured = _measured(asked, list(rule.weights), names)
    least, most = asked.least or max(1, len(rows) // 32), asked.most or len(rows)
    predicted = rule.predict(measured.names, measured.values)
    work = room.Searching(
        rows, predicted, room.Range(least, most, asked.points), asked.trials, setup
    )
    found = _perform(work, asked, ["search", *words])
    figures = room.figures(found)
    write_json(beside(out, "curve.json"), figures)
    rewrite(beside(out, "curve.png"), [room.plot(found)])
    told = {
        "method": "search",
        "options": {"rule": asked.rule, "evaluation": asked.evaluation},
        "rows": len(rows),
        "kept": found.best,
        "dropped": {"predicted loss": len(rows) - found.best},
        **found.choice.figures,
        "trials": len(found.curve),
        "loss": round(figures["loss"], 4),
        "double_descent": figures["double_descent"] or "none",
    }
    if not asked.json:
        from selflengthen.cli.output.tables import print_table

        print_table(room.table(found))
    leave(asked, rows, [("search", rows, found.choice)], [told])
    return 0


def _add_tuning(parser: Parser) -> None:
    group = parser.add_argument_group("tunings")
    group.add_argument(
        "--evaluation", required=True, metavar="SET", type=file_name,
        help="the set on which a tuned model's loss is measured, named as DATA is",
    )  # fmt: skip
    group.add_argument(
        "--work", metavar="FOLDER", type=file_path,
        help="where tunings and their losses are kept (default: beside FILE, ending in .work)",
    )  # fmt: skip
    group.add_argument(
        "--keep-adapters", action="store_true",
        help="keep each adapter once its loss is on file; else its weights are deleted",
    )  # fmt: skip


def _add_count(parser: Parser, name: str, default: int | None, about: str) -> None:
    shown = "" if default is None else f" (default: {default})"
    parser.add_argument(
        f"--{name}", type=_count, metavar="N", default=default, help=f"{about}{shown}"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def _setup(asked: Any) -> Setup:
    """Find the model, check the settings, open the evaluation set."""
    from selflengthen.cli.options.settings import resolve
    from selflengthen.cli.preflight import check_batch
    from selflengthen.curate.io.columns import Asked
    from selflengthen.curate.io.load import open_beside
    from selflengthen.curate.rule.tuning import Setup
    from selflengthen.inputs import models

    config = resolve(None, asked.fields, None).config
    check_batch(config)
    model = models.find(config.model)
    positions = model.positions
    if positions is not None and config.train.max_length > positions:
        raise UserError(
            f"model {config.model} has {positions} positions, but train.max_length is "
            f"{config.train.max_length}; say --train.max_length {positions}."
        )
    fields = Asked(asked.prompt_field, asked.response_field, asked.messages_field)
    evaluation = open_beside(asked.evaluation, fields)
    return Setup(model, config.train, evaluation, config.seed, asked.keep_adapters)


def _measured(asked: Any, wanted: list[str], names: Sequence[str]) -> tuple[Rows, Measured]:
    from selflengthen.curate.indicators.registry import check, measure

    models = with_models(given(asked, names))
    check(wanted, models)
    rows, _ = opened(asked)
    return rows, measure(rows, wanted, models)


def _perform(work: Work[T], asked: Any, words: Sequence[str]) -> T:
    """Do a work in its folder, as it was asked for; `words` are the command that goes on."""
    from selflengthen.cli.run import command
    from selflengthen.cli.runner import attend
    from selflengthen.curate.io.work_dir import WorkFolder
    from selflengthen.curate.rule.tuner import Tuner

    place = WorkFolder(asked.work or _beside(Path(asked.out)))
    place.check(work.identity)
    with place.locked():
        place.begin(work.identity)
        log = place.new_log()

        async def act(reporter: Reporter) -> T:
            def tell(what: str, done: int, total: int) -> None:
                reporter.note(f"{done}/{total}: {what}")

            async with Tuner(log) as tune:
                return await work.play(place.path, tune, tell)

        return attend(act, place.path, log, command(words, "curate"))


def _beside(out: Path) -> Path:
    from selflengthen.curate.io.write import beside

    return beside(out.with_suffix("") if out.suffix in (".yaml", ".yml") else out, "work")
