"""`pocket build`: make the embedded model anew, from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.errors import SelfLengthenError, UserError
from selflengthen.storage.atomic import check_folder


def main(words: Sequence[str]) -> int:
    """Train the pocket model and print what the gate measured."""
    parser = Parser(
        "pocket", "Make the embedded model anew, from nothing: an hour or two of a CPU."
    )
    parser.add_argument("what", choices=["build"], help="build: train and measure it")
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=file_name,
        default="runs/pocket-model",
        help="where it goes; default %(default)s",
    )
    asked = parser.parse(words)
    folder = Path(asked.out)
    if folder.exists():
        raise UserError(f"{folder}: is there already; move it away, or give another --out.")
    check_folder(folder, "--out")

    from selflengthen.pocket.build import build
    from selflengthen.pocket.gate import passes

    report = build(folder)
    print(msgspec.json.format(msgspec.json.encode(report), indent=1).decode())
    if not passes(report):
        raise SelfLengthenError(
            f"the model is below the gate (selflengthen/pocket/gate.py); it is in {folder}.failed."
        )
    print(f"{folder}: to ship it, copy its files to selflengthen/pocket/weights/.")
    return 0
