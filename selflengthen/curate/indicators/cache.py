"""Scores of models, cached on disk by the texts that were scored.

A file has the scores of one indicator by one model: a header with the number of values per record,
then records of a key (16 bytes, the digest of the row's two texts), the values, and whether the
text was truncated (float32 each). Records are appended under a lock; a record that a kill tore is
cut off before the next one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selflengthen.curate.io.rows import DataRow, Rows, digest
from selflengthen.errors import naming
from selflengthen.inputs import pretrained
from selflengthen.storage.records import fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from selflengthen.curate.indicators.models import Models
    from selflengthen.curate.indicators.scorers import Scorer

    Values = NDArray[np.float32]

_HEAD, _KEY = 8, 16  # bytes
_WINDOW = 1024  # rows that are sorted by length before they are batched


def default_folder() -> Path:
    """Return the folder of the cache, unless another is named."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "selflengthen" / "scores"


def score_rows(rows: Rows, name: str, model: str, options: Models) -> tuple[Values, int]:
    """Return the scores of all rows, (rows, width), and how many texts were truncated.

    Only rows that are not cached are scored; if all are, the model is not loaded. Equal rows are
    scored once.
    """
    import numpy as np

    pretrained.check_model(model)  # before the slow imports
    from selflengthen.curate.indicators.scorers import identity, load

    folder = options.cache or default_folder()
    key = fingerprint([name, identity(model)]).hex()[:32]
    cache = ScoreFile(folder / f"{name}-{key}.bin")
    scorer: Scorer | None = None
    windows: list[Values] = []
    done = 0
    stream = iter(rows)
    while window := list(islice(stream, _WINDOW)):
        keys = [digest(row) for row in window]
        missing = {k: row for k, row in zip(keys, window, strict=True) if k not in cache}
        if missing:
            scorer = scorer or load(name, model)
            for batch in _batches(missing, options.batch):
                cache.add(list(batch), scorer(list(batch.values())))
        windows.append(cache.get(keys))
        done += len(window)
        if options.on_progress:
            options.on_progress(name, done, len(rows))
    scores = np.concatenate(windows)
    return scores[:, :-1], int(scores[:, -1].sum())


def _batches(rows: dict[bytes, DataRow], size: int) -> Iterator[dict[bytes, DataRow]]:
    """Yield batches of rows of similar length, the longest first."""
    ordered = iter(sorted(rows.items(), key=lambda item: -len(item[1].prompt + item[1].response)))
    while batch := dict(islice(ordered, size)):
        yield batch


class ScoreFile:
    """The cached scores of one indicator by one model."""

    def __init__(self, path: Path) -> None:
        """Read the keys; the file need not exist."""
        import numpy as np

        self._path = path
        self._at: dict[bytes, int] = {}
        self._width = 0
        if path.exists() and path.stat().st_size >= _HEAD:
            self._width = int(np.fromfile(path, "<i8", 1)[0])
            keys = self._records()["key"].tobytes()
            self._at = {keys[i : i + _KEY]: i // _KEY for i in range(0, len(keys), _KEY)}

    def __contains__(self, key: bytes) -> bool:
        """Return whether there is a score for this key."""
        return key in self._at

    def get(self, keys: list[bytes]) -> Values:
        """Return the scores of keys, all of which must be cached."""
        values: Values = self._records()["values"][[self._at[key] for key in keys]]
        return values

    def add(self, keys: list[bytes], values: Values) -> None:
        """Append scores, (keys, width)."""
        import numpy as np

        self._width = values.shape[1]
        records = np.empty(len(keys), self._dtype)
        records["key"] = np.frombuffer(b"".join(keys), f"V{_KEY}")
        records["values"] = values
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with naming(self._path), open(self._path, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = os.fstat(file.fileno()).st_size
            first = max(0, size - _HEAD) // records.itemsize
            file.truncate(_HEAD + first * records.itemsize if size >= _HEAD else 0)
            if size < _HEAD:
                file.write(np.array([self._width], "<i8").tobytes())
            file.write(records.tobytes())
        self._at.update((key, first + place) for place, key in enumerate(keys))

    @property
    def _dtype(self) -> Any:
        import numpy as np

        return np.dtype([("key", f"V{_KEY}"), ("values", "<f4", (self._width,))])

    def _records(self) -> Any:
        """Return all complete records, memory-mapped."""
        import numpy as np

        count = (self._path.stat().st_size - _HEAD) // self._dtype.itemsize
        if not count:
            return np.empty(0, self._dtype)
        return np.memmap(self._path, self._dtype, "r", offset=_HEAD, shape=(count,))
