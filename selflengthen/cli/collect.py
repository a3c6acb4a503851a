"""`collect`: more texts by the last generator, and those of all rounds as one data set."""

from __future__ import annotations

from collections.abc import Sequence

from selflengthen.cli.finish import go, parser_of

_ABOUT = """\
Make more instructions and drafts with a run's last generator (collect.instructions), and write the
texts of all its rounds and those drafts as one data set: final/3-union/union.jsonl in its folder.

The settings are those that the run was last started with; options go before them. Running the same
command again goes on with it."""


def main(words: Sequence[str]) -> int:
    """Check all there is to check, then collect."""
    parser = parser_of("collect", _ABOUT, "instruct, draft, union")
    return go("collect", words, parser.parse(words))
