"""`curate longest --refine`: the longest responses, improved by a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selflengthen.cli.curate.choosing import add_options, given, leave, opened, parser_of
from selflengthen.cli.options.parser import file_path

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Rows

_FIELDS = ("model", "seed", "language", "prompts", "sampling.", "checks.", "engine.")
_ABOUT = """\
keep the longest responses, and have a model improve each (arXiv 2402.04833): it is asked for a
critique, then for a better response given that. Where none of three attempts passes the checks the
response stays as it was. The model is --model, served by --engine.kind; the prompts are those of
--language, or --prompts FOLDER with refine-critique.user.md and refine-answer.user.md. The same
command goes on after a kill"""


def refine(words: Sequence[str]) -> int:
    """Choose the longest, have them refined, and write what came of it."""
    from selflengthen.curate import steps
    from selflengthen.curate.io import write

    parser = parser_of("longest", _ABOUT, only=_FIELDS, takes="DATA --k N --refine")
    names = add_options(parser, steps.Longest)
    parser.add_argument("--refine", action="store_true", help="this")
    parser.add_argument(
        "--work", metavar="FOLDER", type=file_path,
        help="where what the model wrote is kept (default: beside FILE, ending in .work)",
    )  # fmt: skip
    asked = parser.parse(words)
    write.refuse_existing(Path(asked.out))
    step = steps.make("longest", given(asked, names), "--", strict=False)
    rows, fields = opened(asked)
    choice = step(rows, steps.Setting(fields))
    kept, figures = _refined(choice.rows, asked, words)
    played = [("longest", rows, replace(choice, rows=kept))]
    (told,) = steps.report(played, [("longest", step)])
    leave(asked, rows, played, [told | figures])
    return 0


def _refined(rows: Rows, asked: Any, words: Sequence[str]) -> tuple[Rows, dict[str, Any]]:
    """Have rows refined, or go on with it; return them, and figures."""
    import msgspec

    from selflengthen.cli.eval_targets import served
    from selflengthen.cli.options.settings import resolve
    from selflengthen.cli.preflight import fit_lengths, prompts_folder
    from selflengthen.cli.run import command
    from selflengthen.cli.runner import Attempt, perform
    from selflengthen.curate.io.work_dir import WorkFolder
    from selflengthen.curate.io.write import beside
    from selflengthen.curate.methods import refine
    from selflengthen.engines import require
    from selflengthen.inputs import models

    settings = resolve(None, asked.fields, None)
    config = settings.config
    require(config.engine.kind)
    texts = refine.read_prompts(prompts_folder(config))
    model = served(config.model, config.engine) or models.find(config.model)
    config = fit_lengths(settings, model, trains=False)
    made_of = refine.identity(rows, config, model, texts)
    place = WorkFolder(asked.work or beside(Path(asked.out), "work"))
    place.check(made_of)
    stage = refine.stage_of(place.path)
    make = partial(refine.Refining, config, folder=stage, rows=rows, texts=texts, identity=made_of)
    with place.locked():
        place.begin(made_of)
        if not stage.done():
            attempt = Attempt(
                engine=config.engine,
                model=model,
                run=place,
                log=place.new_log(),
                resume=command(["longest", *words], "curate"),
            )
            perform(make, attempt)
    refined, figures = refine.refined(rows, stage)
    return refined, msgspec.structs.asdict(figures)
