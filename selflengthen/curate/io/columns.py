"""Which fields of a row are its prompt and its response.

A text is a string, or a list of chat turns whose contents are joined by blank lines. A prompt may
span several fields (Alpaca: `instruction` and `input`); those after the first may be empty. If a
row is one list of turns, the response is the last turn and the prompt is the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from selflengthen.errors import UserError

KNOWN = (
    ("prompt", "response"),
    ("prompt", "completion"),
    ("instruction,input", "output"),
    ("instruction", "output"),
    ("instruction", "response"),
)
MESSAGES = "messages"
_KINDS = (
    (bool, "true or false"),
    (int | float, "a number"),
    (str, "a text"),
    (type(None), "null"),
    (Mapping, "an object"),
    (list, "a list"),
)

JsonRow = dict[str, Any]
"""A user's row: it may have any fields."""


class RowFault(Exception):
    """What is wrong with a row; follows the file and line in a message."""


@dataclass(frozen=True)
class FieldNames:
    """The fields that a user named; empty ones are detected."""

    prompt: str = ""
    response: str = ""
    messages: str = ""


@dataclass(frozen=True)
class Fields:
    """Which fields hold prompt and response: either `messages`, or the other two.

    `turns`: the texts of the first row are lists of chat turns.
    """

    prompt: tuple[str, ...] = ()
    response: str = ""
    messages: str = ""
    turns: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All fields that are read."""
        return (self.messages,) if self.messages else (*self.prompt, self.response)

    def texts(self, row: Any) -> tuple[str, str]:
        """Return prompt and response of a row; raises RowFault for a row without them."""
        if not isinstance(row, Mapping):
            raise RowFault(f"is {_kind(row)}, not an object")
        if self.messages:
            return _split_turns(_value(row, self.messages), self.messages)
        first, *others = self.prompt
        parts = [_text(_value(row, first), first)]
        parts += [_text(row.get(name) or "", name) for name in others]
        prompt = "\n\n".join(part for part in parts if part)
        return prompt, _text(_value(row, self.response), self.response)

    def new_row(self, prompt: str, response: str) -> JsonRow:
        """Return a row with these fields only."""
        user = [{"role": "user", "content": prompt}]
        answer = [{"role": "assistant", "content": response}]
        if self.messages:
            return {self.messages: user + answer}
        first, *others = self.prompt
        row: JsonRow = {first: user if self.turns else prompt} | dict.fromkeys(others, "")
        return row | {self.response: answer if self.turns else response}

    def with_response(self, row: Mapping[str, Any], response: str) -> JsonRow:
        """Return a copy of the row with another response; all else stays."""
        if self.messages:
            *before, last = row[self.messages]
            return {**row, self.messages: [*before, {**last, "content": response}]}
        if not isinstance(row[self.response], list):
            return {**row, self.response: response}
        turn = (row[self.response] or [{"role": "assistant"}])[-1]
        return {**row, self.response: [{**turn, "content": response}]}


def find(name: str, row: Any, named: FieldNames) -> Fields:
    """Return the fields of a data set by its first row; raises UserError if they are not clear."""
    if not isinstance(row, Mapping):
        raise UserError(f"{name}: its first row is {_kind(row)}; rows are objects with fields.")
    if named.messages:
        if named.prompt or named.response:
            raise UserError(
                "--messages-field names prompt and response at once; leave --prompt-field and "
                "--response-field out."
            )
        _require(name, row, [named.messages], "--messages-field")
        return Fields(messages=named.messages)
    _require(name, row, named.prompt.split(",") if named.prompt else (), "--prompt-field")
    _require(name, row, [named.response] if named.response else (), "--response-field")
    pairs = _pairs(row, named)
    if MESSAGES in row and named == FieldNames():
        if not pairs:
            return Fields(messages=MESSAGES)
        pairs.append((MESSAGES, ""))
    if len(pairs) > 1:
        options = " or ".join(" and ".join(filter(None, pair)) for pair in pairs)
        raise UserError(
            f"{name}: prompt and response could be {options}; choose with --prompt-field and "
            "--response-field, or with --messages-field."
        )
    if not pairs:
        raise UserError(_missing_text(name, row, named))
    prompt, response = pairs[0]
    return Fields(tuple(prompt.split(",")), response, turns=isinstance(row[response], list))


def _pairs(row: Mapping[str, Any], named: FieldNames) -> list[tuple[str, str]]:
    """Return the pairs of fields that a row has; without those that are part of a larger prompt."""
    known = [(named.prompt or p, named.response or r) for p, r in KNOWN]
    pairs = [(p, r) for p, r in dict.fromkeys(known) if _split(p) <= row.keys() and r in row]
    return [pair for pair in pairs if not _within(pair, pairs)]


def _split(names: str) -> set[str]:
    return set(names.split(","))


def _within(pair: tuple[str, str], others: Iterable[tuple[str, str]]) -> bool:
    """Return whether another pair has the same response and more of the prompt."""
    return any(r == pair[1] and _split(pair[0]) < _split(p) for p, r in others)


def _missing_text(name: str, row: Mapping[str, Any], named: FieldNames) -> str:
    """Say which of prompt and response is missing, and how to name it."""
    missing = "prompt" if named.response else "response"
    known = dict.fromkeys(pair[missing == "response"] for pair in KNOWN)
    if not named.response and not any(n in row for n in known):
        return (
            f"{name}: has no response (none of {', '.join(known)}, {MESSAGES}); "
            f"{_fields_of(row)}; name the field with --response-field."
        )
    return (
        f"{name}: has no prompt for its response; {_fields_of(row)}; name both fields with "
        "--prompt-field and --response-field."
    )


def _require(name: str, row: Mapping[str, Any], fields: Iterable[str], option: str) -> None:
    for field in fields:
        if field not in row:
            raise UserError(f"{name}: has no field {field!r} ({option}); {_fields_of(row)}.")


def _fields_of(row: Mapping[str, Any]) -> str:
    listed = ", ".join(map(repr, row))
    return f"it has {listed:.200}" if listed else "it has no fields at all"


def _value(row: Mapping[str, Any], field: str) -> Any:
    if field not in row:
        raise RowFault(f"has no field {field!r}; {_fields_of(row)}")
    return row[field]


def _text(value: Any, field: str) -> str:
    if isinstance(value, str):
        return value
    return "\n\n".join(content for _, content in _turns(value, field))


def _turns(value: Any, field: str) -> list[tuple[str, str]]:
    """Return role and content of each turn."""
    if not isinstance(value, list):
        raise RowFault(f"field {field!r} is {_kind(value)}, not a text")
    turns = []
    for place, turn in enumerate(value, 1):
        role, content = (
            (turn.get("role"), turn.get("content")) if isinstance(turn, Mapping) else (None, None)
        )
        if not isinstance(role, str) or not isinstance(content, str):
            raise RowFault(f"field {field!r}: turn {place} lacks a `role` or `content` text")
        turns.append((role, content))
    return turns


def _split_turns(value: Any, field: str) -> tuple[str, str]:
    """Return the turns before the last as the prompt, and the last as the response."""
    turns = _turns(value, field)
    if not turns or turns[-1][0] != "assistant":
        raise RowFault(f"field {field!r}: its last turn is not the assistant's")
    return "\n\n".join(content for _, content in turns[:-1]), turns[-1][1]


def _kind(value: Any) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), type(value).__name__)
