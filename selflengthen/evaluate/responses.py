"""Responses on file: JSONL, an object a line, read line by line.

A line that cannot be used is a UserError which names file, line and field; no line is passed over.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import orjson

from selflengthen.errors import UserError
from selflengthen.inputs.user_files import check_regular, lines_of

_BUFFER = 1 << 20  # responses are long
_BOM = b"\xef\xbb\xbf"
_NAMES: dict[type, str] = {
    str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list",
    dict: "an object", type(None): "null",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a file: where it stands and its fields."""

    where: str
    fields: Mapping[str, Any]

    def __contains__(self, name: str) -> bool:
        """Say whether there is such a field."""
        return name in self.fields

    def text(self, name: str) -> str:
        """Return a field that has to be there and has to be a text."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            self._refuse(name, "a text")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a text, or None where there is no such field or it is null."""
        return None if self.fields.get(name) is None else self.text(name)

    def one_of(self, name: str, *choices: str) -> str:
        """Return a text that has to be one of `choices`."""
        value = self.text(name)
        if value not in choices:
            self.fail(f"field {name!r} is {value!r:.40}; it has to be one of {', '.join(choices)}.")
        return value

    def length(self, name: str) -> float:
        """Return a number above 0."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(name, "a number above 0")
        if not 0 < value < math.inf:
            self.fail(f"field {name!r} is {value}; it has to be a number above 0.")
        return value

    def fail(self, fault: str) -> NoReturn:
        """Raise a UserError that begins with the place of the row."""
        raise UserError(f"{self.where}: {fault}")

    def _refuse(self, name: str, wanted: str) -> NoReturn:
        if name in self.fields:
            found = _NAMES[type(self.fields[name])]
            self.fail(f"field {name!r} is {found}; it has to be {wanted}, as in every line.")
        names = ", ".join(map(repr, self.fields)) or "none at all"
        self.fail(f"has no field {name!r}; its fields are {names:.120}; add it to every line.")


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the lines of a JSONL file; blank ones are none. At least one has to be there."""
    rows = 0
    check_regular(path)
    try:
        with open(path, "rb", buffering=_BUFFER) as file:
            for number, line in enumerate(lines_of(path, file), 1):
                if line.strip() and line != _BOM:
                    rows += 1
                    yield _row(f"{path}, line {number}", line.removeprefix(_BOM))
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); give a JSONL file of responses."
        ) from error
    if not rows:
        raise UserError(f"{path}: is empty; give a JSONL file with a response a line.")


def _row(where: str, line: bytes) -> Row:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        fault = error.msg.split(": line")[0]
        raise UserError(
            f"{where}: is no JSON ({fault}, column {error.colno}); write one object a line."
        ) from error
    if not isinstance(fields, dict):
        raise UserError(f"{where}: is {_NAMES[type(fields)]}; write one object a line.")
    return Row(where, fields)
