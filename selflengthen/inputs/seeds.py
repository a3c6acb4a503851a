"""Seed instructions: from a JSONL file, from the shipped sets, or from a data set on the hub.

A line is an object with a field that holds the instruction and, if wanted, `id` and `kind`; or it
is a bare JSON string. An instruction is data: whatever it holds, it stays exactly as it is.
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


@dataclass(frozen=True)
class Seed:
    """An instruction to start from; `kind` is the kind of writing it asks for, where known."""

    id: str
    instruction: str
    kind: str | None = None


def load(source: str | Path, field: str = "instruction") -> list[Seed]:
    """Read the seeds that `source` names, at least two.

    `source` is a JSONL file, a shipped set ("en", "zh", "pocket", "held-out-en", ...), or a data
    set "owner/name" or "owner/name:split" of the Hugging Face hub (split "train" where none is
    named). `field` is where an instruction stands in a line or row. Raises UserError, which names
    the file and the line.
    """
    path = Path(source)
    if path.exists() and not path.is_dir():
        seeds = _collect(path, _lines(path), field)
    elif isinstance(source, str) and source in shipped():
        seeds = _collect(source, _lines(shipped()[source]), field)
    elif hub := _hub_id(source):
        seeds = _collect(source, _rows(hub["name"], hub["split"] or "train", field), field)
    else:
        fault = "is a folder, no seeds file" if path.is_dir() else "no such seeds file"
        raise UserError(
            f"{source}: {fault}; give a JSONL file, a data set owner/name of the Hugging Face hub, "
            f"or one of {', '.join(shipped())}."
        )
    if len(seeds) < 2:
        found = "one seed" if seeds else "no seeds: it is empty"
        raise UserError(
            f"{source}: holds {found}; at least two are needed, since every attempt shows two."
        )
    return seeds


def _hub_id(source: str | Path) -> re.Match[str] | None:
    """Match a name that can be a data set's; a path, or what ends like a file, never is."""
    if not isinstance(source, str) or Path(source).suffix.lower() in _FILE_SUFFIXES:
        return None
    return _HUB.fullmatch(source)


def shipped() -> dict[str, Path]:
    """Return the shipped sets by name."""
    return {path.stem: path for path in sorted((prompts.root() / "seeds").glob("*.jsonl"))}


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield (place, value) of each line of a JSONL file; blank lines are passed over."""
    check_regular(path)
    try:
        with open(path, "rb") as file:
            # Lines end with "\n" alone: Unicode's other line breaks may stand in a JSON string.
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
            f"{where}: is no JSON ({fault}, column {error.colno}); "
            f"write one JSON object or string a line."
        ) from error


def _rows(name: str, split: str, field: str) -> Iterator[tuple[str, Any]]:
    """Yield (place, row) of a data set, with the columns that matter alone."""
    where = f"{name}, split {split!r}"
    try:
        from datasets import load_dataset

        data = load_dataset(name, split=split)
        columns = list(data.column_names)
        if field in columns:  # other columns may be images or worse: never decoded
            data = data.select_columns([c for c in columns if c in {field, "id", "kind"}])
    except Exception as error:  # the hub, the network, the disk, a data set's own loader
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"{where}: is no file here, and loading it as a data set of the Hugging Face hub "
            f"failed ({reason:.200}); check the name, the split, the network and your access, "
            f"or give a JSONL file."
        ) from error
    if field not in columns:
        raise UserError(
            f"{where}: has no column {field!r}; name the field to read, "
            f"one of {', '.join(columns)}."
        )
    yield from ((f"row {number}", row) for number, row in enumerate(data, start=1))


def _collect(source: str | Path, values: Iterable[tuple[str, Any]], field: str) -> list[Seed]:
    """Check every value and make it a seed; ids are unique."""
    seeds: list[Seed] = []
    places: dict[str, str] = {}
    for place, value in values:
        seed = _seed(f"{source}, {place}", place, value, field)
        if seed.id in places:
            raise UserError(
                f"{source}, {place}: field 'id': {seed.id!r:.80} is that of {places[seed.id]} too; "
                f"give every seed an id of its own."
            )
        places[seed.id] = place
        seeds.append(seed)
    return seeds


def _seed(where: str, place: str, value: Any, field: str) -> Seed:
    row = {field: value} if isinstance(value, str) else value
    if not isinstance(row, Mapping):
        raise UserError(f"{where}: is neither an object nor a string; write one of them a line.")
    instruction = row.get(field)
    if not isinstance(instruction, str) or not instruction.strip():
        if field not in row:
            raise UserError(
                f"{where}: has no field {field!r}; add it, or name the field that holds the "
                f"instruction ({_some(row)})."
            )
        fault = "is blank" if isinstance(instruction, str) else "is no string"
        raise UserError(f"{where}: field {field!r} {fault}; write the instruction there.")
    given, kind = row.get("id"), row.get("kind")
    if given is not None and (isinstance(given, bool) or not isinstance(given, str | int)):
        raise UserError(f"{where}: field 'id' must be a string or a whole number.")
    # A seed without an id is known by its place.
    name = place.replace(" ", "-") if given is None or given == "" else str(given)
    return Seed(name, instruction, kind if isinstance(kind, str) else None)


def _some(row: Mapping[str, Any]) -> str:
    names = ", ".join(map(repr, row))
    return f"it has {names:.120}" if names else "it has no fields at all"
