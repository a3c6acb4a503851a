"""The pocket model's benchmark: requests of pocket English that ask for a length.

The form is LonGen's, in small: about, range, above and below, over three bands of length.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from selflengthen.length.mentions import Kind
from selflengthen.length.phrasing import append_requirement
from selflengthen.length.requirement import LengthRequirement
from selflengthen.pocket.seeds import HELD_OUT, SEEDS, requests

LENGTHS = {
    "50-100": (50, 60, 75, 90),
    "100-200": (110, 130, 150, 180),
    "200-400": (220, 270, 330, 400),
}
KINDS: tuple[Kind, ...] = ("about", "range", "above", "below")
ROWS = 48
_SHORTEST, _LONGEST, _AROUND = 50, 400, 0.15


def write(folder: Path) -> None:
    """Write `benchmark.jsonl` into `folder`, the same bytes each time."""
    text = "".join(json.dumps(row) + "\n" for row in rows())
    (folder / "benchmark.jsonl").write_text(text, encoding="utf-8", newline="\n")


def rows() -> Iterator[dict[str, str]]:
    """Yield a row for each length and kind, with requests that are neither seeds nor held out."""
    others = islice(requests(), SEEDS + HELD_OUT, None)
    for band, lengths in LENGTHS.items():
        for length in lengths:
            for kind in KINDS:
                _, request = next(others)
                demand = _demand(kind, length)
                woven = append_requirement(
                    request, demand, language="pocket", spelled=False, rng=random.Random(0)
                )
                assert woven is not None, f"{request} cannot ask for {demand}"
                yield {
                    "language": "pocket", "range": band, "type": kind,
                    "constraint": woven.phrase, "query": woven.text,
                }  # fmt: skip


def _demand(kind: Kind, length: int) -> LengthRequirement:
    """Return a demand for `length`; a range is of about 15 % to both sides, in tens."""
    if kind != "range":
        return LengthRequirement(
            kind, None if kind == "below" else length, None if kind == "above" else length
        )
    low = max(_SHORTEST, round(length * (1 - _AROUND), -1))
    high = min(_LONGEST, round(length * (1 + _AROUND), -1))
    return LengthRequirement(kind, int(low), int(high))
