"""Files that are written completely or not at all, even through a kill."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from selflengthen.errors import DamagedFile, UserError, naming
from selflengthen.storage.records import fingerprint

RESTORE = "restore the file"
"""The remedy for a damaged file where nothing better is known."""
_SEAL = "digest"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside a file; at the end, what was written there replaces the file.

    It is on the disk before it takes the name. If the body raises, the file stays as it was. Its
    folder is created, but none above it: a run that was moved away must not reappear where it was.
    """
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with naming(path):
            yield temporary
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
    except OSError as error:
        if error.filename in (temporary, str(temporary)):  # a name that nobody knows
            error.filename = str(path)
        raise


def rewrite(path: Path, lines: Iterable[bytes]) -> None:
    """Replace a file by these lines."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(lines)


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file, indented for people.

    File names may have bytes that are not UTF-8: lone surrogates in Python, escaped here.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, sort_keys=False)
    rewrite(path, [text.encode("utf-8", "backslashreplace") + b"\n"])


def read_json(path: Path, remedy: str = RESTORE) -> Any:
    """Read a JSON file, or return None where there is none.

    Raises DamagedFile for one that holds no JSON, naming it; `remedy` says what to do about it.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise misplaced(path, remedy, error) from error
    except (ValueError, RecursionError) as error:  # no JSON, or no UTF-8
        raise DamagedFile(path, "it is not valid JSON", remedy) from error


def write_sealed(path: Path, value: Mapping[str, object]) -> None:
    """Write a JSON object with its own digest, so that a later change is noticed."""
    write_json(path, {**value, _SEAL: fingerprint(value).hex()})


def read_sealed(path: Path, remedy: str = RESTORE) -> dict[str, object] | None:
    """Read what `write_sealed` wrote, without the digest; None where there is no file.

    A file without a digest is read as it is: earlier versions wrote none. Raises DamagedFile
    for one that was changed since.
    """
    value = read_json(path, remedy)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise DamagedFile(path, "it is not a JSON object", remedy)
    seal = value.pop(_SEAL, None)
    if seal is not None and seal != fingerprint(value).hex():
        raise DamagedFile(path, "it was changed after it was written", remedy)
    return value


def misplaced(path: Path, remedy: str, error: OSError) -> Exception:
    """Return the error for a folder in a file's place, or a file in a folder's; else `error`."""
    if isinstance(error, IsADirectoryError):
        return DamagedFile(path, "there is a folder where a file belongs", remedy)
    if isinstance(error, NotADirectoryError):
        return DamagedFile(path, "a folder above it is a file", remedy)
    return error


def check_folder(path: Path, option: str) -> None:
    """Raise UserError where a folder is to be and it, or what is above it, is a file."""
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise UserError(f"{place}: is a file; name a folder with {option}.")


def check_new(path: Path, option: str) -> None:
    """Raise UserError where an output is to be and something exists."""
    if path.exists():
        raise UserError(f"{path} already exists; move it away, or give another {option}.")


def check_new_file(out: Path) -> None:
    """Raise UserError if `--out` exists already, or its folder does not."""
    check_new(out, "--out")
    if not out.parent.is_dir():
        raise UserError(f"{out.parent}: no such folder; create it, or give another --out.")


def sync(path: Path) -> None:
    """Force a file or a folder to disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
