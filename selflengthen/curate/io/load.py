"""Open a data set by name."""

from __future__ import annotations

import re
from pathlib import Path

from selflengthen.curate.io.columns import FieldNames
from selflengthen.curate.io.rows import Rows, Source
from selflengthen.errors import UserError
from selflengthen.inputs.user_files import check_regular, looked_in

_NAME = re.compile(r"(?P<path>.+?)(:(?P<split>[\w.-]+))?")
_HUB = re.compile(r"[A-Za-z0-9_][\w.-]*/[\w.-]+", re.ASCII)
_LINES = {".jsonl", ".ndjson", ".json"}


def open_rows(name: str, named: FieldNames | None = None) -> Rows:
    """Return all rows of a data set.

    `name` is a JSONL or Parquet file, a folder written by `save_to_disk`, or a hub data set; the
    last two may end in `:SPLIT` (default: `train`). Raises UserError.
    """
    return Rows.of(_open(name, named or FieldNames()))


def open_beside(name: str, named: FieldNames) -> Rows:
    """Return all rows of a second data set; `named` are the fields named for the first.

    If it lacks those fields, its own are detected. Raises UserError.
    """
    if named == FieldNames():
        return open_rows(name)
    try:
        return open_rows(name, named)
    except UserError:
        return open_rows(name)


def _open(name: str, named: FieldNames) -> Source:
    path, split = Path(name), None
    if not path.exists() and (parts := _NAME.fullmatch(name)):
        path, split = Path(parts["path"]), parts["split"]
    check_regular(path)
    if path.is_file():
        if path.suffix == ".parquet":
            from selflengthen.curate.io.tables import Parquet

            return Parquet(path, named)
        from selflengthen.curate.io.jsonl import Jsonl

        return Jsonl(path, named)
    from selflengthen.curate.io.tables import load_from_hub, open_saved

    if path.is_dir():
        return open_saved(path, split, named)
    if _HUB.fullmatch(str(path)) and path.suffix not in {*_LINES, ".parquet"}:
        return load_from_hub(str(path), split, named)
    raise UserError(
        f"{name}: no such data set{looked_in(path)}; give a JSONL or Parquet file, a folder "
        "written by save_to_disk, or a hub data set (owner/name)."
    )
