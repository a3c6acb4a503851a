"""The pocket model's benchmark: requests in pocket English that ask for a length.

It has LonGen's format, on a small scale: about, range, above and below, in three bands of length.
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
_SHORTEST = 50
_LONGEST = 400
_RANGE = 0.15  # how far the ends of a range are from the length, as a share of it


def write(folder: Path) -> None:
    """Write `benchmark.jsonl` into `folder`; the content is the same each time."""
    text = "".join(json.dumps(row) + "\n" for row in rows())
    (folder / "benchmark.jsonl").write_text(text, encoding="utf-8", newline="\n")


def rows() -> Iterator[dict[str, str]]:
    """Yield one row per length and kind; the requests are neither seeds nor held-out ones."""
    unused = islice(requests(), SEEDS + HELD_OUT, None)
    for band, lengths in LENGTHS.items():
        for length in lengths:
            for kind in KINDS:
                _, request = next(unused)
                requirement = _requirement(kind, length)
                phrased = append_requirement(
                    request, requirement, language="pocket", spelled=False, rng=random.Random(0)
                )
                assert phrased is not None, f"{request} cannot ask for {requirement}"
                yield {
                    "language": "pocket",
                    "range": band,
                    "type": kind,
                    "constraint": phrased.phrase,
                    "query": phrased.text,
                }


def _requirement(kind: Kind, length: int) -> LengthRequirement:
    """Return a requirement for `length`; a range extends about 15 % to both sides, in tens."""
    if kind != "range":
        return LengthRequirement(
            kind, None if kind == "below" else length, None if kind == "above" else length
        )
    low = max(_SHORTEST, round(length * (1 - _RANGE), -1))
    high = min(_LONGEST, round(length * (1 + _RANGE), -1))
    return LengthRequirement(kind, int(low), int(high))
