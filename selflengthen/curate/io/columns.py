"""Which fields of a row are its prompt and its response.

A text is a string, or a list of chat turns whose contents are joined by blank lines. A prompt may
stand in several fields (Alpaca: `instruction` and `input`); those after the first may be empty.
Where a row is a list of turns as a whole, the response is the last one and the prompt the others.
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
    (bool, "true or false"), (int | float, "a number"), (str, "a text"), (type(None), "null"),
    (Mapping, "an object"), (list, "a list"),
)  # fmt: skip


class Fault(Exception):
    """What is wrong with a row, to follow the name of its place."""


@dataclass(frozen=True)
class Asked:
    """The fields that a user named; empty ones are looked for."""

    prompt: str = ""
    response: str = ""
    messages: str = ""


@dataclass(frozen=True)
class Fields:
    """Where prompt and response stand. Either `messages` or the other two are named.

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
        """Return prompt and response of a row; raises Fault where it has none."""
        if not isinstance(row, Mapping):
            raise Fault(f"is {_kind(row)}, not an object")
        if self.messages:
            return _parted(_value(row, self.messages), self.messages)
        first, *others = self.prompt
        parts = [_text(_value(row, first), first)]
        parts += [_text(row.get(name) or "", name) for name in others]
        prompt = "\n\n".join(part for part in parts if part)
        return prompt, _text(_value(row, self.response), self.response)

    def made(self, prompt: str, response: str) -> dict[str, Any]:
        """Return a row of these fields alone."""
        user, assistant = [{"role": "user", "content": prompt}], {"role": "assistant"}
        answer = [{**assistant, "content": response}]
        if self.messages:
            return {self.messages: user + answer}
        first, *others = self.prompt
        row: dict[str, Any] = {first: user if self.turns else prompt} | dict.fromkeys(others, "")
        return row | {self.response: answer if self.turns else response}

    def replaced(self, row: Mapping[str, Any], response: str) -> dict[str, Any]:
        """Return a row of such a set with another response, and all else as it is."""
        if self.messages:
            *before, last = row[self.messages]
            return {**row, self.messages: [*before, {**last, "content": response}]}
        if not isinstance(row[self.response], list):
            return {**row, self.response: response}
        turn = (row[self.response] or [{"role": "assistant"}])[-1]
        return {**row, self.response: [{**turn, "content": response}]}


def find(name: str, row: Any, asked: Asked) -> Fields:
    """Return the fields of a set by its first row; raises UserError where that is not clear."""
    if not isinstance(row, Mapping):
        raise UserError(f"{name}: its first row is {_kind(row)}; rows are objects with fields.")
    if asked.messages:
        if asked.prompt or asked.response:
            raise UserError("--messages-field: holds prompt and response; name no field of those.")
        _present(name, row, [asked.messages], "--messages-field")
        return Fields(messages=asked.messages)
    _present(name, row, asked.prompt.split(",") if asked.prompt else (), "--prompt-field")
    _present(name, row, [asked.response] if asked.response else (), "--response-field")
    pairs = _pairs(row, asked)
    if MESSAGES in row and asked == Asked():
        if not pairs:
            return Fields(messages=MESSAGES)
        pairs.append((MESSAGES, ""))
    if len(pairs) > 1:
        ways = " or ".join(" and ".join(filter(None, pair)) for pair in pairs)
        raise UserError(
            f"{name}: its prompt and response may be {ways}; say which, with --prompt-field and "
            "--response-field or with --messages-field."
        )
    if not pairs:
        raise UserError(_nothing(name, row, asked))
    prompt, response = pairs[0]
    return Fields(tuple(prompt.split(",")), response, turns=isinstance(row[response], list))


def _pairs(row: Mapping[str, Any], asked: Asked) -> list[tuple[str, str]]:
    """Return the pairs of fields that a row has; without those that are part of a larger prompt."""
    known = [(asked.prompt or p, asked.response or r) for p, r in KNOWN]
    pairs = [(p, r) for p, r in dict.fromkeys(known) if _split(p) <= row.keys() and r in row]
    return [pair for pair in pairs if not _within(pair, pairs)]


def _split(names: str) -> set[str]:
    return set(names.split(","))


def _within(pair: tuple[str, str], others: Iterable[tuple[str, str]]) -> bool:
    """Whether another pair has the same response and more of the prompt."""
    return any(r == pair[1] and _split(pair[0]) < _split(p) for p, r in others)


def _nothing(name: str, row: Mapping[str, Any], asked: Asked) -> str:
    """Say which of the two was not found."""
    missing = "prompt" if asked.response else "response"
    known = dict.fromkeys(pair[missing == "response"] for pair in KNOWN)
    if not asked.response and not any(n in row for n in known):
        return (
            f"{name}: has no response (none of {', '.join(known)}, {MESSAGES}); {_its(row)}; name "
            "the field with --response-field."
        )
    return (
        f"{name}: has no prompt for its response; {_its(row)}; name both fields with "
        "--prompt-field and --response-field."
    )


def _present(name: str, row: Mapping[str, Any], fields: Iterable[str], option: str) -> None:
    for field in fields:
        if field not in row:
            raise UserError(f"{name}: has no field {field!r} ({option}); {_its(row)}.")


def _its(row: Mapping[str, Any]) -> str:
    listed = ", ".join(map(repr, row))
    return f"it has {listed:.200}" if listed else "it has no fields at all"


def _value(row: Mapping[str, Any], field: str) -> Any:
    if field not in row:
        raise Fault(f"has no field {field!r}; {_its(row)}")
    return row[field]


def _text(value: Any, field: str) -> str:
    if isinstance(value, str):
        return value
    return "\n\n".join(content for _, content in _turns(value, field))


def _turns(value: Any, field: str) -> list[tuple[str, str]]:
    if not isinstance(value, list):
        raise Fault(f"field {field!r} is {_kind(value)}, not a text")
    turns = []
    for place, turn in enumerate(value, 1):
        role, content = (
            (turn.get("role"), turn.get("content")) if isinstance(turn, Mapping) else (None, None)
        )
        if not isinstance(role, str) or not isinstance(content, str):
            raise Fault(f"field {field!r}: turn {place} has no role and content that are texts")
        turns.append((role, content))
    return turns


def _parted(value: Any, field: str) -> tuple[str, str]:
    turns = _turns(value, field)
    if not turns or turns[-1][0] != "assistant":
        raise Fault(f"field {field!r}: its last turn is not the assistant's")
    return "\n\n".join(content for _, content in turns[:-1]), turns[-1][1]


def _kind(value: Any) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), type(value).__name__)
