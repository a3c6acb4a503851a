"""Opens a data set by its name."""

from __future__ import annotations

import re
from pathlib import Path

from selflengthen.curate.io.columns import Asked
from selflengthen.curate.io.rows import Rows, Source
from selflengthen.errors import UserError
from selflengthen.inputs.user_files import check_regular

_NAME = re.compile(r"(?P<path>.+?)(:(?P<split>[\w.-]+))?")
_HUB = re.compile(r"[A-Za-z0-9_][\w.-]*/[\w.-]+", re.ASCII)
_LINES = {".jsonl", ".ndjson", ".json"}


def open_rows(name: str, asked: Asked | None = None) -> Rows:
    """Return all rows of a data set.

    `name` is a JSONL or Parquet file, a folder that `datasets` saved, or a data set of the hub;
    the latter two may be followed by `:SPLIT` (`train` where none is named). Raises UserError.
    """
    return Rows.of(_open(name, asked or Asked()))


def open_beside(name: str, asked: Asked) -> Rows:
    """Return all rows of a set that is used with another, for which fields were named.

    Where it does not have those, its own are found. Raises UserError.
    """
    if asked == Asked():
        return open_rows(name)
    try:
        return open_rows(name, asked)
    except UserError:
        return open_rows(name)


def _open(name: str, asked: Asked) -> Source:
    path, split = Path(name), None
    if not path.exists() and (parts := _NAME.fullmatch(name)):
        path, split = Path(parts["path"]), parts["split"]
    check_regular(path)
    if path.is_file():
        if path.suffix == ".parquet":
            from selflengthen.curate.io.tables import Parquet

            return Parquet(path, asked)
        from selflengthen.curate.io.jsonl import Jsonl

        return Jsonl(path, asked)
    from selflengthen.curate.io.tables import fetched, saved

    if path.is_dir():
        return saved(path, split, asked)
    if _HUB.fullmatch(str(path)) and path.suffix not in {*_LINES, ".parquet"}:
        return fetched(str(path), split, asked)
    raise UserError(
        f"{name}: no such data set; give a JSONL or Parquet file, a folder written by "
        "save_to_disk, or a data set owner/name of the hub."
    )
