"""The row, rows by number, and the choice that a method makes of them.

Rows are numbered across their sources, one after the other: row 0 is the first of the first source.
In every `Rows` the numbers of one source ascend, so that a source is read from front to back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Original = Any
"""A row as its source stores it: a line of JSONL (bytes), or one row of an Arrow table."""


class DataRow(NamedTuple):
    """The two texts of a row; `number` locates its original."""

    number: int
    prompt: str
    response: str


def digest(row: DataRow) -> bytes:
    """Return a 16-byte digest of a row's two texts."""
    prompt = row.prompt.encode("utf-8", "surrogatepass")
    hasher = hashlib.blake2b(len(prompt).to_bytes(8, "little") + prompt, digest_size=16)
    hasher.update(row.response.encode("utf-8", "surrogatepass"))
    return hasher.digest()


class Source(Protocol):
    """A data set on disk. `places` are row numbers from 0, ascending."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def texts(self, places: Ints) -> Iterator[tuple[str, str]]:
        """Yield prompt and response; raises UserError for a row without them."""

    def ids(self, places: Ints) -> Iterator[Any]:
        """Yield the field `id` of each row, None if it has none."""

    def originals(self, places: Ints) -> Iterator[Original]:
        """Yield the rows unchanged."""

    def new_row(self, prompt: str, response: str) -> Original:
        """Return a new row in this source's format."""

    def with_responses(self, responses: Mapping[int, str]) -> Source:
        """Return this source with other responses in some rows."""

    def alike(self, other: Source) -> bool:
        """Return whether the other source has the same format."""

    def where(self, place: int) -> str:
        """Return the location of a row for messages: `my.jsonl, line 3`."""


@dataclass(frozen=True)
class Rows:
    """Some rows of one or more sources, in output order."""

    sources: tuple[Source, ...]
    numbers: Ints

    @classmethod
    def of(cls, source: Source) -> Rows:
        """Return all rows of a source."""
        import numpy as np

        return cls((source,), np.arange(len(source)))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.numbers)

    def __iter__(self) -> Iterator[DataRow]:
        """Read the rows one by one."""
        texts = self._merged([s.texts(p) for s, p in zip(self.sources, self._places, strict=True)])
        for number, (prompt, response) in zip(self.numbers.tolist(), texts, strict=True):
            yield DataRow(number, prompt, response)

    def only(self, keep: Bools) -> Rows:
        """Return the rows for which `keep`, of the same length, is true."""
        return Rows(self.sources, self.numbers[keep])

    def originals(self) -> Iterator[Original]:
        """Yield the rows unchanged; those of another format are converted to the first source's."""
        first = self.sources[0]
        return self._merged(
            [
                s.originals(p) if s is first or first.alike(s) else _converted(first, s, p)
                for s, p in zip(self.sources, self._places, strict=True)
            ]
        )

    def ids(self) -> Iterator[Any]:
        """Yield the rows' own ids, None for a row without one."""
        return self._merged([s.ids(p) for s, p in zip(self.sources, self._places, strict=True)])

    def where(self, number: int) -> str:
        """Return the location of a row for messages."""
        for source in self.sources:
            if number < len(source):
                return source.where(number)
            number -= len(source)
        raise IndexError(number)

    @property
    def name(self) -> str:
        """Their name in messages."""
        return self.sources[0].name

    @cached_property
    def _of(self) -> Ints:
        """The index of each row's source."""
        import numpy as np

        ends = np.cumsum([len(source) for source in self.sources])
        return np.searchsorted(ends, self.numbers, side="right")

    @property
    def _places(self) -> list[Ints]:
        """For each source the places of its rows."""
        placed, begin = [], 0
        for index, source in enumerate(self.sources):
            placed.append(self.numbers[self._of == index] - begin)
            begin += len(source)
        return placed

    def _merged(self, streams: list[Iterator[Any]]) -> Iterator[Any]:
        if len(streams) == 1:
            yield from streams[0]
        else:
            for index in self._of.tolist():
                yield next(streams[index])


def _converted(target: Source, source: Source, places: Ints) -> Iterator[Original]:
    return (target.new_row(prompt, response) for prompt, response in source.texts(places))


@dataclass(frozen=True)
class Dropped:
    """Rows dropped for one reason (a word or two), by number, each perhaps with a figure."""

    reason: str
    numbers: Ints
    figure: str = ""
    values: Ints | Floats | None = None


@dataclass(frozen=True)
class Choice:
    """What a method selects: the rows it keeps, those it drops, and figures for the report."""

    rows: Rows
    dropped: tuple[Dropped, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AppliedStep:
    """A method by name, the rows it was applied to, and the choice it made."""

    method: str
    rows: Rows
    choice: Choice


OnProgress = Callable[[str, int, int], None]
"""Called during long work: what it is, how many items are done, and of how many."""


def count_text(rows: Rows) -> str:
    """Return the number of rows as `1 row` or `2,000 rows`."""
    return f"{len(rows):,} row{'s' if len(rows) != 1 else ''}"


def mask(places: Ints, count: int) -> Bools:
    """Return `count` bools, true at the places."""
    import numpy as np

    at = np.zeros(count, bool)
    at[places] = True
    return at
