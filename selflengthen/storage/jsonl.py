"""JSONL of records read line by line, without making a record of each.

A start over hundreds of thousands of texts needs their ids, not the texts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from selflengthen.errors import DamagedFile
from selflengthen.storage.atomic import misplaced

T = TypeVar("T", bound=msgspec.Struct)
_BUFFER = 1 << 20  # texts are long: with a small buffer, finding the lines costs more than reading
REMEDY = "restore the file, or move it away to have its texts written again"
"""What to do about a damaged file, where the caller knows nothing better."""
# How `records.encode` begins a line and ends that of a rejection.
_ID = re.compile(rb'\{"id":"([^"\\]+)","')
_LAST, _NOT_LAST = b',"last":true}\n', b',"last":false}\n'


class _Head(msgspec.Struct):
    """The fields by which lines are sorted and selected."""

    id: str
    attempt: int = 0
    last: bool = False
    dropped: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """The place of a line in a file of records, newline included, and the fields to select by."""

    id: str
    attempt: int
    last: bool
    dropped: str | None
    start: int
    size: int


def read_lines(path: Path, remedy: str = REMEDY) -> Iterator[Line]:
    """Yield the complete lines of a file; a missing file has none; a torn last line is skipped.

    Raises DamagedFile naming file and line for one that does not parse; `remedy` says what to do.
    """
    start = 0
    for raw, head in _decoded(path, _Head, remedy):
        yield Line(head.id, head.attempt, head.last, head.dropped, start, len(raw))
        start += len(raw)


def pick(path: Path, lines: Sequence[Line]) -> Iterator[bytes]:
    """Yield these lines of a file, in the order given; all together may not fit into memory."""
    if not lines:
        return  # of a missing file, too
    with open(path, "rb") as file:
        for line in lines:
            file.seek(line.start)
            yield file.read(line.size)


def read_raw(path: Path, remedy: str = REMEDY) -> Iterator[bytes]:
    """Yield the complete lines of a file as they are."""
    return (raw for _, raw in _raw(path, remedy))


def read_structs(path: Path, kind: type[T], remedy: str = REMEDY) -> Iterator[T]:
    """Yield the complete lines of a file, each as a `kind`."""
    return (struct for _, struct in _decoded(path, kind, remedy))


def read_ids(path: Path, *, last: bool = False, remedy: str = REMEDY) -> Iterator[str]:
    """Yield the ids of all complete lines, or only of those that are `last`.

    A line as this package writes it is not parsed, so a fault within its text goes unnoticed here.
    """
    decoder = msgspec.json.Decoder(_Head)
    for number, raw in _raw(path, remedy):
        begun = _ID.match(raw)
        if begun and (not last or raw.endswith((_LAST, _NOT_LAST))):
            if not last or raw.endswith(_LAST):
                yield begun[1].decode(errors="replace")
        else:
            head = _decode(decoder, raw, (path, number, remedy))
            if head.last or not last:
                yield head.id


def _decoded(path: Path, kind: type[T], remedy: str) -> Iterator[tuple[bytes, T]]:
    decoder = msgspec.json.Decoder(kind)
    for number, raw in _raw(path, remedy):
        yield raw, _decode(decoder, raw, (path, number, remedy))


def _raw(path: Path, remedy: str) -> Iterator[tuple[int, bytes]]:
    try:
        file = open(path, "rb", buffering=_BUFFER)  # noqa: SIM115 - only its absence is caught
    except FileNotFoundError:
        return
    except OSError as error:
        raise misplaced(path, remedy, error) from error
    with file:
        for number, raw in enumerate(file, 1):
            if not raw.endswith(b"\n"):
                return
            yield number, raw


def _decode(decoder: msgspec.json.Decoder[T], raw: bytes, place: tuple[Path, int, str]) -> T:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        path, number, remedy = place
        raise DamagedFile(path, f"is not a record ({error})", remedy, number) from error


def trim(path: Path) -> None:
    """Cut a torn last line off."""
    try:
        file = open(path, "r+b")  # noqa: SIM115 - only its absence is caught
    except FileNotFoundError:
        return
    except OSError as error:
        raise misplaced(path, REMEDY, error) from error
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
