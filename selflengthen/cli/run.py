"""`run`: run the rounds, or resume them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from selflengthen.cli.options.parser import Parser, file_name

_ABOUT = """\
Run rounds of instructions, drafts, expansions and training, or resume a run.

CONFIG is a YAML file or a preset: paper (the paper's constants) or pocket (the embedded model).
Without it: pocket, or paper if --model names a model of your own. Precedence: command line, then
file, then the run's last start, then defaults. Run the same command again to resume. Fields of kind
`runtime` may change between two starts; fields of kind `identity` decide what is made."""


def main(words: Sequence[str]) -> int:
    """Check everything first, then play the rounds."""
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
        "--redo",
        metavar="ROUND/STAGE",
        help="make it and all that follows again, as in 2/3-expand; the old files are set aside",
    )
    args = parser.parse(words)

    from selflengthen.cli.options.settings import resolve
    from selflengthen.cli.preflight import check_disk, gather, parse_redo
    from selflengthen.cli.run_state import is_complete, standing
    from selflengthen.cli.runner import require_free, start
    from selflengthen.cli.status import table, verdict
    from selflengthen.pipeline.fingerprints import Fingerprints

    redo = parse_redo(args.redo)
    settings = resolve(args.source, args.fields, args.run_dir, goes_on=True)
    context = gather(settings)
    run, config = context.run, context.config
    fingerprints = Fingerprints(context)
    require_free(run, args.redo, fingerprints.check(redo))
    if redo or not is_complete(run, config):
        from selflengthen.pipeline.rounds import Rounds

        if not redo:
            check_disk(context)
        with run.locked():
            if again := fingerprints.check(redo):
                print(f"set aside: {run.set_aside(again)}", file=sys.stderr)
                check_disk(context)  # after that: it reads what is there, which may be damaged
            start(partial(Rounds, context), context, command(words))
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
