"""Scores of models, kept on disk by what was scored.

A file holds the scores of one indicator by one model: records of a key (16 bytes, the digest of
the row's two texts), the values, and whether the text was cut (float32 each), after a head that
says how many values. Records are appended under a lock; what a kill left of one is cut off before
the next.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selflengthen.curate.io.rows import Row, Rows, digest
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
_WINDOW = 1024  # rows that are sorted by length before they are put into batches


def default_folder() -> Path:
    """Return where scores are kept where nothing else is said."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "selflengthen" / "scores"


def scored(rows: Rows, name: str, model: str, options: Models) -> tuple[Values, int]:
    """Return the scores of all rows, (rows, width), and how many texts were cut.

    Only what is not in the cache is scored, and only then the model is loaded. A row whose text
    stands twice is scored once.
    """
    import numpy as np

    pretrained.check_model(model)  # what is wrong with it is said before the imports
    from selflengthen.curate.indicators.scorers import identity, load

    folder = options.cache or default_folder()
    key = fingerprint([name, identity(model)]).hex()[:32]
    kept = Kept(folder / f"{name}-{key}.bin")
    scorer: Scorer | None = None
    found: list[Values] = []
    done = 0
    stream = iter(rows)
    while window := list(islice(stream, _WINDOW)):
        keys = [digest(row) for row in window]
        missing = {k: row for k, row in zip(keys, window, strict=True) if k not in kept}
        if missing:
            scorer = scorer or load(name, model)
            for some in _batches(missing, options.batch):
                kept.add(list(some), scorer(list(some.values())))
        found.append(kept.get(keys))
        done += len(window)
        if options.tell:
            options.tell(name, done, len(rows))
    whole = np.concatenate(found)
    return whole[:, :-1], int(whole[:, -1].sum())


def _batches(rows: dict[bytes, Row], size: int) -> Iterator[dict[bytes, Row]]:
    """Yield batches of rows of like length, the longest first."""
    ordered = iter(sorted(rows.items(), key=lambda item: -len(item[1].prompt + item[1].response)))
    while some := dict(islice(ordered, size)):
        yield some


class Kept:
    """The scores on file of one indicator by one model."""

    def __init__(self, path: Path) -> None:
        """Read the keys; the file need not be there."""
        import numpy as np

        self._path = path
        self._at: dict[bytes, int] = {}
        self._width = 0
        if path.exists() and path.stat().st_size >= _HEAD:
            self._width = int(np.fromfile(path, "<i8", 1)[0])
            keys = self._records()["key"].tobytes()
            self._at = {keys[i : i + _KEY]: i // _KEY for i in range(0, len(keys), _KEY)}

    def __contains__(self, key: bytes) -> bool:
        """Whether a score of this key is kept."""
        return key in self._at

    def get(self, keys: list[bytes]) -> Values:
        """Return the scores of keys that are all kept."""
        values: Values = self._records()["values"][[self._at[key] for key in keys]]
        return values

    def add(self, keys: list[bytes], values: Values) -> None:
        """Append scores, (keys, width)."""
        import numpy as np

        self._width = values.shape[1]
        made = np.empty(len(keys), self._kind)
        made["key"] = np.frombuffer(b"".join(keys), f"V{_KEY}")
        made["values"] = values
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with naming(self._path), open(self._path, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = os.fstat(file.fileno()).st_size
            first = max(0, size - _HEAD) // made.itemsize
            file.truncate(_HEAD + first * made.itemsize if size >= _HEAD else 0)
            if size < _HEAD:
                file.write(np.array([self._width], "<i8").tobytes())
            file.write(made.tobytes())
        self._at.update((key, first + place) for place, key in enumerate(keys))

    @property
    def _kind(self) -> Any:
        import numpy as np

        return np.dtype([("key", f"V{_KEY}"), ("values", "<f4", (self._width,))])

    def _records(self) -> Any:
        """Return all whole records, mapped and not read."""
        import numpy as np

        count = (self._path.stat().st_size - _HEAD) // self._kind.itemsize
        if not count:
            return np.empty(0, self._kind)
        return np.memmap(self._path, self._kind, "r", offset=_HEAD, shape=(count,))
