"""The output of a curation: the rows it keeps, the rows it drops and why, and a report.

For `--out chosen.jsonl`: `chosen.dropped.jsonl`, `chosen.report.json` and, last of all,
`chosen.jsonl`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import orjson

from selflengthen.curate.io.jsonl import Jsonl
from selflengthen.curate.io.rows import AppliedStep, Dropped, Rows
from selflengthen.errors import UserError
from selflengthen.inputs.user_files import NAME_BYTES
from selflengthen.storage.atomic import check_new_file, replacing, rewrite, sync, write_json

_BATCH = 1000
LINES, PARQUET = (".jsonl", ".ndjson"), ".parquet"


class RowHead(msgspec.Struct, frozen=True, omit_defaults=True):
    """How our files identify a row.

    Attributes:
        row: its number in its data set, from 0.
        of: the name of that data set, if it is not the first.
        id: its own id, if it has one.
    """

    row: int
    of: str | None = None
    id: Any = None


def beside(out: Path, what: str) -> Path:
    """Return the path of a file that belongs to an output: `chosen.report.json`."""
    stem = out.stem if out.suffix in (*LINES, PARQUET) else out.name
    return out.with_name(f"{stem}.{what}")


def check_output(out: Path) -> None:
    """Raise UserError if `--out` exists, has no folder, or cannot be named so."""
    check_new_file(out)
    if len(os.fsencode(f".{beside(out, 'dropped.jsonl').name}.partial")) > NAME_BYTES:
        raise UserError(f"{out}: the names of the files next to it would be too long; shorten it.")
    if out.suffix and out.suffix not in (*LINES, PARQUET):
        raise UserError(
            f"{out}: --out must end in .jsonl or .parquet, or have no extension (a folder for "
            "load_from_disk)."
        )


def write_result(
    rows: Rows, *, applied: Sequence[AppliedStep], report: Mapping[str, Any], out: Path
) -> None:
    """Write what the steps dropped, the report and the rows; `out` never exists without the others.

    After a kill at any moment, the same command writes the same files again.
    """
    with _staged(rows, out):
        write_dropped(applied, out)
        write_report(report, out)


def write_set(rows: Rows, out: Path) -> None:
    """Write rows in the format of `out`, unchanged if that is the format of their data set.

    Leaves nothing behind if they cannot be written.
    """
    with _staged(rows, out):
        pass


@contextlib.contextmanager
def _staged(rows: Rows, out: Path) -> Iterator[None]:
    """Write rows to a temporary file next to `out`; rename it when the body has ended."""
    from_lines = isinstance(rows.sources[0], Jsonl)
    is_file = out.suffix in LINES or (out.suffix == PARQUET and not from_lines)
    partial, work = (out.with_name(f".{out.name}.{what}") for what in ("partial", "work"))
    try:
        for path in (partial, work):  # leftovers of a kill
            _remove(path)
        with _staged_file(rows, out) if is_file else _staged_table(rows, out, partial, work):
            yield
    finally:
        for path in (partial, work):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _staged_file(rows: Rows, out: Path) -> Iterator[None]:
    import pyarrow.parquet as pq

    with replacing(out) as temporary:
        if out.suffix == PARQUET:
            with pq.ParquetWriter(temporary, _schema(rows)) as writer:
                for table in _tables(rows):
                    writer.write_table(table)
        else:
            from_lines = isinstance(rows.sources[0], Jsonl)
            with temporary.open("wb") as file:
                file.writelines(rows.originals() if from_lines else _as_lines(rows, out))
        yield


@contextlib.contextmanager
def _staged_table(rows: Rows, out: Path, partial: Path, work: Path) -> Iterator[None]:
    """Convert JSONL to Parquet, or anything to a folder for `load_from_disk`."""
    work.mkdir()
    _convert(rows, out, work).rename(partial)
    _remove(work)
    for path in [partial, *partial.rglob("*")]:
        sync(path)
    yield
    partial.rename(out)
    sync(out.parent)


def write_dropped(applied: Sequence[AppliedStep], out: Path) -> None:
    """Write one line per dropped row: row, id, step, reason and its figure."""
    write_lines(
        beside(out, "dropped.jsonl"),
        (
            line
            for number, step in enumerate(applied, 1)
            for dropped in step.choice.dropped
            for line in _dropped_lines(number, step, dropped)
        ),
    )


def write_report(report: Mapping[str, Any], out: Path) -> None:
    """Write the report as indented JSON."""
    write_json(beside(out, "report.json"), report)


def row_head(rows: Rows, number: int, own_id: Any) -> RowHead:
    """Return how our files identify row `number`; `own_id` is None if it has no id."""
    first = rows.sources[0]
    for source in rows.sources:
        if number < len(source):
            break
        number -= len(source)
    return RowHead(number, None if source is first else source.name, own_id)


def _dropped_lines(number: int, step: AppliedStep, dropped: Dropped) -> Iterator[Mapping[str, Any]]:
    some = Rows(step.rows.sources, dropped.numbers)
    values = dropped.numbers if dropped.values is None else dropped.values
    numbers = dropped.numbers.tolist()
    for row, own_id, value in zip(numbers, some.ids(), values.tolist(), strict=True):
        yield {
            **msgspec.to_builtins(row_head(step.rows, row, own_id)),
            "step": number,
            "method": step.method,
            "reason": dropped.reason,
            **({dropped.figure: value} if dropped.figure else {}),
        }


def _as_lines(rows: Rows, out: Path) -> Iterator[bytes]:
    for number, row in zip(rows.numbers.tolist(), rows.originals(), strict=True):
        try:
            yield orjson.dumps(row.to_pylist()[0], option=orjson.OPT_APPEND_NEWLINE)
        except TypeError as error:
            raise UserError(
                f"{rows.where(number)}: cannot be a line of {out.name} ({error}); give an --out "
                "that ends in .parquet."
            ) from error


def _tables(rows: Rows) -> Iterator[Any]:
    import pyarrow as pa

    originals = rows.originals()
    while batch := list(islice(originals, _BATCH)):
        yield pa.Table.from_batches(batch, _schema(rows)).combine_chunks()


def _schema(rows: Rows) -> Any:
    return rows.sources[0].schema  # type: ignore[attr-defined]


def _convert(rows: Rows, out: Path, work: Path) -> Path:
    """Convert rows to a table in the folder `work`, through a file that `datasets` reads."""
    import datasets

    from_lines = isinstance(rows.sources[0], Jsonl)
    file = work / ("rows.jsonl" if from_lines else "rows.parquet")
    table = work / "table"
    try:
        write_set(rows, file)
        read = datasets.Dataset.from_json if from_lines else datasets.Dataset.from_parquet
        data = read(str(file), cache_dir=str(work / "cache"))
        if out.suffix == PARQUET:
            data.to_parquet(table)
        else:
            data.save_to_disk(table)
    except (datasets.exceptions.DatasetGenerationError, ValueError, TypeError) as error:
        reason = str(error.__cause__ or error).split("\n")[0]
        raise UserError(
            f"{out}: {rows.name} does not fit a table ({reason:.200}); give an --out that ends in "
            ".jsonl."
        ) from error
    return table


def write_lines(out: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write objects as JSONL, atomically."""
    encode = msgspec.json.Encoder().encode
    rewrite(out, (encode(line) + b"\n" for line in lines))
