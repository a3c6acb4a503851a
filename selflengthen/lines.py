"""JSONL of records read line by line, without making a record of each.

A start over hundreds of thousands of texts needs their ids, not the texts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from selflengthen.errors import UserError


class _Head(msgspec.Struct):
    """The fields by which lines are sorted and chosen."""

    id: str
    attempt: int = 0
    last: bool = False
    dropped: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file of records, newline included, and what it is found by."""

    id: str
    attempt: int
    last: bool
    dropped: str | None
    raw: bytes


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the whole lines of a file; a missing file has none; a torn last line is passed over."""
    decoder = msgspec.json.Decoder(_Head)
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below, opened here to catch its absence alone
    except FileNotFoundError:
        return
    with file:
        for number, raw in enumerate(file, 1):
            if not raw.endswith(b"\n"):
                return
            try:
                head = decoder.decode(raw)
            except msgspec.DecodeError as error:
                raise UserError(
                    f"{path}, line {number}: is no record ({error}); restore the file, or move it"
                    " away to have its texts made again."
                ) from error
            yield Line(head.id, head.attempt, head.last, head.dropped, raw)


def trim(path: Path) -> None:
    """Cut a torn last line off."""
    try:
        file = open(path, "r+b")  # noqa: SIM115 - as above
    except FileNotFoundError:
        return
    with file:
        size = file.seek(0, os.SEEK_END)
        end, step = size, 1 << 16
        while end > 0:
            start = max(0, end - step)
            file.seek(start)
            at = file.read(end - start).rfind(b"\n")
            if at >= 0:
                end = start + at + 1
                break
            end = start
        if end < size:
            file.truncate(end)
            os.fsync(file.fileno())
