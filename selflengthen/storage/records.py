"""The record: one text that a round made, and where it came from.

A file of records is JSONL. Accepted texts stand in `records.jsonl`, rejected attempts in
`rejected.jsonl`; `seconds` is the only field that differs between two runs of the same seed.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec


class Record(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """An accepted text.

    Attributes:
        id: round, stage, item and try, as in `r02-expand-00017-1-0`.
        source: the id of the record or seed that it was made from.
        text: the text itself.
        attempts: how many attempts it took, this one included.
        words: the length by `text.word_count`.
        tokens: tokens generated over all attempts.
        seed: the seed of the accepted attempt.
        finish_reason: how the engine ended the last request.
        seconds: wall time over all attempts.
        dropped: why a settled stage set it aside (`lot`, `duplicate`), or None.
        details: what only this stage knows (an expansion: words after each pass, and, by section,
            its `RewrittenPart`s).
    """

    id: str
    source: str | None
    text: str
    attempts: Annotated[int, msgspec.Meta(ge=1)]
    words: int
    tokens: int
    seed: int
    finish_reason: str
    seconds: float
    dropped: str | None = None
    details: dict[str, Any] = {}


class Rejection(msgspec.Struct, kw_only=True, frozen=True):
    """A rejected attempt, with its reason of a word or two; `last` ends the item without a text."""

    id: str
    source: str | None
    attempt: int
    reason: str
    text: str
    words: int
    tokens: int
    seed: int
    finish_reason: str
    seconds: float
    last: bool = False


class RewrittenPart(msgspec.Struct, kw_only=True, frozen=True):
    """A part of a text that the expander rewrote, in `details` of an expansion by section.

    Attributes:
        number: of the part, from 1.
        total: parts of the text.
        before: the end of what was written before it; may be empty.
        part: the part as it was.
        after: how the parts after it begin, a line each; may be empty.
        text: the part as it was rewritten.
    """

    number: int
    total: int
    before: str
    part: str
    after: str
    text: str


class Instruction(msgspec.Struct, kw_only=True, frozen=True):
    """A held-out instruction; the texts that answer it have its id as their `source`."""

    id: str
    instruction: str


class Pair(msgspec.Struct, kw_only=True, frozen=True):
    """An instruction and a text that answers it, with where both come from.

    Attributes:
        id: of the text: an expansion of a round, or a draft that was collected after the last.
        round: the round that made it; None where it was collected.
        instruction_id: of the instruction.
        instruction: the instruction as it was answered.
        response: the text.
        words: its length by `text.word_count`.
    """

    id: str
    round: int | None
    instruction_id: str
    instruction: str
    response: str
    words: int


class Row(msgspec.Struct, kw_only=True, frozen=True):
    """A training row in the prompt-completion form of TRL.

    Its id is that of its text, or `text_of_row` leads to it: a row of a part has one of its own.
    """

    id: str
    prompt: list[dict[str, str]]
    completion: list[dict[str, str]]


class FinalRow(msgspec.Struct, kw_only=True, frozen=True):
    """A row of the last data set: a training row as above, and where it comes from.

    Attributes:
        id, round, instruction_id, words: as in `Pair`.
        kind: of the demand: about, range, above, below.
        low, high: the numbers that it names, None where it names none.
        unit: what they count: words, or characters (字; they are counted as words).
        by: who wrote the demand: engine, template, or the instruction itself.
    """

    id: str
    prompt: list[dict[str, str]]
    completion: list[dict[str, str]]
    round: int | None
    instruction_id: str
    kind: str
    low: int | None
    high: int | None
    unit: str
    words: int
    by: str


_OF_PART = "/part-"


def part_row(name: str, place: int) -> str:
    """Return the id of a row made of a part of text `name`: of all its rewritten parts, which."""
    return f"{name}{_OF_PART}{place:02d}"


def text_of_row(name: str) -> str:
    """Return the id of the text that a row was made of: its own, but for that of a part."""
    return name.partition(_OF_PART)[0]


def turn(number: int | None) -> str:
    """Begin an id: `r02` in round 2, `final` in what comes after the last (None)."""
    return "final" if number is None else f"r{number:02d}"


def encode(record: msgspec.Struct) -> bytes:
    """Return one JSON line."""
    return msgspec.json.encode(record) + b"\n"


def derive_seed(*parts: object) -> int:
    """Derive a 31-bit seed from parts (run seed, id, attempt, …), equal on every machine."""
    return int.from_bytes(fingerprint(parts)[:4], "big") >> 1


def fingerprint(value: object) -> bytes:
    """Hash a plain value by its canonical JSON."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).digest()
