"""`curate longest --refine`: the longest responses, improved by a model."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from selflengthen.cli.curate.choosing import (
    add_options,
    open_data,
    options_in,
    parser_of,
    write_and_print,
)
from selflengthen.cli.options.parser import file_path

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Rows
    from selflengthen.curate.methods.refine import RefineFigures

_FIELDS = ("model", "seed", "language", "prompts", "sampling.", "checks.", "engine.")
_ABOUT = """\
keep the longest responses, and have a model improve each (arXiv 2402.04833): the model writes a
critique of the response, then a better response. If three attempts fail the checks, the response
stays. The model is --model, served by --engine.kind; the prompts are those of --language, or of
--prompts FOLDER with refine-critique.user.md and refine-answer.user.md. After a kill, run the same
command again to resume"""


def refine(words: Sequence[str]) -> int:
    """Choose the longest responses, have them refined, and write the result."""
    import msgspec

    from selflengthen.curate import steps
    from selflengthen.curate.io import write
    from selflengthen.curate.io.rows import AppliedStep

    parser = parser_of("longest", _ABOUT, only=_FIELDS, takes="DATA --k N --refine")
    names = add_options(parser, steps.LongestStep)
    parser.add_argument("--refine", action="store_true", help="refine the kept rows")
    parser.add_argument(
        "--work",
        metavar="FOLDER",
        type=file_path,
        help="folder for everything that the model writes (default: next to FILE, named .work)",
    )
    args = parser.parse(words)
    write.check_output(Path(args.out))
    step = steps.make("longest", options_in(args, names), "--", strict=False)
    rows, named = open_data(args)
    choice = step(rows, steps.StepContext(named))
    refined, figures = _refine_rows(choice.rows, args, words)
    applied = AppliedStep("longest", rows, replace(choice, rows=refined))
    (report,) = steps.report([applied], [("longest", step)])
    report = replace(report, figures={**report.figures, **msgspec.structs.asdict(figures)})
    write_and_print(args, rows, [applied], [report])
    return 0


def _refine_rows(rows: Rows, args: Namespace, words: Sequence[str]) -> tuple[Rows, RefineFigures]:
    """Have a model refine the rows, or resume that; return them, and figures."""
    from selflengthen.cli.eval_targets import served
    from selflengthen.cli.options.settings import resolve
    from selflengthen.cli.preflight import fit_lengths, print_lengths, prompts_folder
    from selflengthen.cli.run import command
    from selflengthen.cli.runner import Attempt, perform
    from selflengthen.curate.io.work_dir import WorkFolder
    from selflengthen.curate.io.write import beside
    from selflengthen.curate.methods import refine
    from selflengthen.engines import require
    from selflengthen.inputs import models

    settings = resolve(None, args.fields, None)
    config = settings.config
    require(config.engine.kind)
    texts = refine.read_prompts(prompts_folder(config))
    model = served(config.model, config.engine) or models.find(config.model)
    config = fit_lengths(settings, model, trains=False)
    identity = refine.identity(rows, config, model, texts)
    work = WorkFolder(args.work or beside(Path(args.out), "work"))
    work.check(identity)
    print_lengths(settings, config, model, trains=False)
    stage = refine.stage_of(work.path)
    make = partial(refine.Refining, config, folder=stage, rows=rows, texts=texts, identity=identity)
    with work.locked():
        work.begin(identity)
        if not stage.done():
            attempt = Attempt(
                engine=config.engine,
                model=model,
                run=work,
                log=work.new_log(),
                resume=command(["longest", *words], "curate"),
            )
            perform(make, attempt)
    return refine.apply_refinements(rows, stage)
