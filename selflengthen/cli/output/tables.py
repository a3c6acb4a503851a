"""The one table of the commands: a head and rows, the first column aligned left."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from selflengthen.cli.output.format import visible
from selflengthen.cli.output.streams import for_rich

_WIDTH = 10_000
"""Wider than any terminal: a long line wraps, and no figure is cut off."""


def print_table(rows: Iterable[Sequence[str]]) -> None:
    """Print a head and rows; control characters in a cell are made visible."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for number, row in enumerate(rows):
        cells = [visible(cell) for cell in row]
        if number:
            table.add_row(*cells)
            continue
        for cell in cells:
            table.add_column(cell, justify="right" if table.columns else "left")
    console = Console(
        file=for_rich(sys.stdout),
        highlight=False,
        markup=False,
        emoji=False,
        no_color="NO_COLOR" in os.environ,
        width=_WIDTH,
    )
    console.print(table)
