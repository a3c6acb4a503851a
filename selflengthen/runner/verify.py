"""Compares what a stage left on disk with its DONE.json, before anything is made of it.

The digest of texts ignores `seconds` (see `StageFolder.settle`), that of rows is over the
bytes of their files, and that of an adapter is over its weights, as the training defines it. A
stage without DONE.json is in work: there is nothing yet to compare its files with.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from selflengthen.errors import DamagedFile
from selflengthen.storage.atomic import misplaced
from selflengthen.storage.jsonl import read_raw, read_structs
from selflengthen.storage.records import Record, encode
from selflengthen.storage.schemas import rows_of
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import (
    ANNEAL,
    CURATE,
    DATASET,
    FINISH_TRAIN,
    MERGE,
    ROLES,
    TRAIN,
    UNION,
)
from selflengthen.text.statistics import spread
from selflengthen.training.job import ADAPTER_FILES
from selflengthen.training.weights import digest_of_weights

ROW_FILES = tuple(f"{role}.jsonl" for role in ROLES)
ALTERED = "it is not what was written"
_SECONDS, _DROPPED = b',"seconds":', re.compile(rb',"dropped":(?:null|"([^"\\]*)")')
_CHUNK = 1 << 20


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


def require_sound(folder: StageFolder) -> None:
    """Raise DamagedFile where what a finished stage made is not what its DONE.json says."""
    for fault in faults(folder):
        raise fault


def faults(folder: StageFolder) -> Iterator[DamagedFile]:
    """Yield what is wrong with a finished stage; nothing for one that is in work.

    Raises DamagedFile where a file cannot be read at all.
    """
    done = folder.done()
    if done is None:
        return
    yield from _of_another(folder, done)
    place = folder.path.parent / "merged" if folder.is_a(MERGE) else folder.path
    for name, digest in done.get("files", {}).items():
        if digest_of(place / name, folder.remedy) != digest:
            yield DamagedFile(place / name, ALTERED, folder.remedy)
    if folder.is_a(DATASET, CURATE):
        yield from _rows(folder, done)
    elif folder.is_a(UNION):
        yield from _union(folder, done)
    elif folder.is_a(TRAIN, FINISH_TRAIN, ANNEAL):
        if not done.get("skipped"):
            yield from adapter_faults(folder.path, done["digest"], folder.remedy)
    elif "accepted" in done:
        yield from _texts(folder, done)


def thorough_faults(folder: StageFolder) -> Iterator[DamagedFile]:
    """Yield the same, and what is wrong with files that no stage reads; in work, what is torn."""
    done = folder.done()
    named = set()
    for fault in faults(folder):
        named.add(fault.path)
        yield fault
    if folder.records_path.exists() or folder.rejected_path.exists():
        words = [record.words for record in folder.records(dropped=True)]
        reasons = Counter(rejection.reason for rejection in folder.rejections())
        if done and not named and spread(words) != done["words"]:
            yield _miscounted(folder, "words", folder.records_path.name)
        if done and reasons != done["refusals"]:
            yield DamagedFile(folder.rejected_path, ALTERED, folder.remedy)
    if done and folder.is_a(UNION):
        path = folder.path / "dropped.jsonl"
        dropped = Counter(line.reason for line in read_structs(path, _Dropped, folder.remedy))
        if dropped != done["dropped"]:
            yield DamagedFile(path, ALTERED, folder.remedy)


class _Dropped(msgspec.Struct):
    """A line of what the union left out."""

    id: str
    reason: str


def adapter_faults(folder: Path, digest: str, remedy: str) -> Iterator[DamagedFile]:
    """Yield what is wrong with the files of an adapter whose weights have this digest."""
    weights = folder / ADAPTER_FILES[1]
    try:
        if digest_of_weights(weights) != digest:
            yield DamagedFile(weights, ALTERED, remedy)
    except FileNotFoundError:
        yield DamagedFile(weights, "it is missing", remedy)
    except ValueError as error:
        yield DamagedFile(weights, f"it holds no weights ({error})", remedy)
    except OSError as error:
        raise misplaced(weights, remedy, error) from error
    settings = folder / ADAPTER_FILES[0]
    try:
        msgspec.json.decode(_read(settings, remedy), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        yield DamagedFile(settings, "it is no configuration of an adapter", remedy)


def digests(folder: Path, remedy: str) -> dict[str, str]:
    """Return the SHA-256 of every file of a folder, by name."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return {path.name: digest_of(path, remedy) for path in files}


def digest_of(path: Path, remedy: str) -> str:
    """Return the SHA-256 of a file; raise DamagedFile where it is missing."""
    digest = hashlib.sha256()
    for chunk in _chunks(path, remedy):
        digest.update(chunk)
    return digest.hexdigest()


