"""`run`: make the rounds, or go on with them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from selflengthen.cli.parsing import Parser, file_name
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

    from selflengthen.cli.assemble import check_disk, gather, parse_redo
    from selflengthen.cli.settings import dump, resolve
    from selflengthen.cli.standing import is_complete, standing
    from selflengthen.cli.status import table, verdict
    from selflengthen.prompts import files

    redo = parse_redo(asked.redo)
    settings = resolve(asked.source, asked.fields, asked.run_dir, goes_on=True)
    parts = gather(settings)
    run = parts.run
    again = parts.identities.check(redo)
    if redo and not again:
        raise UserError(f"--redo {asked.redo}: {run.path} has nothing there yet; see status.")
    if holder := run.holder():
        raise run.in_use(holder)
    if redo or not is_complete(run, parts.config):
        from selflengthen.cli.play import perform
        from selflengthen.rounds import Rounds

        check_disk(parts)
        with run.locked():
            again = parts.identities.check(redo)
            if again:
                print(f"set aside: {run.set_aside(again)}", file=sys.stderr)
            run.keep(dump(parts.config), files(parts.prompts))
            perform(Rounds, parts, run.new_log(), command(words))
    figures = standing(run, parts.config)
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
