"""Files that are there whole or not at all, whatever is killed meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from selflengthen.errors import UserError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside a file; what is written there takes its place in the end.

    It is on the disk before it takes the name. Where the body raises, the file stays as it was. Its
    folder is made, but none above it: a run that was moved away must not begin anew where it was.
    """
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)  # a write that fails does not know where
        raise


def rewrite(path: Path, lines: Iterable[bytes]) -> None:
    """Replace a file as a whole."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(lines)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file for people, as a whole."""
    text = json.dumps(value, indent=1, ensure_ascii=False, sort_keys=False)
    rewrite(path, [text.encode() + b"\n"])


def read_json(path: Path) -> Any:
    """Read a JSON file, or return None where there is none."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None


def check_folder(path: Path, option: str) -> None:
    """Raise UserError where a folder is to be and it, or what is above it, is a file."""
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise UserError(f"{place}: is a file; name a folder with {option}.")


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