def _of_another(folder: StageFolder, done: Mapping[str, Any]) -> Iterator[DamagedFile]:
    """Compare DONE.json with stage.json: both must be those of this stage."""
    key = folder.key()
    if key is None:
        yield DamagedFile(folder.path / "stage.json", "it is missing", folder.remedy)
    elif key != done["key"]:
        yield DamagedFile(folder.path / "DONE.json", "it is that of another stage", folder.remedy)


def _texts(folder: StageFolder, done: Mapping[str, Any]) -> Iterator[DamagedFile]:
    path = folder.records_path
    _present(path, folder.remedy)
    digest, texts, dropped = _settled(path, folder.remedy)
    if digest != done["digest"]:
        # The same texts may be written in another way, by another program.
        digest, texts, dropped = _parsed(path, folder.remedy)
    counts = {"accepted": texts, "dropped": dict(dropped)}
    yield from _compared(path, digest, counts, folder, done)


def _rows(folder: StageFolder, done: Mapping[str, Any]) -> Iterator[DamagedFile]:
    whole, parts, counts = hashlib.sha256(), hashlib.sha256(), []
    for name in ROW_FILES:
        own = hashlib.sha256()
        counts.append(_feed(folder.path / name, (whole, own), folder.remedy))
        parts.update(own.digest())
    digest = (parts if folder.is_a(CURATE) else whole).hexdigest()
    wanted = [rows_of(done, role) for role in ROLES]
    if digest == done["digest"] and counts != wanted:
        yield _miscounted(folder, "rows", ROW_FILES[0])
    elif digest != done["digest"]:
        both = zip(ROW_FILES, counts, wanted, strict=True)
        named = [name for name, is_, was in both if is_ != was]
        what = ALTERED if named else f"this file or {ROW_FILES[1]} is not what was written"
        yield DamagedFile(folder.path / (named or ROW_FILES)[0], what, folder.remedy)


def _union(folder: StageFolder, done: Mapping[str, Any]) -> Iterator[DamagedFile]:
    digest, path = hashlib.sha256(), folder.path / "union.jsonl"
    rows = _feed(path, (digest,), folder.remedy)
    counts = {"rows": rows, "from": {**done["from"], "rounds": rows - done["from"]["collected"]}}
    yield from _compared(path, digest.hexdigest(), counts, folder, done)


def _compared(
    path: Path, digest: str, counts: Mapping[str, Any], folder: StageFolder, done: Mapping[str, Any]
) -> Iterator[DamagedFile]:
    """Compare digest and counts of a file with those in DONE.json."""
    if digest != done["digest"]:
        yield DamagedFile(path, ALTERED, folder.remedy)
        return
    for name, count in counts.items():
        if count != done[name]:
            yield _miscounted(folder, name, path.name)


def _miscounted(folder: StageFolder, count: str, file: str) -> DamagedFile:
    what = f"its `{count}` is not what {file} has"
    return DamagedFile(folder.path / "DONE.json", what, folder.remedy)


def _settled(path: Path, remedy: str) -> tuple[str, int, Counter[str]]:
    """Return the digest of settled texts, their number, and how many were dropped by reason.

    The lines are taken as `records.encode` writes them and not parsed, so that this costs little
    more than reading the file. A comma and a quotation mark never meet inside of a JSON string.
    """
    digest, size, lines, dropped = hashlib.sha256(), 0, 0, Counter[str]()
    for raw in read_raw(path, remedy):
        at = raw.find(_SECONDS) + len(_SECONDS)
        end = raw.find(b",", at)
        digest.update(raw[:at])
        digest.update(b"0.0" + raw[end:])
        if reason := _DROPPED.match(raw, end):
            dropped.update([reason[1].decode(errors="replace")] if reason[1] else [])
        size, lines = size + len(raw), lines + 1
    if size != path.stat().st_size:
        raise DamagedFile(path, "its last line is cut short", remedy)
    return digest.hexdigest(), lines, dropped


def _parsed(path: Path, remedy: str) -> tuple[str, int, Counter[str]]:
    """Return the same, each line parsed and written anew."""
    digest, lines, dropped = hashlib.sha256(), 0, Counter[str]()
    for record in read_structs(path, Record, remedy):
        digest.update(encode(msgspec.structs.replace(record, seconds=0.0)))
        dropped.update([record.dropped] if record.dropped else [])
        lines += 1
    return digest.hexdigest(), lines, dropped


def _feed(path: Path, digests: tuple[_Digest, ...], remedy: str) -> int:
    """Feed digests with a file; return how many lines it has."""
    lines = 0
    for chunk in _chunks(path, remedy):
        lines += chunk.count(b"\n")
        for digest in digests:
            digest.update(chunk)
    return lines


def _read(path: Path, remedy: str) -> bytes:
    return b"".join(_chunks(path, remedy))


def _chunks(path: Path, remedy: str) -> Iterator[bytes]:
    _present(path, remedy)
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise misplaced(path, remedy, error) from error


def _present(path: Path, remedy: str) -> None:
    if not path.exists():
        raise DamagedFile(path, "it is missing", remedy)
