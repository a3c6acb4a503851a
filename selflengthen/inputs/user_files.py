"""Files that a user names: valid names, and reading without hanging or filling the memory.

Only regular files are read: a pipe would wait for a writer, a device may never end, and a run that
resumes must read the same content again.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from selflengthen.errors import UserError

MOST_TEXT = 1 << 20
"""The largest text file, such as a configuration or a prompt, in bytes."""
MOST_LINE = 1 << 24
"""The longest line of a JSONL file, in bytes."""
_HALF = re.compile("[\ud800-\udfff]")
_BYTE = re.compile("[\udc80-\udcff]")  # how Python represents a byte that it cannot decode
NAME_BYTES = 255
_PATH_BYTES = 4095
_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def name_fault(name: str) -> str | None:
    """Say why no file or folder can have this name; None if one can."""
    if not name:
        return "is empty"
    if fault := text_fault(_BYTE.sub("?", name)):
        return fault
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        encoding = sys.getfilesystemencoding()
        return f"the locale's encoding ({encoding}) cannot name this file; set LC_ALL=C.UTF-8"
    if len(encoded) > _PATH_BYTES or any(len(p) > NAME_BYTES for p in encoded.split(b"/")):
        return f"is too long for a file name (at most {NAME_BYTES} bytes between slashes)"
    return None


def text_fault(text: str) -> str | None:
    """Say why a text cannot be written to a file or passed to a process; None if it can."""
    if "\0" in text:
        return "contains a NUL character"
    half = _HALF.search(text)
    if half and _BYTE.fullmatch(half[0]):
        return f"contains bytes that are not {sys.getfilesystemencoding()}, the locale's encoding"
    return "contains half of a surrogate pair" if half else None


def looked_in(name: str | Path) -> str:
    """Say in which folder a relative name was looked up; nothing for an absolute one."""
    return "" if Path(name).is_absolute() else f" in {Path.cwd()}"


def check_regular(path: Path) -> None:
    """Raise UserError if the path exists and is neither a regular file nor a folder."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return  # opening it will raise the error
    for is_kind, kind in _KINDS:
        if is_kind(mode):
            raise UserError(f"{path}: is {kind}, not a file; save its content to a file first.")


def read_text(path: Path) -> str:
    """Read a text file; raises UserError if it is too large or not a regular file.

    Raises OSError and UnicodeDecodeError as `Path.read_text` does.
    """
    check_regular(path)
    with open(path, "rb") as file:
        content = file.read(MOST_TEXT + 1)
    if len(content) > MOST_TEXT:
        raise UserError(f"{path}: has over {MOST_TEXT:,} bytes; is this the right file?")
    # Line breaks become "\n", as in text mode.
    return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def lines_of(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of an open file; raises UserError for one that is too long."""
    for number, line in enumerate(iter(partial(file.readline, MOST_LINE + 1), b""), 1):
        if len(line) > MOST_LINE:
            raise UserError(
                f"{path}, line {number}: has over {MOST_LINE:,} bytes; write one object per line."
            )
        yield line
