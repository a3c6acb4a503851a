"""Compares the files of a finished stage with its DONE.json before another stage reads them.

The digest of texts ignores `seconds` (see `StageFolder.settle`), that of rows is over the
bytes of their files, and that of an adapter is over its weights, as the training defines it. A
stage without DONE.json is in work: there is nothing to compare its files with yet.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from selflengthen.errors import DamagedFile
from selflengthen.storage.atomic import misplaced
from selflengthen.storage.jsonl import read_raw, read_structs
from selflengthen.storage.records import LeftOut, Record, encode
from selflengthen.storage.schemas import (
    Done,
    RowsDone,
    Spread,
    TextsDone,
    TrainedDone,
    UnionDone,
    rows_of,
)
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import CURATE, MERGE, ROLES
from selflengthen.text.statistics import spread
from selflengthen.training.job import ADAPTER_FILES
from selflengthen.training.weights import digest_of_weights

ROW_FILES = tuple(f"{role}.jsonl" for role in ROLES)
ALTERED = "it was changed after it was written"
_SECONDS, _DROPPED = b',"seconds":', re.compile(rb',"dropped":(?:null|"([^"\\]*)")')
_CHUNK = 1 << 20


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


def require_sound(folder: StageFolder) -> None:
    """Raise DamagedFile if the files of a finished stage do not match its DONE.json."""
    for fault in faults(folder):
        raise fault


def faults(folder: StageFolder) -> Iterator[DamagedFile]:
    """Yield the damaged files of a finished stage; nothing for one that is in work.

    Raises DamagedFile where a file cannot be read at all.
    """
    done = folder.done()
    if done is None:
        return
    yield from _of_another(folder, done)
    place = folder.path.parent / "merged" if folder.is_a(MERGE) else folder.path
    for name, digest in done.files.items():
        if digest_of(place / name, folder.remedy) != digest:
            yield DamagedFile(place / name, ALTERED, folder.remedy)
    if isinstance(done, RowsDone):
        yield from _rows(folder, done)
    elif isinstance(done, UnionDone):
        yield from _union(folder, done)
    elif isinstance(done, TrainedDone):
        yield from adapter_faults(folder.path, done.digest, folder.remedy)
    elif isinstance(done, TextsDone):
        yield from _texts(folder, done)


def thorough_faults(folder: StageFolder) -> Iterator[DamagedFile]:
    """Yield the same, and damage to files that no stage reads, or of a stage in work."""
    done = folder.done()
    named = set()
    for fault in faults(folder):
        named.add(fault.path)
        yield fault
    if folder.records_path.exists() or folder.rejected_path.exists():
        words = [record.words for record in folder.records(dropped=True)]
        reasons = Counter(rejection.reason for rejection in folder.rejections())
        if isinstance(done, TextsDone):
            if not named and Spread(**spread(words)) != done.words:
                yield _miscounted(folder, "words", folder.records_path.name)
            if reasons != done.refusals:
                yield DamagedFile(folder.rejected_path, ALTERED, folder.remedy)
    if isinstance(done, UnionDone):
        path = folder.path / "dropped.jsonl"
        dropped = Counter(line.reason for line in read_structs(path, LeftOut, folder.remedy))
        if dropped != done.dropped:
            yield DamagedFile(path, ALTERED, folder.remedy)


def adapter_faults(folder: Path, digest: str, remedy: str) -> Iterator[DamagedFile]:
    """Yield the damaged files of an adapter whose weights should have this digest."""
    weights = folder / ADAPTER_FILES[1]
    try:
        if digest_of_weights(weights) != digest:
            yield DamagedFile(weights, ALTERED, remedy)
    except FileNotFoundError:
        yield DamagedFile(weights, "it is missing", remedy)
    except ValueError as error:
        yield DamagedFile(weights, f"it has no readable weights ({error})", remedy)
    except OSError as error:
        raise misplaced(weights, remedy, error) from error
    settings = folder / ADAPTER_FILES[0]
    try:
        msgspec.json.decode(_read(settings, remedy), type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        yield DamagedFile(settings, "it is not an adapter's configuration", remedy)


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


def _of_another(folder: StageFolder, done: Done) -> Iterator[DamagedFile]:
    """Compare DONE.json with stage.json: both must be those of this stage."""
    key = folder.key()
    if key is None:
        yield DamagedFile(folder.path / "stage.json", "it is missing", folder.remedy)
    elif key != done.key:
        yield DamagedFile(folder.path / "DONE.json", "it belongs to another stage", folder.remedy)


def _texts(folder: StageFolder, done: TextsDone) -> Iterator[DamagedFile]:
    path = folder.records_path
    _present(path, folder.remedy)
    digest, texts, dropped = _settled(path, folder.remedy)
    if digest != done.digest:
        # The same texts may be written in another way, by another program.
        digest, texts, dropped = _parsed(path, folder.remedy)
    if digest != done.digest:
        yield DamagedFile(path, ALTERED, folder.remedy)
        return
    if texts != done.accepted:
        yield _miscounted(folder, "accepted", path.name)
    if dropped != done.dropped:
        yield _miscounted(folder, "dropped", path.name)


def _rows(folder: StageFolder, done: RowsDone) -> Iterator[DamagedFile]:
    joined = hashlib.sha256()
    by_file = hashlib.sha256()
    counts = []
    for name in ROW_FILES:
        own = hashlib.sha256()
        counts.append(_feed(folder.path / name, (joined, own), folder.remedy))
        by_file.update(own.digest())
    digest = (by_file if folder.is_a(CURATE) else joined).hexdigest()
    expected = [rows_of(done, role) for role in ROLES]
    if digest == done.digest and counts != expected:
        yield _miscounted(folder, "rows", ROW_FILES[0])
    elif digest != done.digest:
        both = zip(ROW_FILES, counts, expected, strict=True)
        named = [name for name, count, wanted in both if count != wanted]
        what = ALTERED if named else f"this file or {ROW_FILES[1]} was changed after it was written"
        yield DamagedFile(folder.path / (named or ROW_FILES)[0], what, folder.remedy)


def _union(folder: StageFolder, done: UnionDone) -> Iterator[DamagedFile]:
    path = folder.path / "union.jsonl"
    digest = hashlib.sha256()
    rows = _feed(path, (digest,), folder.remedy)
    if digest.hexdigest() != done.digest:
        yield DamagedFile(path, ALTERED, folder.remedy)
        return
    if rows != done.rows:
        yield _miscounted(folder, "rows", path.name)
    if rows != done.sources.rounds + done.sources.collected:
        yield _miscounted(folder, "from", path.name)


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
    """Return the same, with each line parsed and encoded again."""
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
