"""What `stage.json`, `DONE.json` and the figures of a run must hold, checked where they are read.

A file that was cut short, emptied or edited by hand is named in one line, whatever reads it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from selflengthen.errors import DamagedFile
from selflengthen.storage.atomic import read_json
from selflengthen.storage.records import fingerprint

Count = Annotated[int, msgspec.Meta(ge=0)]


class Spread(msgspec.Struct):
    """How lengths are spread."""

    mean: float
    median: float
    p90: float

    def __post_init__(self) -> None:
        """Raise ValueError for what is no number; JSON as Python reads it has NaN and Infinity."""
        if not all(map(math.isfinite, (self.mean, self.median, self.p90))):
            raise ValueError("a length is not finite")


class Done(msgspec.Struct, kw_only=True):
    """DONE.json of any stage: its key, and the digest of what it made.

    `files` are the SHA-256 digests of files that `digest` does not cover, by name; versions before
    wrote none.
    """

    key: str | None
    digest: str
    files: dict[str, str] = {}


class TextsDone(Done, kw_only=True):
    """DONE.json of a stage of texts; `dropped` and `refusals` count by reason."""

    items: Count
    accepted: Count
    dropped: dict[str, Count]
    refusals: dict[str, Count]
    words: Spread
    seconds: float
    tokens: Count
    tokens_per_second: float | None


class StrategyDone(TextsDone, kw_only=True):
    """DONE.json of the stage that chose how drafts are lengthened; `trials` by strategy."""

    strategy: Literal["two-stage", "section"]
    trials: dict[str, dict[str, Count]]


class RowsDone(Done, kw_only=True):
    """DONE.json of a stage of training rows, and of a training that had too few of them.

    `expander_rows` are the expander's, where it has others than the generator.
    """

    rows: Count
    expander_rows: Count | None = None


class ChosenDone(RowsDone, kw_only=True):
    """DONE.json of a stage that chose rows: `rows` of `of`, `added` general ones among them."""

    of: Count
    added: Count
    dropped: dict[str, Count]


class TrainedDone(RowsDone, kw_only=True):
    """DONE.json of a training; `dropped` rows were too long."""

    dropped: Count
    steps: Count
    seconds: float
    tokens_per_second: float
    first_loss: float
    last_loss: float


def rows_of(done: Mapping[str, Any], role: str) -> int:
    """Return how many rows a stage of rows has for a role, by its DONE.json.

    Where it does not say so, the expander has one for each of the generator's own.
    """
    rows: int = done["rows"]
    if role != "expander":
        return rows
    own: int = rows - done.get("added", 0)
    given: int | None = done.get("expander_rows")
    return own if given is None else given


class Sources(msgspec.Struct):
    """Where the rows of the union come from."""

    rounds: Count
    collected: Count


class UnionDone(RowsDone, kw_only=True):
    """DONE.json of the union of all texts; `of` is the number of rounds."""

    sources: Sources = msgspec.field(name="from")
    dropped: dict[str, Count]
    of: Count


def read_done(path: Path, kind: type[Done], remedy: str) -> dict[str, Any] | None:
    """Return the DONE.json of a stage that writes this kind, or None where there is none.

    Raises DamagedFile for one that lacks what such a stage writes.
    """
    value = read_json(path, remedy)
    if value is None:
        return None
    if kind is TrainedDone and isinstance(value, dict) and value.get("skipped") is True:
        kind = RowsDone
    _check(path, value, kind, remedy)
    done: dict[str, Any] = value
    return done


def read_identity(path: Path, remedy: str) -> dict[str, Any] | None:
    """Return the identity in a stage.json, or None where there is none.

    Raises DamagedFile where it is not the identity that the stage's key is the digest of.
    """
    value = read_json(path, remedy)
    if value is None:
        return None
    identity = value.get("identity") if isinstance(value, dict) else None
    if not isinstance(identity, dict) or value.get("key") != fingerprint(identity).hex():
        raise DamagedFile(path, "its key does not belong to its identity", remedy)
    return identity


class Quality(msgspec.Struct):
    """What metrics.json says of the texts of a stage."""

    texts: Count
    words: Spread
    ends: float
    repeats: float


class Metrics(msgspec.Struct):
    """What is read of a round's metrics.json."""

    round: Count
    acceptance: float
    drafts: Quality
    expansions: Quality
    held_out: Quality
    stages: dict[str, dict[str, Any]]


class KindScore(msgspec.Struct):
    """How well length demands of one kind are followed."""

    texts: Count
    score: float | None


class Side(msgspec.Struct):
    """How well a model follows length demands."""

    texts: Count
    score: float | None
    by_kind: dict[str, KindScore]
    satisfied: float
    words: Spread
    ends: float


class Figures(msgspec.Struct):
    """What is read of final/figures.json."""

    base: Side
    final: Side


def check_figures(path: Path, value: Any, kind: type[Metrics | Figures], remedy: str) -> None:
    """Raise DamagedFile where a file of figures lacks what is read of it."""
    _check(path, value, kind, remedy)
    if kind is Figures and value["base"]["by_kind"].keys() != value["final"]["by_kind"].keys():
        raise DamagedFile(path, "its two models are not measured by the same kinds", remedy)


def _check(path: Path, value: Any, kind: type[Any], remedy: str) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise DamagedFile(path, f"it is not what was written ({error})", remedy) from error
