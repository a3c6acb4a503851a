"""Reads files of responses: JSONL with one object per line.

A line that cannot be used raises a UserError with file, line and field; no line is skipped.
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

_BUFFER = 1 << 20  # bytes; responses are long
_BOM = b"\xef\xbb\xbf"
_TYPE_NAMES: dict[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """A line of a file: where it is, for error messages, and its fields."""

    where: str
    fields: Mapping[str, Any]

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def text(self, name: str) -> str:
        """Return a required text field."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            self._fail_type(name, "a text")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a text field, or None if it is missing or null."""
        return None if self.fields.get(name) is None else self.text(name)

    def one_of(self, name: str, *choices: str) -> str:
        """Return a text field that must be one of `choices`."""
        value = self.text(name)
        if value not in choices:
            self.fail(f"field {name!r} is {value!r:.40}; it must be one of {', '.join(choices)}.")
        return value

    def length(self, name: str) -> float:
        """Return a number field that must be above 0."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._fail_type(name, "a number above 0")
        if not 0 < value < math.inf:
            self.fail(f"field {name!r} is {value}; it must be a number above 0.")
        return value

    def fail(self, fault: str) -> NoReturn:
        """Raise a UserError that begins with the file and line of the row."""
        raise UserError(f"{self.where}: {fault}")

    def _fail_type(self, name: str, expected: str) -> NoReturn:
        if name in self.fields:
            actual = _TYPE_NAMES[type(self.fields[name])]
            self.fail(f"field {name!r} is {actual}; it must be {expected} in every line.")
        names = ", ".join(map(repr, self.fields)) or "none"
        self.fail(f"has no field {name!r} (its fields: {names:.120}); add it to every line.")


def read_rows(path: Path) -> Iterator[ResponseRow]:
    """Yield the rows of a JSONL file, skipping blank lines.

    Raises:
        UserError: If the file cannot be read, has no rows, or a line is not a JSON object.
    """
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
        raise UserError(f"{path}: is empty; give a JSONL file with one response per line.")


def _row(where: str, line: bytes) -> ResponseRow:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        fault = error.msg.split(": line")[0]
        raise UserError(
            f"{where}: is not valid JSON ({fault}, column {error.colno}); write one object per "
            "line."
        ) from error
    if not isinstance(fields, dict):
        raise UserError(f"{where}: is {_TYPE_NAMES[type(fields)]}; write one object per line.")
    return ResponseRow(where, fields)
