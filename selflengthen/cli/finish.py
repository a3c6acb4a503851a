"""`finish`: add length requirements, fine-tune the base model on them, write the release."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.cli.run import command
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
    from selflengthen.pipeline.fingerprints import Fingerprints
    from selflengthen.runner.context import RunContext
    from selflengthen.storage.run_dir import RunFolder

_ABOUT = """\
Collect, if that is not done; add a length requirement to each instruction, one that its own text
satisfies; fine-tune the base model on these rows; and measure on held-out instructions how well the
base model and the finished one follow such requirements. The results are in final/ in the run's
folder: dataset/ and adapter/, with cards.

The settings are those of the run's last start; options override them. Run the same command again to
resume."""


def main(words: Sequence[str]) -> int:
    """Check everything first, then finish."""
    stages = "instruct, draft, union, demand, train, anneal, held-out, merge"
    parser = parser_of("finish", _ABOUT, stages)
    parser.add_argument(
        "--merge",
        action="store_true",
        help="also write the base model with the adapter merged into it, to final/merged",
    )
    return carry_out("finish", words, parser.parse(words))


def parser_of(name: Literal["collect", "finish"], about: str, stages: str) -> Parser:
    """Return a parser with what both commands take; `stages` are those that it can redo."""
    parser = Parser(name, about, config=True, takes="RUN")
    parser.add_argument(
        "run", metavar="RUN", type=file_name, help="folder of a run, or its name in runs/"
    )
    parser.add_argument(
        "--redo",
        metavar="STAGE",
        help=f"redo this stage and all that follows: {stages}; old files are set aside",
    )
    return parser


def carry_out(
    name: Literal["collect", "finish"], words: Sequence[str], args: argparse.Namespace
) -> int:
    """Check everything first, play the stages that are not done, and print the result."""
    from selflengthen.cli.final_state import final_status, print_final
    from selflengthen.cli.options.settings import resolve
    from selflengthen.cli.preflight import gather, prompts_folder
    from selflengthen.cli.run_state import open_run
    from selflengthen.cli.runner import require_free
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
        raise UserError(f"{run.path}: no round is finished yet; finish one with `run` first.")
    require_free(run, args.redo, fingerprints.check_last(redo))
    if merge:
        _check_disk(run, context.model)
    if redo or not _is_done(run, name, merge):
        resume = command([*words, "--merge"] if redo is MERGE else words, name)
        _play(context, fingerprints, redo, until=name, merge=merge, resume=resume)
    elif name == "finish":
        for fault in product_faults(run):
            raise fault
    print_final(final_status(run, config), prefix=f"{run.path}: ")
    return 0


def _play(
    context: RunContext,
    fingerprints: Fingerprints,
    redo: StageSpec | None,
    *,
    until: Literal["collect", "finish"],
    merge: bool,
    resume: str,
) -> None:
    """Set aside what `redo` replaces, and play the stages; `resume` is the command that resumes."""
    from selflengthen.cli.runner import start
    from selflengthen.pipeline.final import Final

    with context.run.locked():
        if outdated := fingerprints.check_last(redo):
            print(f"set aside: {context.run.set_aside(outdated)}", file=sys.stderr)
        start(partial(Final, context, until=until, merge=merge), context, resume)


def _is_done(run: RunFolder, name: str, merge: bool) -> bool:
    from selflengthen.release.products import WRITTEN

    if name == "collect":
        return run.stage(UNION).done() is not None
    stages = [run.stage(FINISH_HELD_OUT, part="final"), *([run.stage(MERGE)] if merge else [])]
    done = all(stage.done() for stage in stages)
    return done and all((run.final / product).exists() for product in WRITTEN)


def _stage(text: str | None, name: str) -> StageSpec | None:
    """Read the stage of --redo, with or without its number."""
    if text is None:
        return None
    stages = COLLECT_STAGES if name == "collect" else FINAL_STAGES
    stage = find_stage(text, stages)
    if stage is None:
        names = ", ".join(spec.name for spec in stages)
        raise UserError(f"--redo: {name} has no stage {text!r}; choose one of {names}.")
    return stage


def _check_disk(run: RunFolder, model: Model) -> None:
    """Raise UserError where the disk has no room for the merged model."""
    from selflengthen.inputs.model_files import weight_files
    from selflengthen.planning.units import size

    needed = sum(path.stat().st_size for path in weight_files(model.path))
    free = shutil.disk_usage(run.path).free
    if needed > free and not run.stage(MERGE).done():
        raise UserError(
            f"{run.path}: --merge needs about {size(needed)} and the disk has {size(free)} left; "
            "free some space, or finish without --merge."
        )
