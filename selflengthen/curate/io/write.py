"""What a curation leaves behind: the rows it kept, the rows it dropped and why, and a report.

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
from selflengthen.curate.io.rows import Choice, Dropped, Rows
from selflengthen.errors import UserError
from selflengthen.inputs.user_files import NAME_BYTES
from selflengthen.storage.atomic import check_new, replacing, rewrite, sync, write_json

_BATCH = 1000
LINES, PARQUET = (".jsonl", ".ndjson"), ".parquet"


def beside(out: Path, what: str) -> Path:
    """Return where a file that belongs to an output stands: `chosen.report.json`."""
    stem = out.stem if out.suffix in (*LINES, PARQUET) else out.name
    return out.with_name(f"{stem}.{what}")


def refuse_existing(out: Path) -> None:
    """Raise UserError where the output or its folder's place is taken."""
    check_new(out, "--out")
    if not out.parent.is_dir():
        raise UserError(f"{out.parent}: no such folder; make it, or give another --out.")
    if len(os.fsencode(f".{beside(out, 'dropped.jsonl').name}.partial")) > NAME_BYTES:
        raise UserError(f"{out}: its name is too long for the files beside it; give a shorter one.")
    if out.suffix and out.suffix not in (*LINES, PARQUET):
        raise UserError(
            f"{out}: --out ends in .jsonl or .parquet; a name without an ending is a folder for "
            "load_from_disk."
        )


def write_result(
    rows: Rows,
    *,
    steps: Sequence[tuple[str, Rows, Choice]],
    report: Mapping[str, Any],
    out: Path,
) -> None:
    """Write what steps dropped and a report, then the rows: `out` is there only with the others.

    After a kill at any moment the same command writes the same files again.
    """
    with _staged(rows, out):
        write_dropped(steps, out)
        write_report(report, out)


def write_set(rows: Rows, out: Path) -> None:
    """Write rows as the output's name says, untouched where it has the form of their set.

    Where it cannot be written nothing is left.
    """
    with _staged(rows, out):
        pass


@contextlib.contextmanager
def _staged(rows: Rows, out: Path) -> Iterator[None]:
    """Write rows beside `out`; they take its name after the body has ended."""
    from_lines = isinstance(rows.sources[0], Jsonl)
    is_file = out.suffix in LINES or (out.suffix == PARQUET and not from_lines)
    partial, work = (out.with_name(f".{out.name}.{what}") for what in ("partial", "work"))
    try:
        for path in (partial, work):  # what a kill left
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
    """Stage JSONL as Parquet, or anything as a folder of `datasets`."""
    work.mkdir()
    _convert(rows, out, work).rename(partial)
    _remove(work)
    for path in [partial, *partial.rglob("*")]:
        sync(path)
    yield
    partial.rename(out)
    sync(out.parent)


def write_dropped(steps: Sequence[tuple[str, Rows, Choice]], out: Path) -> None:
    """Write a line for each row that a step dropped: row, id, step, reason and its figure."""
    rewrite(
        beside(out, "dropped.jsonl"),
        (
            line
            for number, (name, rows, choice) in enumerate(steps, 1)
            for dropped in choice.dropped
            for line in _dropped_lines(number, name, rows, dropped)
        ),
    )


def write_report(report: Mapping[str, Any], out: Path) -> None:
    """Write the report, as JSON for people."""
    write_json(beside(out, "report.json"), report)


def row_head(rows: Rows, number: int, own: Any) -> dict[str, Any]:
    """Return how a row is named in files of ours: its number from 0, and its id if it has one."""
    head: dict[str, Any] = {"row": number}
    for source in rows.sources:
        if head["row"] < len(source):
            break
        head["row"] -= len(source)
    if source is not rows.sources[0]:
        head["of"] = source.name
    return head if own is None else head | {"id": own}


def _dropped_lines(step: int, name: str, rows: Rows, dropped: Dropped) -> Iterator[bytes]:
    encode = msgspec.json.Encoder().encode
    some = Rows(rows.sources, dropped.numbers)
    values = dropped.numbers if dropped.values is None else dropped.values
    numbers = dropped.numbers.tolist()
    for number, own, value in zip(numbers, some.ids(), values.tolist(), strict=True):
        line = row_head(rows, number, own) | {
            "step": step,
            "method": name,
            "reason": dropped.reason,
        }
        if dropped.figure:
            line[dropped.figure] = value
        yield encode(line) + b"\n"


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
    """Make a table of rows in the folder `work`, by way of a file that `datasets` reads."""
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
            f"{out}: {rows.name} cannot be made a table ({reason:.200}); give an --out that ends "
            "in .jsonl."
        ) from error
    return table


def write_lines(out: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write objects as JSONL, atomically."""
    encode = msgspec.json.Encoder().encode
    rewrite(out, (encode(line) + b"\n" for line in lines))
