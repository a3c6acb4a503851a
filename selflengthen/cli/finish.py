"""`finish`: length demands, the base model's tuning on them, and what is given away."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from selflengthen.cli.parsing import Parser
from selflengthen.errors import UserError

if TYPE_CHECKING:
    from selflengthen.models import Model
    from selflengthen.store import RunFolder

_ABOUT = """\
Collect, if that is not done; have a length demand put into each instruction, one that its own text
satisfies; fine-tune the base model on that; and measure how both follow demands on held-out
instructions. What is given away is in final/ in the run's folder: dataset/, adapter/, with cards.

The settings are those that the run was last started with; options go before them. Running the same
command again goes on with it."""


def main(words: Sequence[str]) -> int:
    """Check all there is to check, then finish."""
    stages = "instruct, draft, union, demand, train, anneal, held-out, merge"
    parser = parser_of("finish", _ABOUT, stages)
    parser.add_argument(
        "--merge", action="store_true",
        help="also write the model with the adapter in it, to final/merged",
    )  # fmt: skip
    return go("finish", words, parser.parse(words))


def parser_of(name: Literal["collect", "finish"], about: str, stages: str) -> Parser:
    """Return a parser with what both commands take; `stages` are those that it can make again."""
    parser = Parser(name, about, config=True, takes="RUN")
    parser.add_argument("run", metavar="RUN", help="folder of a run, or its name below runs/")
    parser.add_argument(
        "--redo", metavar="STAGE",
        help=f"make again from there on: {stages}; what is there is set aside",
    )  # fmt: skip
    return parser


def go(name: Literal["collect", "finish"], words: Sequence[str], asked: argparse.Namespace) -> int:
    """Check, play what is not done, and say where it stands."""
    from selflengthen.cli.assemble import gather, prompts_folder
    from selflengthen.cli.ending import ending, lines
    from selflengthen.cli.settings import dump, resolve
    from selflengthen.cli.standing import open_run
    from selflengthen.identities import FinalIdentities
    from selflengthen.prompts import files, require

    run, _ = open_run(asked.run)
    parts = gather(resolve(str(run.config), asked.fields, str(run.path)))
    config, merge = parts.config, getattr(asked, "merge", False)
    redo = _stage(asked.redo, name)
    if name == "finish":
        require(parts.prompts, prompts_folder(config))
    parts.identities.check()
    if not run.finished():
        raise UserError(f"{run.path}: has no finished round yet; `run` makes them.")
    held = parts.held[: config.held_out.texts]
    identities = FinalIdentities(config, parts.model, run, parts.prompts, parts.seeds, held)
    again = identities.check_last(redo)
    if redo and not again:
        raise UserError(f"--redo {asked.redo}: {run.path} has nothing there yet; see status.")
    if holder := run.holder():
        raise run.in_use(holder)
    if merge:
        _check_disk(run, parts.model)
    if redo or not _is_done(run, name, merge):
        from selflengthen.cli.play import perform
        from selflengthen.cli.run import command
        from selflengthen.finish.steps import Final

        with run.locked():
            again = identities.check_last(redo)
            if again:
                print(f"set aside: {run.set_aside(again)}", file=sys.stderr)
            run.keep(dump(config), files(parts.prompts))
            log = run.new_log()
            make = partial(Final, until=name, merge=merge)
            perform(make, parts, log, command(words, name))
    for line in lines(ending(run, config)):
        print(f"{run.path}: {line}" if line.startswith("Collected") else line)
    return 0


def _is_done(run: RunFolder, name: str, merge: bool) -> bool:
    if name == "collect":
        return run.last("3-union").done() is not None
    stages = ["6-held-out/final", *(["7-merge"] if merge else [])]
    done = all(run.last(stage).done() for stage in stages)
    return done and (run.final / "figures.json").exists()


def _stage(text: str | None, command: str) -> str | None:
    """Read the stage of --redo, with or without its number."""
    from selflengthen.store import FINAL_STAGES

    if text is None:
        return None
    known = FINAL_STAGES[:3] if command == "collect" else FINAL_STAGES
    by_name = {stage.split("-", 1)[1]: stage for stage in known}
    stage = text if text in known else by_name.get(text)
    if stage is None:
        raise UserError(
            f"--redo: {text!r} is not allowed; it takes a stage, one of {', '.join(known)}."
        )
    return stage


def _check_disk(run: RunFolder, model: Model) -> None:
    """Raise UserError where the disk has no room for the merged model."""
    from selflengthen.estimate import size
    from selflengthen.model_files import weight_files

    needed = sum(path.stat().st_size for path in weight_files(model.path))
    free = shutil.disk_usage(run.path).free
    if needed > free and not run.last("7-merge").done():
        raise UserError(
            f"{run.path}: --merge writes about {size(needed)} and its disk has {size(free)} left; "
            "free some, or finish without --merge."
        )
