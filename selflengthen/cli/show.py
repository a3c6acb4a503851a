"""`show`: a text and where it came from, side by side; or the texts of a stage."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence

import msgspec

from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.cli.output.format import opening, visible
from selflengthen.cli.output.streams import for_rich
from selflengthen.cli.trace import Found, lineage, listing, median_example, stage_of
from selflengthen.storage.records import Record, Rejection
from selflengthen.storage.stage_table import DRAFT, EXPAND, FINAL_STAGES, ROUND_STAGES

_TITLES = {spec.name: spec.shown for spec in (*ROUND_STAGES, *FINAL_STAGES)}
_TITLES |= {"instruction": "instruction"}
_NARROW = 100


def main(words: Sequence[str]) -> int:
    """Print the lineage of a text, or the list of a stage's texts."""
    parser = Parser(
        "show",
        "Show a text with what it came from and what was refused on the way. Without --id: the\n"
        "texts of --stage, or else the median expansion of --round. Without --round: the last\n"
        "round that has them.",
    )
    parser.add_argument(
        "run", metavar="RUN", type=file_name, help="folder of a run, or its name below runs/"
    )
    parser.add_argument("--round", type=int, metavar="N", help="a round; 0 is the base model")
    parser.add_argument(
        "--stage", metavar="S",
        help="instruct, draft, expand or held-out; after the last round: final/instruct, "
        "final/draft, demand, held-out-base or held-out-final",
    )  # fmt: skip
    parser.add_argument("--id", metavar="X", help="the id of a text")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse(words)
    if asked.id is not None and (asked.stage is not None or asked.round is not None):
        parser.error("--id names one text; leave out --stage and --round")

    from selflengthen.cli.run_state import open_run

    run, _ = open_run(asked.run)
    if asked.stage is not None:
        records = listing(run, stage_of(run, asked.stage, asked.round))
        if asked.json:
            print(json.dumps(msgspec.to_builtins(records), indent=1))
        else:
            _print_list(records)
        return 0
    chain = lineage(run, asked.id or median_example(run, asked.round))
    if asked.json:
        print(json.dumps([found.plain() for found in chain], indent=1))
    else:
        _print_chain(chain)
    return 0


def _print_list(records: Iterable[Record]) -> None:
    for record in records:
        dropped = f" [dropped: {visible(record.dropped)}]" if record.dropped else ""
        print(f"{visible(record.id):<32} {record.words:>7,}  {opening(record.text)}{dropped}")


def _print_chain(chain: list[Found]) -> None:
    """Print the instruction, then draft and expansion beside each other where there is room."""
    pair = [f for f in chain if f.stage in (DRAFT.name, EXPAND.name) and f.record]
    width = shutil.get_terminal_size().columns
    beside = len(pair) == 2 and sys.stdout.isatty() and width >= _NARROW
    for found in chain:
        if not (beside and found in pair):
            _print_found(found)
    if beside:
        _print_pair(pair[0], pair[1], width)
    for found in chain:
        for rejection in found.rejections:
            print(f"rejected: {_title(found.stage)}, {_rejection(rejection)}")
        if out := found.left_out:
            print(f"left out of training: {visible(out['method'])}, {visible(out['reason'])}")


def _print_found(found: Found) -> None:
    print(_head(found))
    print(visible(found.record.text) if found.record else "(no attempt was accepted)")
    print()


def _print_pair(left: Found, right: Found, width: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    sides = Table(box=None, padding=(0, 2), expand=True, show_edge=False)
    cells = []
    for found in (left, right):
        sides.add_column(Text(_head(found)), ratio=1)
        cells.append(Text(visible(found.record.text if found.record else "")))
    sides.add_row(*cells)
    plain = "NO_COLOR" in os.environ
    out = for_rich(sys.stdout)
    Console(file=out, width=width, highlight=False, emoji=False, no_color=plain).print(sides)


def _head(found: Found) -> str:
    record = found.record
    if record is None:
        return f"{_title(found.stage)} {visible(found.id)}"
    dropped = f", dropped: {visible(record.dropped)}" if record.dropped else ""
    attempts = f", attempt {record.attempts}" if record.attempts > 1 else ""
    return f"{_title(found.stage)} {visible(found.id)} ({record.words:,} words{attempts}{dropped})"


def _rejection(rejection: Rejection) -> str:
    return (
        f"attempt {rejection.attempt}: {visible(rejection.reason)} "
        f"({rejection.words:,} words): {opening(rejection.text)}"
    )


def _title(stage: str) -> str:
    return _TITLES.get(stage, "held-out text")
