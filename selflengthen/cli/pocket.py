"""`pocket build`: train the embedded model from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.errors import SelfLengthenError
from selflengthen.storage.atomic import check_folder, check_new


def main(words: Sequence[str]) -> int:
    """Train the pocket model and print the figures of the gate."""
    parser = Parser(
        "pocket", "Train the embedded model from scratch; this takes one or two hours on a CPU."
    )
    parser.add_argument("what", choices=["build"], help="build: train the model and measure it")
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=file_name,
        default="runs/pocket-model",
        help="output folder; default: %(default)s",
    )
    folder = Path(parser.parse(words).out)
    check_new(folder, "--out")
    check_folder(folder, "--out")

    from selflengthen.pocket.build import build
    from selflengthen.pocket.gate import passes

    report = build(folder)
    print(msgspec.json.format(msgspec.json.encode(report), indent=1).decode())
    if not passes(report):
        raise SelfLengthenError(
            f"the model does not pass the gate (selflengthen/pocket/gate.py); see {folder}.failed."
        )
    print(f"{folder}: to ship it, copy its files to selflengthen/pocket/weights/.")
    return 0
