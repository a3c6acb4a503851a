"""`finish`: add length requirements, fine-tune the base model on them, write the release."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.errors import UserError
from selflengthen.storage.stage_table import (
    COLLECT_STAGES,
    FINAL_STAGES,
    FINISH_HELD_OUT,
    MERGE,
    UNION,
    StageSpec,
    find_stage,
)

if TYPE_CHECKING:
    from selflengthen.inputs.models import Model
    from selflengthen.storage.run_dir import RunFolder

_ABOUT = """\
Collect, if that is not done; add a length requirement to each instruction, one that its own text
satisfies; fine-tune the base model on these rows; and measure on held-out instructions how well the
base model and the finished one follow such requirements. The results are in final/ in the run's
folder: dataset/ and adapter/, with cards.

The settings are those of the run's last start; options override them. Run the same command again to
resume."""


def main(words: Sequence[str]) -> int:
    """Check all there is to check, then finish."""
    stages = "instruct, draft, union, demand, train, anneal, held-out, merge"
    parser = parser_of("finish", _ABOUT, stages)
    parser.add_argument(
        "--merge",
        action="store_true",
        help="also write the base model with the adapter merged into it, to final/merged",
    )
    return go("finish", words, parser.parse(words))


def parser_of(name: Literal["collect", "finish"], about: str, stages: str) -> Parser:
    """Return a parser with what both commands take; `stages` are those that it can make again."""
    parser = Parser(name, about, config=True, takes="RUN")
    parser.add_argument(
        "run", metavar="RUN", type=file_name, help="folder of a run, or its name below runs/"
    )
    parser.add_argument(
        "--redo",
        metavar="STAGE",
        help=f"make it and all that follows again: {stages}; the old files are set aside",
    )
    return parser


def go(name: Literal["collect", "finish"], words: Sequence[str], args: argparse.Namespace) -> int:
    """Check, play what is not done, and say where it stands."""
    from selflengthen.cli.final_state import ending, lines
    from selflengthen.cli.options.settings import resolve
    from selflengthen.cli.preflight import gather, prompts_folder
    from selflengthen.cli.run_state import open_run
    from selflengthen.cli.runner import require_free, start
    from selflengthen.inputs.prompts import require
    from selflengthen.pipeline.fingerprints import Fingerprints
    from selflengthen.release.products import product_faults

    run, _ = open_run(args.run)
    context = gather(resolve(str(run.config), args.fields, str(run.path)))
    run, config = context.run, context.config
    redo = _stage(args.redo, name)
    merge = redo is MERGE or getattr(args, "merge", False)
    if name == "finish":
        require(context.prompts, prompts_folder(config))
    fingerprints = Fingerprints(context)
    fingerprints.check()
    if not run.finished():
        raise UserError(f"{run.path}: has no finished round yet; `run` makes them.")
    require_free(run, args.redo, fingerprints.check_last(redo))
    if merge:
        _check_disk(run, context.model)
    if redo or not _is_done(run, name, merge):
        from selflengthen.cli.run import command
        from selflengthen.pipeline.final import Final

        with run.locked():
            if again := fingerprints.check_last(redo):
                print(f"set aside: {run.set_aside(again)}", file=sys.stderr)
            make = partial(Final, context, until=name, merge=merge)
            again_words = [*words, "--merge"] if redo is MERGE else words
            start(make, context, command(again_words, name))
    elif name == "finish":
        for fault in product_faults(run):
            raise fault
    for line in lines(ending(run, config)):
        print(f"{run.path}: {line}" if line.startswith("Collected") else line)
    return 0


def _is_done(run: RunFolder, name: str, merge: bool) -> bool:
    from selflengthen.release.products import WRITTEN

    if name == "collect":
        return run.stage(UNION).done() is not None
    stages = [run.stage(FINISH_HELD_OUT, part="final"), *([run.stage(MERGE)] if merge else [])]
    done = all(stage.done() for stage in stages)
    return done and all((run.final / product).exists() for product in WRITTEN)


def _stage(text: str | None, command: str) -> StageSpec | None:
    """Read the stage of --redo, with or without its number."""
    if text is None:
        return None
    stages = COLLECT_STAGES if command == "collect" else FINAL_STAGES
    stage = find_stage(text, stages)
    if stage is None:
        names = ", ".join(spec.name for spec in stages)
        raise UserError(f"--redo: {text!r} is not allowed; it takes a stage, one of {names}.")
    return stage


def _check_disk(run: RunFolder, model: Model) -> None:
    """Raise UserError where the disk has no room for the merged model."""
    from selflengthen.inputs.model_files import weight_files
    from selflengthen.planning.units import size

    needed = sum(path.stat().st_size for path in weight_files(model.path))
    free = shutil.disk_usage(run.path).free
    if needed > free and not run.stage(MERGE).done():
        raise UserError(
            f"{run.path}: --merge writes about {size(needed)} and its disk has {size(free)} left; "
            "free some, or finish without --merge."
        )
