"""Tables as sources: Parquet files, folders written by `save_to_disk`, hub data sets.

They are read in Arrow batches, and only the columns of the texts where those suffice. A row's
original is a batch of one row, so that the output has the same columns and types.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selflengthen.curate.io.columns import FieldNames, RowFault, find
from selflengthen.curate.io.rows import Source
from selflengthen.errors import UserError
from selflengthen.inputs.user_files import looked_in

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Ints

_BATCH = 1000


class Table(ABC):
    """Rows of an Arrow table, read in batches; subclasses supply the batches."""

    schema: Any

    def __init__(self, name: str, rows: int, named: FieldNames) -> None:
        """Read the first row; raises UserError if there is none or it has no texts."""
        self.name = name
        self._rows = rows
        self._responses: Mapping[int, str] = {}
        if not rows:
            raise UserError(f"{name}: is empty; give a data set with rows.")
        (first,) = next(self._batches(None, 1)).slice(0, 1).to_pylist()
        self.fields = find(name, first, named)

    @abstractmethod
    def _batches(self, columns: Sequence[str] | None, size: int = _BATCH) -> Iterator[Any]:
        """Yield the rows as Arrow record batches; `columns` None means all."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._rows

    def texts(self, places: Ints) -> Iterator[tuple[str, str]]:
        """Yield prompt and response; raises UserError for a row without them."""
        for place, row in self._chosen(places, self.fields.names):
            (values,) = row.to_pylist()
            try:
                prompt, response = self.fields.texts(values)
                yield prompt, self._responses.get(place, response)
            except RowFault as fault:
                raise UserError(
                    f"{self.where(place)}: {fault}; fix the row or remove it."
                ) from fault

    def ids(self, places: Ints) -> Iterator[Any]:
        """Yield the column `id` of each row."""
        if "id" not in self.schema.names:
            return (None for _ in places)
        return (row.column(0)[0].as_py() for _, row in self._chosen(places, ["id"]))

    def originals(self, places: Ints) -> Iterator[Any]:
        """Yield the rows unchanged, as record batches of one row."""
        import pyarrow as pa

        for place, row in self._chosen(places, None):
            if place in self._responses:
                (values,) = row.to_pylist()
                new = self.fields.with_response(values, self._responses[place])
                yield pa.RecordBatch.from_pylist([new], schema=row.schema)
            else:
                yield row

    def with_responses(self, responses: Mapping[int, str]) -> Table:
        """Return this table with other responses in some rows."""
        other = copy.copy(self)
        other._responses = responses
        return other

    def new_row(self, prompt: str, response: str) -> Any:
        """Return a row with these fields; the other columns are null."""
        import pyarrow as pa

        row = self.fields.new_row(prompt, response)
        return pa.RecordBatch.from_pylist([row], schema=self.schema)

    def alike(self, other: Source) -> bool:
        """Return whether the other source is a table with the same fields and columns."""
        return (
            isinstance(other, Table)
            and other.fields == self.fields
            and bool(other.schema.equals(self.schema))
        )

    def where(self, place: int) -> str:
        """Return table and row number, from 0 as in `datasets`."""
        return f"{self.name}, row {place}"

    def _chosen(self, places: Ints, columns: Sequence[str] | None) -> Iterator[tuple[int, Any]]:
        """Yield the rows at these positions, each with its position."""
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

    def __init__(self, path: Path, named: FieldNames) -> None:
        """Open the file; raises UserError if it is not Parquet."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            self._file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{path}: is not a Parquet file ({_line(error)}).") from error
        self.schema = self._file.schema_arrow
        super().__init__(str(path), self._file.metadata.num_rows, named)

    def _batches(self, columns: Sequence[str] | None, size: int = _BATCH) -> Iterator[Any]:
        return iter(self._file.iter_batches(size, columns=columns))


class HubTable(Table):
    """A `datasets.Dataset`: from the hub or from a folder."""

    def __init__(self, name: str, data: Any, named: FieldNames) -> None:
        """Wrap a data set."""
        self._data = data
        self.schema = data.features.arrow_schema
        super().__init__(name, data.num_rows, named)

    def _batches(self, columns: Sequence[str] | None, size: int = _BATCH) -> Iterator[Any]:
        data = self._data if columns is None else self._data.select_columns(list(columns))
        for table in data.with_format("arrow").iter(size):
            yield table.combine_chunks().to_batches()[0]


def open_saved(path: Path, split: str | None, named: FieldNames) -> HubTable:
    """Open a folder written by `save_to_disk`; raises UserError if it is another folder."""
    import datasets

    try:
        saved = datasets.load_from_disk(path)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: was not written by save_to_disk ({_line(error)}); give a JSONL or Parquet "
            "file, a folder written by save_to_disk, or a hub data set (owner/name)."
        ) from error
    if isinstance(saved, datasets.DatasetDict):
        wanted = split or "train"
        if wanted not in saved:
            raise UserError(f"{path}: has no split {wanted!r}; append one of {_splits(saved)}.")
        return HubTable(f"{path}:{wanted}", saved[wanted], named)
    if split:
        raise UserError(f"{path}: has no splits; leave :{split} out.")
    return HubTable(str(path), saved, named)


def load_from_hub(name: str, split: str | None, named: FieldNames) -> HubTable:
    """Load a hub data set; raises UserError if it cannot be loaded."""
    import datasets

    try:
        data = datasets.load_dataset(name, split=split or "train")
    except Exception as error:  # errors of many kinds: of the network, the hub, the data set
        raise UserError(
            f"{name}: no such file or folder{looked_in(name)}, and the hub did not supply it "
            f"({type(error).__name__}: {_line(error):.200}); check the name and the network, or "
            "download it first."
        ) from error
    return HubTable(f"{name}:{split or 'train'}", data, named)


def _splits(splits: Sequence[str]) -> str:
    return ", ".join(f":{name}" for name in splits)


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
