"""Tables as sources: Parquet files, folders that `datasets` saved, data sets of the hub.

All are read as Arrow batches, the texts' columns alone where that is enough. A row's original is
a batch of one row, so that what is written has the same columns and types.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selflengthen.curate.io.columns import Asked, Fault, find
from selflengthen.curate.io.rows import Source
from selflengthen.errors import UserError

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Ints

_BATCH = 1000


class Table(ABC):
    """Rows of an Arrow table that is read in batches; subclasses know where from."""

    schema: Any

    def __init__(self, name: str, rows: int, asked: Asked) -> None:
        """Read the first row; raises UserError where there is none or it has no texts."""
        self.name = name
        self._rows = rows
        self._responses: Mapping[int, str] = {}
        if not rows:
            raise UserError(f"{name}: is empty; give a data set with rows.")
        (first,) = next(self._batches(None, 1)).slice(0, 1).to_pylist()
        self.fields = find(name, first, asked)

    @abstractmethod
    def _batches(self, columns: Sequence[str] | None, size: int = _BATCH) -> Iterator[Any]:
        """Yield the rows as Arrow record batches; `columns` None: all of them."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._rows

    def texts(self, places: Ints) -> Iterator[tuple[str, str]]:
        """Yield prompt and response; raises UserError for a row that has none."""
        for place, row in self._chosen(places, self.fields.names):
            (values,) = row.to_pylist()
            try:
                prompt, response = self.fields.texts(values)
                yield prompt, self._responses.get(place, response)
            except Fault as fault:
                raise UserError(
                    f"{self.where(place)}: {fault}; repair the row or take it out."
                ) from fault

    def ids(self, places: Ints) -> Iterator[Any]:
        """Yield what the rows' column `id` holds."""
        if "id" not in self.schema.names:
            return (None for _ in places)
        return (row.column(0)[0].as_py() for _, row in self._chosen(places, ["id"]))

    def originals(self, places: Ints) -> Iterator[Any]:
        """Yield the rows untouched, as record batches of one row."""
        import pyarrow as pa

        for place, row in self._chosen(places, None):
            if place in self._responses:
                (values,) = row.to_pylist()
                new = self.fields.replaced(values, self._responses[place])
                yield pa.RecordBatch.from_pylist([new], schema=row.schema)
            else:
                yield row

    def rewritten(self, responses: Mapping[int, str]) -> Table:
        """Return this table with other responses at some places."""
        other = copy.copy(self)
        other._responses = responses
        return other

    def made(self, prompt: str, response: str) -> Any:
        """Return a row of these fields; the other columns are null."""
        import pyarrow as pa

        row = self.fields.made(prompt, response)
        return pa.RecordBatch.from_pylist([row], schema=self.schema)

    def alike(self, other: Source) -> bool:
        """Whether the other is a table with the same fields and columns."""
        return (
            isinstance(other, Table)
            and other.fields == self.fields
            and bool(other.schema.equals(self.schema))
        )

    def where(self, place: int) -> str:
        """Return table and row, counted from 0 as `datasets` does."""
        return f"{self.name}, row {place}"

    def _chosen(self, places: Ints, columns: Sequence[str] | None) -> Iterator[tuple[int, Any]]:
        """Yield the rows at these places, each with its place."""
        import numpy as np

        begin = 0
        for batch in self._batches(columns):
            end = begin + batch.num_rows
            first, last = np.searchsorted(places, (begin, end)).tolist()
            for place in places[first:last].tolist():
                yield place, batch.slice(place - begin, 1)
            if last == len(places):
                return
            begin = end


class Parquet(Table):
    """A Parquet file."""

    def __init__(self, path: Path, asked: Asked) -> None:
        """Open the file; raises UserError where it is none."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            self._file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{path}: is no Parquet file ({_line(error)}).") from error
        self.schema = self._file.schema_arrow
        super().__init__(str(path), self._file.metadata.num_rows, asked)

    def _batches(self, columns: Sequence[str] | None, size: int = _BATCH) -> Iterator[Any]:
        return iter(self._file.iter_batches(size, columns=columns))


class HubTable(Table):
    """A `datasets.Dataset`: from the hub or from a folder."""

    def __init__(self, name: str, data: Any, asked: Asked) -> None:
        """Wrap a data set."""
        self._data = data
        self.schema = data.features.arrow_schema
        super().__init__(name, data.num_rows, asked)

    def _batches(self, columns: Sequence[str] | None, size: int = _BATCH) -> Iterator[Any]:
        data = self._data if columns is None else self._data.select_columns(list(columns))
        for table in data.with_format("arrow").iter(size):
            yield table.combine_chunks().to_batches()[0]


def saved(path: Path, split: str | None, asked: Asked) -> HubTable:
    """Open a folder written by `save_to_disk`; raises UserError where it is none."""
    import datasets

    try:
        found = datasets.load_from_disk(path)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: is no folder of `datasets` ({_line(error)}); give a JSONL or Parquet file, a "
            "folder written by save_to_disk, or a data set owner/name of the hub."
        ) from error
    if isinstance(found, datasets.DatasetDict):
        named = split or "train"
        if named not in found:
            raise UserError(f"{path}: has no split {named!r}; add one to its name: {_ways(found)}.")
        return HubTable(f"{path}:{named}", found[named], asked)
    if split:
        raise UserError(f"{path}: has no splits; leave out :{split}.")
    return HubTable(str(path), found, asked)


def fetched(name: str, split: str | None, asked: Asked) -> HubTable:
    """Load a data set of the hub; raises UserError where it cannot be had."""
    import datasets

    try:
        data = datasets.load_dataset(name, split=split or "train")
    except Exception as error:  # of many kinds: the network's, the hub's, the data set's own
        raise UserError(
            f"{name}: is no file or folder here and could not be had from the hub "
            f"({type(error).__name__}: {_line(error):.200}); check the name and the network, or "
            "download it first."
        ) from error
    return HubTable(f"{name}:{split or 'train'}", data, asked)


def _ways(splits: Sequence[str]) -> str:
    return ", ".join(f":{name}" for name in splits)


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
