"""`run`: run the rounds, or resume them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from selflengthen.cli.options.parser import Parser, file_name

if TYPE_CHECKING:
    from selflengthen.pipeline.fingerprints import Fingerprints
    from selflengthen.runner.context import RunContext
    from selflengthen.storage.stage_table import StageSpec

_ABOUT = """\
Run rounds of instructions, drafts, expansions and training, or resume a run.

CONFIG is a YAML file or a preset: paper (the paper's constants) or pocket (the embedded model).
Without it: pocket, or paper if --model names a model of your own. Precedence: command line, then
file, then the run's last start, then defaults. Run the same command again to resume. Fields of kind
`runtime` may change between two starts; fields of kind `identity` decide what is made."""


def main(words: Sequence[str]) -> int:
    """Check everything first, then play the rounds that are not done."""
    args = _parser().parse(words)

    from selflengthen.cli.options.settings import resolve
    from selflengthen.cli.preflight import gather, parse_redo, print_lengths
    from selflengthen.cli.run_state import is_complete, run_status
    from selflengthen.cli.runner import require_free
    from selflengthen.cli.status import print_rounds, verdict
    from selflengthen.pipeline.fingerprints import Fingerprints

    redo = parse_redo(args.redo)
    settings = resolve(args.source, args.fields, args.run_dir, resumes=True)
    context = gather(settings)
    fingerprints = Fingerprints(context)
    require_free(context.run, args.redo, fingerprints.check(redo))
    if redo or not is_complete(context.run, context.config):
        print_lengths(settings, context.config, context.model)
        _play(context, fingerprints, redo, resume=command(words))
    status = run_status(context.run, context.config)
    print(f"{context.run.path}: {verdict(status)}")
    print()
    print_rounds(status)
    return 0


def _parser() -> Parser:
    parser = Parser("run", _ABOUT, config=True)
    parser.add_argument(
        "source",
        nargs="?",
        metavar="CONFIG",
        type=file_name,
        help="a YAML file, or a preset: paper, pocket",
    )
    parser.add_argument(
        "--run-dir",
        metavar="DIR",
        type=file_name,
        help="the run's folder; default: runs/ and the name of CONFIG",
    )
    parser.add_argument(
        "--redo",
        metavar="ROUND/STAGE",
        help="redo this stage, as in 2/3-expand, and all that follows; old files are set aside",
    )
    return parser


def _play(
    context: RunContext,
    fingerprints: Fingerprints,
    redo: tuple[int, StageSpec] | None,
    *,
    resume: str,
) -> None:
    """Set aside what `redo` replaces, and play the rounds; `resume` is the command that resumes."""
    from selflengthen.cli.preflight import check_disk
    from selflengthen.cli.runner import start
    from selflengthen.pipeline.rounds import Rounds

    if not redo:
        check_disk(context)
    with context.run.locked():
        if outdated := fingerprints.check(redo):
            print(f"set aside: {context.run.set_aside(outdated)}", file=sys.stderr)
            check_disk(context)  # only now: it reads the files of the run, which may be damaged
        start(partial(Rounds, context), context, resume)


def command(words: Sequence[str], name: str = "run") -> str:
    """Return the command that resumes: the same one without --redo."""
    options: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--redo":
            next(rest, None)
        elif not word.startswith("--redo="):
            options.append(word)
    script = Path(sys.argv[0]).name
    program = script if script == "selflengthen" else "python -m selflengthen"
    return f"{program} {shlex.join([name, *options])}"
