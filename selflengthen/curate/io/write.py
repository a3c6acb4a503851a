"""What a curation leaves behind: the rows it kept, the rows it dropped and why, and a report.

For `--out chosen.jsonl`: `chosen.jsonl`, `chosen.dropped.jsonl` and `chosen.report.json`.
"""

from __future__ import annotations

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
from selflengthen.storage.atomic import replacing, rewrite, write_json

_BATCH = 1000
LINES, PARQUET = (".jsonl", ".ndjson"), ".parquet"


def beside(out: Path, what: str) -> Path:
    """Return where a file that belongs to an output stands: `chosen.report.json`."""
    stem = out.stem if out.suffix in (*LINES, PARQUET) else out.name
    return out.with_name(f"{stem}.{what}")


def refuse_existing(out: Path) -> None:
    """Raise UserError where the output or its folder's place is taken."""
    if out.exists():
        raise UserError(f"{out}: is there already; move it away, or give another --out.")
    if not out.parent.is_dir():
        raise UserError(f"{out.parent}: no such folder; make it, or give another --out.")
    if out.suffix and out.suffix not in (*LINES, PARQUET):
        raise UserError(
            f"{out}: --out ends in .jsonl or .parquet; a name without an ending is a folder for "
            "load_from_disk."
        )


def write_set(rows: Rows, out: Path) -> None:
    """Write rows as the output's name says, untouched where it has the form of their set.

    Where it cannot be written nothing is left.
    """
    try:
        _write_set(rows, out)
    except BaseException:
        partial = out.with_name(f".{out.name}.partial")
        if partial.is_file():
            partial.unlink()
        raise


def _write_set(rows: Rows, out: Path) -> None:
    lines = isinstance(rows.sources[0], Jsonl)
    if out.suffix in LINES:
        rewrite(out, rows.originals() if lines else _as_lines(rows, out))
    elif out.suffix == PARQUET and not lines:
        _write_parquet(rows, out)
    else:
        _convert(rows, out, lines)


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


def _write_parquet(rows: Rows, out: Path) -> None:
    import pyarrow.parquet as pq

    with replacing(out) as temporary, pq.ParquetWriter(temporary, _schema(rows)) as writer:
        for table in _tables(rows):
            writer.write_table(table)


def _tables(rows: Rows) -> Iterator[Any]:
    import pyarrow as pa

    originals = rows.originals()
    while batch := list(islice(originals, _BATCH)):
        yield pa.Table.from_batches(batch, _schema(rows)).combine_chunks()


def _schema(rows: Rows) -> Any:
    return rows.sources[0].schema  # type: ignore[attr-defined]


def _convert(rows: Rows, out: Path, lines: bool) -> None:
    """Write JSONL as Parquet, or anything as a folder, by way of a file that `datasets` reads."""
    import datasets

    work = out.with_name(f".{out.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        file = work / ("rows.jsonl" if lines else "rows.parquet")
        write_set(rows, file)
        read = datasets.Dataset.from_json if lines else datasets.Dataset.from_parquet
        made = read(str(file), cache_dir=str(work / "cache"))
        if out.suffix == PARQUET:
            made.to_parquet(work / "made")
        else:
            made.save_to_disk(work / "made")
        (work / "made").rename(out)
    except (datasets.exceptions.DatasetGenerationError, ValueError, TypeError) as error:
        reason = str(error.__cause__ or error).split("\n")[0]
        raise UserError(
            f"{out}: {rows.name} cannot be made a table ({reason:.200}); give an --out that ends "
            "in .jsonl."
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_lines(out: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write objects as JSONL, atomically."""
    encode = msgspec.json.Encoder().encode
    rewrite(out, (encode(line) + b"\n" for line in lines))
