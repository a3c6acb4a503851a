"""Instructions of the user: from a JSONL file, a shipped set, or a data set on the hub.

A line is an object with the instruction in a field and, optionally, `id` and `kind`; or it is a
bare JSON string. An instruction is data: whatever it contains, it is never changed.

`load` reads seeds, from which the model writes instructions; `load_source` reads instructions that
take the place of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from selflengthen.errors import UserError
from selflengthen.inputs import prompts
from selflengthen.inputs.user_files import check_regular, lines_of

_HUB = re.compile(r"(?P<name>[A-Za-z0-9_][\w.-]*/[\w.-]+)(:(?P<split>[\w.-]+))?", re.ASCII)
_FILE_SUFFIXES = {".json", ".jsonl", ".ndjson", ".txt", ".csv", ".parquet", ".yaml", ".yml"}
_BOM = b"\xef\xbb\xbf"

SHIPPED = "shipped"
"""Stands for the shipped set of a run's language."""
SOURCE_FIELDS = ("instruction", "prompt", "messages")
"""Fields in which data sets have their instructions; the first that a row has counts."""
_INPUT = "input"  # of Alpaca's form: what the instruction is about


@dataclass(frozen=True)
class Seed:
    """An instruction to start from; `kind` is the kind of writing it asks for, if known."""

    id: str
    instruction: str
    kind: str | None = None


Fields = tuple[str, ...]
"""Fields that may have the instruction, in the order in which they are looked for."""


def load(source: str | Path, field: str = "instruction") -> list[Seed]:
    """Read seeds, at least two.

    Args:
        source: a JSONL file, a shipped set ("en", "zh", "pocket", "held-out-en", ...), or a data
            set on the Hugging Face hub, "owner/name" or "owner/name:split" (default split: train).
        field: the field of a line or row that has the instruction.

    Raises:
        UserError: If a seed cannot be used; names the file and the line.
    """
    seeds = _read(source, (field,))
    if len(seeds) < 2:
        fault = "has only one seed" if seeds else "is empty"
        raise UserError(
            f"{source}: {fault}; at least two seeds are needed, because each attempt shows two."
        )
    return seeds


def load_source(source: str | Path, field: str | None = None) -> list[Seed]:
    """Read instructions to answer as they are, at least one.

    Args:
        source: as for `load`.
        field: the field that has the instruction, or chat turns of which the user's first is it.
            None: the first of `SOURCE_FIELDS` that a row has; an `input` next to an `instruction`
            belongs to it, after a blank line.

    Raises:
        UserError: If an instruction cannot be used; names the file and the line.
    """
    seeds = _read(source, (field,) if field else SOURCE_FIELDS)
    if not seeds:
        raise UserError(f"{source}: is empty; write one instruction per line.")
    return seeds


def _read(source: str | Path, fields: Fields) -> list[Seed]:
    path = Path(source)
    if path.exists() and not path.is_dir():
        return _collect(path, _lines(path), fields)
    if isinstance(source, str) and source in shipped():
        return _collect(source, _lines(shipped()[source]), fields)
    if hub := _hub_id(source):
        return _collect(source, _rows(hub["name"], hub["split"] or "train", fields), fields)
    fault = "is a folder, not a seeds file" if path.is_dir() else "no such seeds file"
    raise UserError(
        f"{source}: {fault}; give a JSONL file, a data set owner/name of the Hugging Face hub, "
        f"or one of {', '.join(shipped())}."
    )


def _hub_id(source: str | Path) -> re.Match[str] | None:
    """Match the name of a data set; a path, or a name with the suffix of a file, is none."""
    if not isinstance(source, str) or Path(source).suffix.lower() in _FILE_SUFFIXES:
        return None
    return _HUB.fullmatch(source)


