"""`curate`: choose the rows to train on, from any data set."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selflengthen.cli.options.parser import nearest
from selflengthen.errors import UserError

if TYPE_CHECKING:
    from selflengthen.curate.steps import Steps

COMMANDS = {
    "longest": "keep the longest responses (arXiv 2402.04833)",
    "quality": "keep the rows of the lowest loss that a rule predicts (arXiv 2307.06290)",
    "faithful": "keep the rows that ask for a length and keep it (arXiv 2410.10210)",
    "mix": "add rows of a general set, drawn by lot",
    "STEPS.yaml": "a list of these, each on what the one before it kept",
    "search": "keep as many of the best rows by a rule as tune a model best (2307.06290)",
    "measure": "write the indicators of each row, and choose nothing",
    "fit": "make a rule: from losses of subsets, or by tunings on subsets of DATA",
}


def main(words: Sequence[str]) -> int:
    """Do what the first word says."""
    # The bars of `datasets` would stand between our lines.
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    name, rest = (words[0], words[1:]) if words else ("--help", [])
    if name in ("-h", "--help"):
        from selflengthen.cli.curate.choosing import SETS

        listed = "\n".join(f"  {command:<11} {about}" for command, about in COMMANDS.items())
        print(
            "usage: python -m selflengthen curate METHOD DATA --out FILE [options]\n\n"
            f"Choose the rows to train on. {SETS}\n\nmethods:\n{listed}\n\n"
            "METHOD --help tells of one; docs/curation.md of all."
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
        asked = parser.parse(rest)
        return _choose(steps.read(Path(name)), asked)
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
    from selflengthen.cli.curate.choosing import add_options, given, parser_of
    from selflengthen.curate import steps

    parser = parser_of(name, COMMANDS[name])
    names = add_options(parser, steps.METHODS[name])
    if name == "longest":
        parser.add_argument(
            "--refine", action="store_true",
            help="have a model improve what is kept; --refine --help tells of its options",
        )  # fmt: skip
    asked = parser.parse(words)
    return _choose([(name, steps.make(name, given(asked, names), "--", strict=False))], asked)


def _choose(listed: Steps, asked: Any) -> int:
    """Play steps and write what came of them."""
    from selflengthen.cli.curate.choosing import Teller, leave, opened
    from selflengthen.curate import steps
    from selflengthen.curate.io import write

    write.refuse_existing(Path(asked.out))
    rows, fields = opened(asked)
    setting = steps.Setting(fields, Teller(sys.stderr))
    steps.check(listed, setting)
    played = steps.play(rows, listed, setting)
    leave(asked, rows, played, steps.report(played, listed))
    return 0
