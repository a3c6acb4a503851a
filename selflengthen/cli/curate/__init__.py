"""`curate`: choose the rows to train on, from any data set."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from selflengthen.cli.options.parser import nearest
from selflengthen.errors import UserError

if TYPE_CHECKING:
    from selflengthen.curate.steps import NamedSteps

COMMANDS = {
    "longest": "keep the longest responses (arXiv 2402.04833)",
    "quality": "keep the rows with the lowest loss predicted by a rule (arXiv 2307.06290)",
    "faithful": "keep responses of the length that the prompt asks for (arXiv 2410.10210)",
    "mix": "mix in randomly drawn rows of a general data set",
    "STEPS.yaml": "apply a list of these, each to the rows that the previous one kept",
    "search": "find the number of top-ranked rows that minimises evaluation loss (2307.06290)",
    "measure": "write the indicators of each row; select nothing",
    "fit": "fit a rule to the losses of subsets, given or from fine-tuning on subsets of DATA",
}


def main(words: Sequence[str]) -> int:
    """Run the subcommand that the first word names."""
    # The progress bars of `datasets` would appear between our lines.
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    name, rest = (words[0], words[1:]) if words else ("--help", [])
    if name in ("-h", "--help"):
        from selflengthen.cli.curate.choosing import SETS

        listed = "\n".join(f"  {command:<11} {about}" for command, about in COMMANDS.items())
        print(
            "usage: python -m selflengthen curate METHOD DATA --out FILE [options]\n\n"
            f"Choose the rows to train on. {SETS}\n\nmethods:\n{listed}\n\n"
            "METHOD --help describes one method, docs/curation.md all of them."
        )
        return 0
    if name in ("measure", "fit", "search"):
        return _rule(name, rest)
    if name == "longest" and "--refine" in rest:
        from selflengthen.cli.curate.refining import refine

        return refine(rest)
    from selflengthen.curate import steps

    if name in steps.METHODS:
        return _method(name, rest)
    if Path(name).suffix in (".yaml", ".yml"):
        from selflengthen.cli.curate.choosing import parser_of

        parser = parser_of("STEPS.yaml", COMMANDS["STEPS.yaml"])
        args = parser.parse(rest)
        return _choose(steps.read(Path(name)), args)
    raise UserError(
        f"no method {name!r}{nearest(name, COMMANDS)}; there are {', '.join(COMMANDS)}."
    )


def _rule(name: str, words: Sequence[str]) -> int:
    from selflengthen.cli.curate import rules, tunings

    if name == "measure":
        return rules.measure(words, COMMANDS[name])
    if name == "search":
        return tunings.search(words)
    by_tuning = any(word.partition("=")[0] == "--evaluation" for word in words)
    return tunings.fit(words) if by_tuning else rules.fit(words)


def _method(name: str, words: Sequence[str]) -> int:
    from selflengthen.cli.curate.choosing import add_options, options_in, parser_of
    from selflengthen.curate import steps

    parser = parser_of(name, COMMANDS[name])
    names = add_options(parser, steps.METHODS[name])
    if name == "longest":
        parser.add_argument(
            "--refine",
            action="store_true",
            help="have a model improve the kept rows; see --refine --help for its options",
        )
    args = parser.parse(words)
    return _choose([(name, steps.make(name, options_in(args, names), "--", strict=False))], args)


def _choose(listed: NamedSteps, args: Namespace) -> int:
    """Apply steps and write the result."""
    from selflengthen.cli.curate.choosing import ProgressPrinter, open_data, write_and_print
    from selflengthen.curate import steps
    from selflengthen.curate.io import write

    write.check_output(Path(args.out))
    rows, named = open_data(args)
    context = steps.StepContext(named, ProgressPrinter(sys.stderr))
    steps.check(listed, context)
    applied = steps.play(rows, listed, context)
    write_and_print(args, rows, applied, steps.report(applied, listed))
    return 0
