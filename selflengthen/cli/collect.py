"""`collect`: more texts by the last generator, and one data set of all rounds."""

from __future__ import annotations

from collections.abc import Sequence

from selflengthen.cli.finish import carry_out, parser_of

_ABOUT = """\
Write more instructions and drafts with a run's last generator (collect.instructions), and build one
data set from these drafts and the texts of all rounds: final/3-union/union.jsonl in the run's
folder.

The settings are those of the run's last start; options override them. Run the same command again to
resume."""


def main(words: Sequence[str]) -> int:
    """Check everything first, then collect."""
    parser = parser_of("collect", _ABOUT, "instruct, draft, union")
    return carry_out("collect", words, parser.parse(words))
