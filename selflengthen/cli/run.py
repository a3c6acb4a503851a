"""`run`: make the rounds, or go on with them."""

from __future__ import annotations

import asyncio
import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from selflengthen.cli.parsing import Parser
from selflengthen.errors import Interrupted, SelfLengthenError, UserError

if TYPE_CHECKING:
    from selflengthen.cli.assemble import Parts

_ABOUT = """\
Make rounds of instructions, drafts, expansions and training, or go on with a run.

CONFIG is a YAML file or a preset: paper (the paper's constants) or pocket (the embedded model).
Without it: pocket, or paper where --model names a model of your own. The command line goes before
the file, the file before the defaults. Running the same command again goes on with the run. Fields
of kind `runtime` may change between two starts; fields of kind `identity` decide what is made."""


def main(words: Sequence[str]) -> int:
    """Check all there is to check, then play the rounds."""
    parser = Parser("run", _ABOUT, config=True)
    parser.add_argument("source", nargs="?", metavar="CONFIG", help="a YAML file, or paper, pocket")
    parser.add_argument(
        "--run-dir", metavar="DIR", help="the run's folder; by default runs/ and the config's name"
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
    settings = resolve(asked.source, asked.fields, asked.run_dir)
    parts = gather(settings)
    run = parts.run
    again = parts.identities.check(redo)
    if redo and not again:
        raise UserError(f"--redo {asked.redo}: {run.path} has nothing there yet; see status.")
    if holder := run.holder():
        raise run.in_use(holder)
    if redo or not is_complete(run, parts.config):
        check_disk(parts)
        with run.locked():
            again = parts.identities.check(redo)
            if again:
                print(f"set aside: {run.set_aside(again)}", file=sys.stderr)
            run.keep(dump(parts.config), files(parts.prompts))
            _play(parts, run.new_log(), command(words))
    figures = standing(run, parts.config)
    print(f"{run.path}: {verdict(figures)}")
    for line in ["", *table(figures)]:
        print(line)
    return 0


def command(words: Sequence[str]) -> str:
    """Return the command that goes on with the run: the same one without --redo."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--redo":
            next(rest, None)
        elif not word.startswith("--redo="):
            kept.append(word)
    name = Path(sys.argv[0]).name
    program = name if name == "selflengthen" else "python -m selflengthen"
    return f"{program} {shlex.join(['run', *kept])}"


def _play(parts: Parts, log: Path, again: str) -> None:
    """Play the rounds with all output in the log but progress; turn a stop into its message."""
    from selflengthen.cli.logs import quiet
    from selflengthen.cli.play import Stopper, play
    from selflengthen.cli.progress import Reporter

    with quiet(log) as terminal:
        reporter = Reporter(terminal)
        reporter.note(f"{parts.run.path}: log in {log}")
        saved = f"Everything finished is saved. To go on: {again}"
        stopper = Stopper(saved, terminal, reporter.note)
        try:
            asyncio.run(play(parts, log, reporter, stopper))
        except asyncio.CancelledError:
            if stopper.code is None:
                raise
            stopper.disarm()
            raise Interrupted(stopper.message, stopper.code) from None
        except SelfLengthenError as error:
            logging.getLogger(__name__).error("%s", error)
            raise
        except BaseException:
            logging.getLogger(__name__).exception("a broken promise")
            raise
        finally:
            reporter.close()
