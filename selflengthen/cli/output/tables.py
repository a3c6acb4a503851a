"""Tables for people: a head and rows, the first column to the left."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from selflengthen.cli.output.format import visible
from selflengthen.cli.output.streams import for_rich

_WIDTH = 10_000  # of any terminal: a line that is too long wraps, but no figure is cut off


def print_table(rows: Iterable[Sequence[str]]) -> None:
    """Print a head and rows; what a cell holds is shown as it is and gives no orders."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for place, row in enumerate(rows):
        cells = [visible(cell) for cell in row]
        for cell in cells if place == 0 else ():
            table.add_column(cell, justify="right" if len(table.columns) else "left")
        if place:
            table.add_row(*cells)
    plain = "NO_COLOR" in os.environ
    console = Console(
        file=for_rich(sys.stdout), highlight=False, markup=False, emoji=False, no_color=plain,
        width=_WIDTH,
    )  # fmt: skip
    console.print(table)