def shipped() -> dict[str, Path]:
    """Return the shipped sets by name."""
    return {path.stem: path for path in sorted((prompts.root() / "seeds").glob("*.jsonl"))}


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the place and the value of each line of a JSONL file, skipping blank lines."""
    check_regular(path)
    try:
        with open(path, "rb") as file:
            # Only "\n" ends a line: a JSON string may contain Unicode's other line breaks.
            for number, line in enumerate(lines_of(path, file), start=1):
                text = line.removeprefix(_BOM) if number == 1 else line
                if text.strip():
                    yield f"line {number}", _parse(f"{path}, line {number}", text)
    except OSError as error:
        raise UserError(
            f"{path}: cannot read this seeds file ({error.strerror}); give a readable JSONL file."
        ) from error


def _parse(where: str, line: bytes) -> Any:
    try:
        return orjson.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(
            f"{where}: is not UTF-8 (byte {error.start} of the line); save the file as UTF-8."
        ) from error
    except orjson.JSONDecodeError as error:
        fault = error.msg.split(": line")[0]
        raise UserError(
            f"{where}: is not valid JSON ({fault}, column {error.colno}); "
            f"write one JSON object or string per line."
        ) from error


def _rows(name: str, split: str, fields: Fields) -> Iterator[tuple[str, Any]]:
    """Yield the place and the needed columns of each row of a data set."""
    where = f"{name}, split {split!r}"
    try:
        from datasets import load_dataset

        data = load_dataset(name, split=split)
        columns = list(data.column_names)
        has_field = not set(fields).isdisjoint(columns)
        if has_field:  # the others, which may be images, are never decoded
            read = {*fields, _INPUT, "id", "kind"}
            data = data.select_columns([c for c in columns if c in read])
    except Exception as error:  # the hub, the network, the disk, a data set's own loader
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"{where}: is not a file, and loading it as a data set from the Hugging Face hub "
            f"failed ({reason:.200}); check the name, the split, the network and your access, "
            f"or give a JSONL file."
        ) from error
    if not has_field:
        option = " with instruct.field" if fields == SOURCE_FIELDS else ""
        raise UserError(
            f"{where}: has no column {_any_of(fields)}; choose one of {', '.join(columns)}{option}."
        )
    yield from ((f"row {number}", row) for number, row in enumerate(data, start=1))


def _collect(source: str | Path, values: Iterable[tuple[str, Any]], fields: Fields) -> list[Seed]:
    """Check all values and return them as seeds with unique ids."""
    seeds: list[Seed] = []
    places: dict[str, str] = {}
    for place, value in values:
        seed = _seed(f"{source}, {place}", place, value, fields)
        if seed.id in places:
            raise UserError(
                f"{source}, {place}: field 'id': {seed.id!r:.80} is already the id of "
                f"{places[seed.id]}; give each seed a unique id."
            )
        places[seed.id] = place
        seeds.append(seed)
    return seeds


def _seed(where: str, place: str, value: Any, fields: Fields) -> Seed:
    row = {fields[0]: value} if isinstance(value, str) else value
    if not isinstance(row, Mapping):
        raise UserError(f"{where}: is neither an object nor a string; write one of these per line.")
    present = [name for name in fields if name in row]
    field = next((name for name in present if row[name] is not None), *present[:1] or fields[:1])
    instruction = row.get(field)
    if isinstance(instruction, list) and any(isinstance(turn, Mapping) for turn in instruction):
        instruction = _first_request(where, field, instruction)
    if not isinstance(instruction, str) or not instruction.strip():
        if not present:
            option = " with instruct.field" if fields == SOURCE_FIELDS else ""
            raise UserError(
                f"{where}: has no field {_any_of(fields)}; add it, or name the field that has the "
                f"instruction{option} ({_fields(row)})."
            )
        fault = "is blank" if isinstance(instruction, str) else "is not a string"
        raise UserError(f"{where}: field {field!r} {fault}; write the instruction there.")
    about = row.get(_INPUT) if (fields, field) == (SOURCE_FIELDS, "instruction") else None
    if isinstance(about, str) and about.strip():
        instruction = f"{instruction}\n\n{about}"
    seed_id = row.get("id")
    if seed_id is not None and (isinstance(seed_id, bool) or not isinstance(seed_id, str | int)):
        raise UserError(f"{where}: field 'id' must be a string or a whole number.")
    if seed_id is None or seed_id == "":
        seed_id = place.replace(" ", "-")
    kind = row.get("kind")
    return Seed(str(seed_id), instruction, kind if isinstance(kind, str) else None)


def _first_request(where: str, field: str, turns: list[Any]) -> str:
    """Return the user's first turn of a chat."""
    for turn in turns:
        if isinstance(turn, Mapping) and turn.get("role") == "user":
            content = turn.get("content")
            if isinstance(content, str) and content.strip():
                return content
            break
    raise UserError(
        f"{where}: field {field!r} has no turn with role 'user' and a text as its content; write "
        "the instruction there."
    )


def _any_of(fields: Fields) -> str:
    *others, last = map(repr, fields)
    return f"{', '.join(others)} or {last}" if others else last


def _fields(row: Mapping[str, Any]) -> str:
    names = ", ".join(map(repr, row))
    return f"it has {names:.120}" if names else "it has no fields at all"
