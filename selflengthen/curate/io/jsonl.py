"""A user's JSONL file as a source: it is indexed once, then rows are read by position.

Why `storage.jsonl` does not do this: it reads files that we wrote, front to back, as structs, skips
a torn last line, and reports anything else as damage. Here the fields are unknown, any rows may be
wanted, blank lines, a byte order mark and a missing last newline are fine, and a torn line is the
user's to repair.
"""

from __future__ import annotations

import copy
import json
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from selflengthen.curate.io.columns import FieldNames, Fields, RowFault, find
from selflengthen.curate.io.rows import Source
from selflengthen.errors import UserError
from selflengthen.inputs.user_files import lines_of

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Ints

_BOM = b"\xef\xbb\xbf"
_DENSE, _SPARSE = 1 << 20, 1 << 14  # bytes that are read ahead


class _Turn(msgspec.Struct):
    role: str
    content: str


class _Id(msgspec.Struct):
    id: Any = None


class Jsonl:
    """A file with one JSON object per line; blank lines are skipped. Lines stay as they are."""

    def __init__(self, path: Path, named: FieldNames) -> None:
        """Index the file; raises UserError if it is unreadable or empty, or has no texts."""
        self.path = path
        self._starts = _index(path)
        if not self._starts:
            raise UserError(f"{path}: is empty; give a data set with rows.")
        self.fields = find(str(path), self._first(), named)
        self._fast = _decoder(self.fields)
        self._responses: Mapping[int, str] = {}

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._starts)

    def texts(self, places: Ints) -> Iterator[tuple[str, str]]:
        """Yield prompt and response; raises UserError for a line without them."""
        fast = self._fast
        for place, raw in zip(places.tolist(), self._lines(places), strict=True):
            try:
                texts = fast(raw)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, RowFault):
                texts = self._slow(place, raw)
            yield (texts[0], self._responses[place]) if place in self._responses else texts

    def ids(self, places: Ints) -> Iterator[Any]:
        """Yield the field `id` of each line."""
        decode = msgspec.json.Decoder(_Id).decode
        return (decode(raw).id for raw in self._lines(places))

    def originals(self, places: Ints) -> Iterator[bytes]:
        """Yield the lines unchanged; the last one gets a newline if it has none."""
        for place, raw in zip(places.tolist(), self._lines(places), strict=True):
            if place in self._responses:
                row = self.fields.with_response(self._parsed(place, raw), self._responses[place])
                yield msgspec.json.encode(row) + b"\n"
            else:
                yield raw if raw.endswith(b"\n") else raw + b"\n"

    def with_responses(self, responses: Mapping[int, str]) -> Jsonl:
        """Return this file with other responses in some rows; only those lines are rewritten."""
        other = copy.copy(self)
        other._responses = responses
        return other

    def new_row(self, prompt: str, response: str) -> bytes:
        """Return a line with these fields."""
        return msgspec.json.encode(self.fields.new_row(prompt, response)) + b"\n"

    def alike(self, other: Source) -> bool:
        """Return whether the other source is JSONL with the same fields."""
        return isinstance(other, Jsonl) and other.fields == self.fields

    def where(self, place: int) -> str:
        """Return file and line number, from 1 as in an editor."""
        with open(self.path, "rb", buffering=_DENSE) as file:
            line = 1
            for raw in file:
                if file.tell() > self._starts[place]:
                    break
                line += raw.endswith(b"\n")
        return f"{self.path}, line {line}"

    def _lines(self, places: Ints) -> Iterator[bytes]:
        starts = self._starts
        ahead = _DENSE if 8 * len(places) >= len(starts) else _SPARSE
        with open(self.path, "rb", buffering=ahead) as file:
            at = 0
            for place in places.tolist():
                start = starts[place]
                if start != at:
                    file.seek(start)
                raw = file.readline()
                at = start + len(raw)
                yield raw

    def _first(self) -> Any:
        import numpy as np

        (raw,) = self._lines(np.zeros(1, np.int64))
        if raw.lstrip().startswith(b"["):
            raise UserError(
                f"{self.path}: is one JSON list; write one row per line: jq -c '.[]' {self.path}."
            )
        return self._parsed(0, raw)

    def _parsed(self, place: int, raw: bytes) -> Any:
        try:
            return msgspec.json.decode(raw)
        except UnicodeDecodeError as error:
            raise UserError(
                f"{self.where(place)}: is not UTF-8 (byte {error.start} of the line); save the "
                "file as UTF-8."
            ) from error
        except msgspec.DecodeError as error:
            raise UserError(
                f"{self.where(place)}: is not valid JSON ({error}); write one object per line."
            ) from error
        except RecursionError as error:
            raise UserError(
                f"{self.where(place)}: is nested too deeply; fix the row or remove it."
            ) from error

    def _slow(self, place: int, raw: bytes) -> tuple[str, str]:
        """Read a line that the fast decoder rejects; raises UserError saying what is wrong."""
        row = self._parsed(place, raw)
        try:
            return self.fields.texts(row)
        except RowFault as fault:
            raise UserError(f"{self.where(place)}: {fault}; fix the row or remove it.") from fault


def _index(path: Path) -> array[int]:
    """Return the byte offset of each row."""
    starts = array("q")
    at = 0
    try:
        with open(path, "rb", buffering=_DENSE) as file:
            if file.read(3) == _BOM:
                at = 3
            file.seek(at)
            for raw in lines_of(path, file):
                if not raw.isspace():
                    starts.append(at)
                at += len(raw)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    return starts


def _decoder(fields: Fields) -> Callable[[bytes], tuple[str, str]]:
    """Return a decoder of one line that parses only the fields of the texts."""
    names = (fields.messages, fields.response, *fields.prompt)
    odd = any(name != json.dumps(name, ensure_ascii=False)[1:-1] for name in names)
    if odd or (not fields.messages and (fields.turns or len(fields.prompt) > 1)):
        parse = msgspec.json.Decoder().decode
        return lambda raw: fields.texts(
            parse(raw)
        )  # msgspec structs take no name that JSON escapes
    if fields.messages:
        rename = {"turns": fields.messages}
        kind: Any = msgspec.defstruct("Line", [("turns", list[_Turn])], rename=rename)
        decode = msgspec.json.Decoder(kind).decode

        def parted(raw: bytes) -> tuple[str, str]:
            turns = decode(raw).turns
            if not turns or turns[-1].role != "assistant":
                raise RowFault
            return "\n\n".join(turn.content for turn in turns[:-1]), turns[-1].content

        return parted
    rename = {"prompt": fields.prompt[0], "response": fields.response}
    plain: Any = msgspec.defstruct("Line", [("prompt", str), ("response", str)], rename=rename)
    read = msgspec.json.Decoder(plain).decode

    def texts(raw: bytes) -> tuple[str, str]:
        line = read(raw)
        return line.prompt, line.response

    return texts
