"""The pocket model's seed requests, and the held-out ones, which no round trains on."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from selflengthen.pocket.language import Story

SEEDS = 60
HELD_OUT = 48


def write(folder: Path) -> None:
    """Write `pocket.jsonl` and `held-out-pocket.jsonl` into `folder`; always the same."""
    unused = requests()
    for name, size in (("pocket", SEEDS), ("held-out-pocket", HELD_OUT)):
        rows = [
            {"id": f"{name}-{number:03}", "kind": kind, "instruction": instruction}
            for number, (kind, instruction) in enumerate(islice(unused, size), start=1)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8", newline="\n")


def requests() -> Iterator[tuple[str, str]]:
    """Yield the kind and the request of one story after another, without repeating a request."""
    seen: set[str] = set()
    for number in count():
        story = Story(random.Random(number))
        request = story.request()
        if request not in seen:
            seen.add(request)
            yield story.kind, request
