"""What `stage.json` and `DONE.json` of a stage hold, checked where they are read.

A file that was cut short, emptied or edited by hand is named in one line, whatever reads it. The
fields stand in the order of the file; `storage.reference` writes their docstrings into the docs.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from selflengthen.errors import DamagedFile
from selflengthen.storage.atomic import read_json
from selflengthen.storage.records import fingerprint

T = TypeVar("T", bound=msgspec.Struct)
Identity = dict[str, Any]
"""Everything that decides what a stage produces: settings, digests and, below `inputs`, stages."""
Count = Annotated[int, msgspec.Meta(ge=0)]


class Spread(msgspec.Struct, frozen=True):
    """How the lengths of texts are spread; zeros where there are no texts."""

    mean: float
    """mean"""
    median: int | float  # an int stays one where it is written again
    """median"""
    p90: float
    """90th percentile"""

    def __post_init__(self) -> None:
        """Raise ValueError for what is no number; JSON as Python reads it has NaN and Infinity."""
        if not all(map(math.isfinite, (self.mean, self.median, self.p90))):
            raise ValueError("a length is not finite")


class StageFile(msgspec.Struct, frozen=True):
    """stage.json, written when a stage begins."""

    key: str
    """digest of `identity`"""
    identity: Identity
    """everything that decides what the stage produces: the model's digest, the run's seed, settings
    of kind *identity*, digests of prompts, seeds and inputs"""


class Done(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """DONE.json of any stage, written last."""

    key: str | None
    """the stage's key"""
    digest: str
    """digest of its output: texts without their times, an adapter's weights; empty where no adapter
    was trained"""
    files: dict[str, str] = {}
    """SHA-256 digests, by name, of files that `digest` does not cover: an adapter's configuration,
    the files of a merged model; earlier versions wrote none"""
    version: str = ""
    """version of selflengthen"""
    finished: str = ""
    """when the stage ended"""

    def as_json(self, *, without: Collection[str] = ()) -> dict[str, object]:
        """Return the fields in the order of the file: `files` and what follows end it."""
        fields: dict[str, object] = msgspec.to_builtins(self)
        last = [name for name in ("files", "version", "finished") if name in fields]
        names = [name for name in fields if name not in last] + last
        return {name: fields[name] for name in names if name not in without}


D = TypeVar("D", bound=Done)


class TextsDone(Done, kw_only=True, frozen=True):
    """DONE.json of a stage of texts."""

    items: Count
    """items of the stage"""
    accepted: Count
    """accepted texts, dropped ones included"""
    dropped: dict[str, Count]
    """dropped texts by reason"""
    refusals: dict[str, Count]
    """rejected attempts by reason"""
    words: Spread
    """lengths of the accepted texts"""
    seconds: float
    """wall time of the start that finished the stage"""
    tokens: Count
    """tokens generated in that start"""
    tokens_per_second: float | None
    """their quotient; null if it took no time"""


class RowsDone(Done, kw_only=True, frozen=True):
    """DONE.json of a stage of training rows."""

    rows: Count
    """rows of each role"""


class Selection(msgspec.Struct, kw_only=True, frozen=True):
    """The outcome of a row selection; the fields mean what they mean in `ChosenDone`."""

    rows: Count
    of: Count
    added: Count
    dropped: dict[str, Count]


class ChosenDone(RowsDone, kw_only=True, frozen=True):
    """DONE.json of a stage that selects rows."""

    rows: Count
    """the generator's rows that stayed, general ones included"""
    of: Count
    """the generator's rows before"""
    added: Count
    """general rows among those that stayed"""
    dropped: dict[str, Count]
    """dropped rows by reason"""


class TrainedDone(Done, kw_only=True, frozen=True):
    """DONE.json of a training."""

    rows: Count
    """rows trained on"""
    dropped: Count
    """rows left out because they have too many tokens"""
    steps: Count
    """optimizer steps"""
    seconds: float
    """wall time of the steps"""
    tokens_per_second: float
    """tokens trained on per second"""
    first_loss: float
    """mean loss of a trained token in the first step"""
    last_loss: float
    """the same in the last step"""
    chosen: Selection | None = None
    """only in `final/5b-anneal/`: the row selection before it, with the fields of 4b"""


class SkippedDone(Done, kw_only=True, frozen=True):
    """DONE.json of a training that did not take place."""

    skipped: Literal[True]
    """true"""
    rows: Count
    """how many rows there were: too few"""


class UnionSources(msgspec.Struct, frozen=True):
    """Where the rows of the union come from."""

    rounds: Count
    """expansions of the rounds"""
    collected: Count
    """drafts written after the last round"""


class UnionDone(Done, kw_only=True, frozen=True):
    """DONE.json of the union of all texts."""

    rows: Count
    """rows of the data set"""
    sources: UnionSources = msgspec.field(name="from")
    """how many of them come from `rounds`, and how many were `collected`"""
    dropped: dict[str, Count]
    """texts that were left out, by reason"""
    of: Count
    """number of rounds"""


def read_done(path: Path, kind: type[Done], remedy: str) -> Done | None:
    """Return the DONE.json of a stage that writes this kind, or None where there is none.

    Raises DamagedFile for one that lacks what such a stage writes.
    """
    value = read_json(path, remedy)
    if value is None:
        return None
    if kind is TrainedDone and isinstance(value, dict) and value.get("skipped") is True:
        kind = SkippedDone
    return as_struct(path, value, kind, remedy)


def read_identity(path: Path, remedy: str) -> Identity | None:
    """Return the identity in a stage.json, or None where there is none.

    Raises DamagedFile where it is not the identity that the stage's key is the digest of.
    """
    value = read_json(path, remedy)
    if value is None:
        return None
    try:
        stage = msgspec.convert(value, StageFile)
    except msgspec.ValidationError:
        stage = None
    if stage is None or stage.key != fingerprint(stage.identity).hex():
        raise DamagedFile(path, "its key is not the digest of its identity", remedy)
    return stage.identity


def as_struct(path: Path, value: object, kind: type[T], remedy: str) -> T:
    """Return the contents of a JSON file as a struct; raise DamagedFile where fields are wrong."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise DamagedFile(path, f"it is not what was written ({error})", remedy) from error
