"""`show`: a text and the texts it came from, or the texts of a stage."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence

import msgspec

from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.cli.output.format import opening, visible
from selflengthen.cli.output.streams import for_rich
from selflengthen.cli.trace import TracedText, lineage, listing, median_example, stage_of
from selflengthen.storage.records import Record, Rejection
from selflengthen.storage.stage_table import DRAFT, EXPAND, FINAL_STAGES, INSTRUCT, ROUND_STAGES

_TITLES = {spec.name: spec.shown for spec in (*ROUND_STAGES, *FINAL_STAGES)}
_TITLES |= {"instruction": "instruction"}
_NARROW = 100


def main(words: Sequence[str]) -> int:
    """Print the lineage of a text, or the list of a stage's texts."""
    args = _parse(words)

    from selflengthen.cli.run_state import open_run

    run, _ = open_run(args.run)
    if args.stage is not None:
        records = listing(run, stage_of(run, args.stage, args.round))
        if args.json:
            print(json.dumps(msgspec.to_builtins(records), indent=1))
        else:
            _print_list(records)
        return 0
    chain = lineage(run, args.id or median_example(run, args.round))
    if args.json:
        print(json.dumps(msgspec.to_builtins(chain), indent=1))
    else:
        _print_chain(chain)
    return 0


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        "show",
        "Show a text, the texts it came from, and the rejected attempts on the way. Without --id,\n"
        "show the list of --stage, or else the median expansion of --round. Without --round, take\n"
        "the last round that has them.",
    )
    parser.add_argument(
        "run", metavar="RUN", type=file_name, help="folder of a run, or its name in runs/"
    )
    parser.add_argument("--round", type=int, metavar="N", help="a round; 0 is the base model")
    parser.add_argument(
        "--stage",
        metavar="S",
        help="instruct, draft, expand or held-out; after the last round: final/instruct, "
        "final/draft, demand, held-out-base or held-out-final",
    )
    parser.add_argument("--id", metavar="X", help="the id of a text")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse(words)
    if args.id is not None and (args.stage is not None or args.round is not None):
        parser.error("--id names one text; leave out --stage and --round")
    return args


def _print_list(records: Iterable[Record]) -> None:
    for record in records:
        dropped = f" [dropped: {visible(record.dropped)}]" if record.dropped else ""
        print(f"{visible(record.id):<32} {record.words:>7,}  {opening(record.text)}{dropped}")


def _print_chain(chain: Sequence[TracedText]) -> None:
    """Print the texts in order, draft and expansion side by side if the terminal is wide."""
    pair = [text for text in chain if text.stage in (DRAFT.name, EXPAND.name) and text.record]
    width = shutil.get_terminal_size().columns
    beside = len(pair) == 2 and sys.stdout.isatty() and width >= _NARROW
    for text in chain:
        if not (beside and text in pair):
            _print_text(text)
    if beside:
        _print_pair(pair[0], pair[1], width)
    for text in chain:
        for rejection in text.rejections:
            print(f"rejected: {_title(text.stage)}, {_rejection(rejection)}")
        if out := text.left_out:
            print(f"left out of training: {visible(out['method'])}, {visible(out['reason'])}")


def _print_text(text: TracedText) -> None:
    print(_head(text))
    print(visible(text.record.text) if text.record else "(no attempt was accepted)")
    print()


def _print_pair(left: TracedText, right: TracedText, width: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    sides = Table(box=None, padding=(0, 2), expand=True, show_edge=False)
    cells = []
    for text in (left, right):
        sides.add_column(Text(_head(text)), ratio=1)
        cells.append(Text(visible(text.record.text if text.record else "")))
    sides.add_row(*cells)
    plain = "NO_COLOR" in os.environ
    out = for_rich(sys.stdout)
    Console(file=out, width=width, highlight=False, emoji=False, no_color=plain).print(sides)


def _head(text: TracedText) -> str:
    record = text.record
    if record is None:
        return f"{_title(text.stage)} {visible(text.id)}"
    dropped = f", dropped: {visible(record.dropped)}" if record.dropped else ""
    attempts = f", attempt {record.attempts}" if record.attempts > 1 else ""
    # Texts of later stages have theirs above them; an instruction of the user's has no other place.
    origin = record.source if text.stage == INSTRUCT.name else None
    source = f", from {visible(origin)}" if origin is not None else ""
    details = f"{record.words:,} words{source}{attempts}{dropped}"
    return f"{_title(text.stage)} {visible(text.id)} ({details})"


def _rejection(rejection: Rejection) -> str:
    return (
        f"attempt {rejection.attempt}: {visible(rejection.reason)} "
        f"({rejection.words:,} words): {opening(rejection.text)}"
    )


def _title(stage: str) -> str:
    return _TITLES.get(stage, "held-out text")
