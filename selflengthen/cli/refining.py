"""`curate longest --refine`: the longest responses, improved by a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selflengthen.cli.choosing import add_options, given, leave, opened, parser_of
from selflengthen.cli.parsing import file_path

if TYPE_CHECKING:
    from selflengthen.curate.rows import Rows

_FIELDS = ("model", "seed", "language", "prompts", "sampling.", "checks.", "engine.")
_ABOUT = """\
keep the longest responses, and have a model improve each (arXiv 2402.04833): it is asked for a
critique, then for a better response given that. Where none of three attempts passes the checks the
response stays as it was. The model is --model, served by --engine.kind; the prompts are those of
--language, or --prompts FOLDER with refine-critique.user.md and refine-answer.user.md. The same
command goes on after a kill"""


def refine(words: Sequence[str]) -> int:
    """Choose the longest, have them refined, and write what came of it."""
    from selflengthen.curate import steps, write

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
    from selflengthen import models, prompts
    from selflengthen.cli.assemble import Parts, check_lengths, prompts_folder
    from selflengthen.cli.play import perform
    from selflengthen.cli.run import command
    from selflengthen.cli.settings import resolve
    from selflengthen.cli.targets import served
    from selflengthen.curate import refine
    from selflengthen.curate.work import WorkFolder
    from selflengthen.curate.write import beside
    from selflengthen.engines import require
    from selflengthen.identities import Identities

    config = resolve(None, asked.fields, None).config
    require(config.engine.kind)
    texts = refine.read_prompts(prompts_folder(config))
    model = served(config.model, config.engine) or models.find(config.model)
    check_lengths(config, model, trains=False)
    made_of = refine.identity(rows, config, model, texts)
    place = WorkFolder(asked.work or beside(Path(asked.out), "work"))
    place.check(made_of)
    none = prompts.Prompts({}, ("", ""))
    identities = Identities(config, model, place, none, [], [])
    parts = Parts(config, model, none, [], [], place, identities)
    make = partial(refine.Refining, rows=rows, texts=texts, made_of=made_of)
    stage = refine.stage_of(place.path)
    with place.locked():
        place.begin(made_of)
        if not stage.done():
            perform(make, parts, place.new_log(), command(["longest", *words], "curate"))
    return refine.refined(rows, stage)
