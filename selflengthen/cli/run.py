"""`run`: make the rounds, or go on with them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.errors import UserError

_ABOUT = """\
Make rounds of instructions, drafts, expansions and training, or go on with a run.

CONFIG is a YAML file or a preset: paper (the paper's constants) or pocket (the embedded model).
Without it: pocket, or paper where --model names a model of your own. The command line goes before
the file, the file before the defaults. Running the same command again goes on with the run; what it
does not say is as it was in the last start. Fields of kind `runtime` may change between two starts;
fields of kind `identity` decide what is made."""


def main(words: Sequence[str]) -> int:
    """Check all there is to check, then play the rounds."""
    parser = Parser("run", _ABOUT, config=True)
    parser.add_argument(
        "source", nargs="?", metavar="CONFIG", type=file_name, help="a YAML file, or paper, pocket"
    )
    parser.add_argument(
        "--run-dir",
        metavar="DIR",
        type=file_name,
        help="the run's folder; by default runs/ and the config's name",
    )
    parser.add_argument(
        "--redo", metavar="ROUND/STAGE",
        help="make again from there on, as in 2/3-expand; what is there is set aside",
    )  # fmt: skip
    asked = parser.parse(words)

    from selflengthen.cli.options.settings import dump, resolve
    from selflengthen.cli.preflight import check_disk, gather, parse_redo
    from selflengthen.cli.run_state import is_complete, standing
    from selflengthen.cli.status import table, verdict
    from selflengthen.inputs.prompts import files
    from selflengthen.pipeline.fingerprints import Fingerprints

    redo = parse_redo(asked.redo)
    settings = resolve(asked.source, asked.fields, asked.run_dir, goes_on=True)
    context = gather(settings)
    run, config = context.run, context.config
    fingerprints = Fingerprints(context)
    again = fingerprints.check(redo)
    if redo and not again:
        raise UserError(f"--redo {asked.redo}: {run.path} has nothing there yet; see status.")
    if holder := run.holder():
        raise run.in_use(holder)
    if redo or not is_complete(run, config):
        from selflengthen.cli.runner import Attempt, perform
        from selflengthen.pipeline.rounds import Rounds

        if not redo:
            check_disk(context)
        with run.locked():
            again = fingerprints.check(redo)
            if again:
                print(f"set aside: {run.set_aside(again)}", file=sys.stderr)
                check_disk(context)  # after that: it reads what is there, which may be damaged
            instructions = {seed.id: seed.instruction for seed in context.held_out}
            run.keep(dump(config), files(context.prompts), instructions)
            attempt = Attempt(
                engine=config.engine,
                model=context.model,
                run=run,
                log=run.new_log(),
                resume=command(words),
            )
            perform(partial(Rounds, context), attempt)
    figures = standing(run, config)
    print(f"{run.path}: {verdict(figures)}")
    for line in ["", *table(figures)]:
        print(line)
    return 0


def command(words: Sequence[str], name: str = "run") -> str:
    """Return the command that goes on: the same one without --redo."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--redo":
            next(rest, None)
        elif not word.startswith("--redo="):
            kept.append(word)
    called = Path(sys.argv[0]).name
    program = called if called == "selflengthen" else "python -m selflengthen"
    return f"{program} {shlex.join([name, *kept])}"
