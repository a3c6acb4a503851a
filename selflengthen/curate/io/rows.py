"""The row, rows held by number, and the choice that a method makes of them.

Rows are numbered over their sources, one after the other: row 0 is the first of the first source.
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
"""A row as its source holds it: a line of JSONL (bytes), or one row of an Arrow table."""


class Row(NamedTuple):
    """The two texts of a row; `number` says where the original stands."""

    number: int
    prompt: str
    response: str


def digest(row: Row) -> bytes:
    """Return what tells a row's two texts from all others."""
    prompt = row.prompt.encode("utf-8", "surrogatepass")
    whole = hashlib.blake2b(len(prompt).to_bytes(8, "little") + prompt, digest_size=16)
    whole.update(row.response.encode("utf-8", "surrogatepass"))
    return whole.digest()


class Source(Protocol):
    """A data set on disk. `places` are row numbers from 0, ascending."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def texts(self, places: Ints) -> Iterator[tuple[str, str]]:
        """Yield prompt and response; raises UserError for a row that has none."""

    def ids(self, places: Ints) -> Iterator[Any]:
        """Yield what the rows' field `id` holds, None where there is none."""

    def originals(self, places: Ints) -> Iterator[Original]:
        """Yield the rows untouched."""

    def made(self, prompt: str, response: str) -> Original:
        """Return a new row of this source's form."""

    def rewritten(self, responses: Mapping[int, str]) -> Source:
        """Return this source with other responses at some places."""

    def alike(self, other: Source) -> bool:
        """Whether the originals of the other are of this source's form."""

    def where(self, place: int) -> str:
        """Return where a row stands, as messages say it: `my.jsonl, line 3`."""


@dataclass(frozen=True)
class Rows:
    """Some rows of one or more sources, in the order in which they are written."""

    sources: tuple[Source, ...]
    numbers: Ints

    @classmethod
    def of(cls, source: Source) -> Rows:
        """Return all rows of a source."""
        import numpy as np

        return cls((source,), np.arange(len(source)))

    def __len__(self) -> int:
        """Return how many rows they are."""
        return len(self.numbers)

    def __iter__(self) -> Iterator[Row]:
        """Read the rows one by one."""
        texts = self._merged([s.texts(p) for s, p in zip(self.sources, self._places, strict=True)])
        for number, (prompt, response) in zip(self.numbers.tolist(), texts, strict=True):
            yield Row(number, prompt, response)

    def only(self, keep: Bools) -> Rows:
        """Return the rows for which `keep`, of the same length, is true."""
        return Rows(self.sources, self.numbers[keep])

    def originals(self) -> Iterator[Original]:
        """Yield the rows untouched; those of another form than the first source's are rewritten."""
        first = self.sources[0]
        return self._merged(
            [
                s.originals(p) if s is first or first.alike(s) else _rewritten(first, s, p)
                for s, p in zip(self.sources, self._places, strict=True)
            ]
        )

    def ids(self) -> Iterator[Any]:
        """Yield the rows' own ids, None where they have none."""
        return self._merged([s.ids(p) for s, p in zip(self.sources, self._places, strict=True)])

    def where(self, number: int) -> str:
        """Return where a row stands, as messages say it."""
        for source in self.sources:
            if number < len(source):
                return source.where(number)
            number -= len(source)
        raise IndexError(number)

    @property
    def name(self) -> str:
        """What messages call them."""
        return self.sources[0].name

    @cached_property
    def _of(self) -> Ints:
        """Which source each row is of."""
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


def _rewritten(form: Source, source: Source, places: Ints) -> Iterator[Original]:
    return (form.made(prompt, response) for prompt, response in source.texts(places))


@dataclass(frozen=True)
class Dropped:
    """Rows dropped for one reason of a word or two, by number; each may have a figure."""

    reason: str
    numbers: Ints
    figure: str = ""
    values: Ints | Floats | None = None


@dataclass(frozen=True)
class Choice:
    """What a method made of rows: what it kept, what it dropped, and figures for the report."""

    rows: Rows
    dropped: tuple[Dropped, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


Tell = Callable[[str, int, int], None]
"""Hears how far a long work is: of what, how many rows are done, and of how many."""


def counted(rows: Rows) -> str:
    """Return how many rows they are, in words."""
    return f"{len(rows):,} row{'s' if len(rows) != 1 else ''}"


def mask(places: Ints, count: int) -> Bools:
    """Return `count` bools, true at the places."""
    import numpy as np

    at = np.zeros(count, bool)
    at[places] = True
    return at
