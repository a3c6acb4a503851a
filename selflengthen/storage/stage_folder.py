"""One stage on disk: its stage.json, its texts line by line, and its DONE.json.

After a kill, the next start drops a torn last line, and rejections whose item has no verdict; these
items start again. `stage.json` has what the stage's key is the digest of; `DONE.json` is written
last. Both are written to a temporary file and renamed.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from selflengthen.errors import DamagedFile
from selflengthen.storage.atomic import rewrite, write_json
from selflengthen.storage.jsonl import pick, read_ids, read_lines, read_structs, trim
from selflengthen.storage.records import Record, Rejection, encode, fingerprint
from selflengthen.storage.schemas import (
    D,
    Done,
    Identity,
    StageFile,
    TextsDone,
    read_done,
    read_identity,
)
from selflengthen.storage.stage_table import HELD_OUT, MERGE, StageSpec


class StageFolder:
    """One stage on disk, of a round or after the last."""

    def __init__(
        self,
        path: Path,
        title: str,
        *,
        require_run: Callable[[], None] = lambda: None,
        spec: StageSpec | None = None,
        number: int | None = None,
        part: str = "",
    ) -> None:
        """Name the folder; nothing is read or made.

        `title` is what people call it: `01/2-draft`, `final/4-demand`. A stage of a run has its
        entry in the table of stages, and the number of its round, None after the last. One that is
        no stage of a run, as the answers to a benchmark, has texts. Before a stage begins,
        `require_run` may raise where the run was taken away.
        """
        self.path = path
        self.title = title
        self._require_run = require_run
        self._spec = spec
        self.number = number
        self.part = part
        self.records_path = path / "records.jsonl"
        self.rejected_path = path / "rejected.jsonl"

    @property
    def spec(self) -> StageSpec:
        """The stage's entry in the table; what is no stage of a run has none."""
        assert self._spec is not None, f"{self.title} is no stage of a run"
        return self._spec

    def is_a(self, *specs: StageSpec) -> bool:
        """Say whether this is one of these stages."""
        return self._spec in specs

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Write stage.json, unless it is there, and drop lines that a kill left half-written."""
        self._require_run()
        self.path.mkdir(parents=True, exist_ok=True)
        if not (self.path / "stage.json").exists():
            stage = StageFile(key_of(identity), dict(identity))
            write_json(self.path / "stage.json", msgspec.structs.asdict(stage))
        for path in (self.records_path, self.rejected_path):
            trim(path)

    @property
    def remedy(self) -> str:
        """What to do about a damaged file of the stage: the end of an error message."""
        if self._spec is None or self._spec is HELD_OUT:  # nothing is made of held-out texts
            return f"restore the file, or move {self.path} away to have it written again"
        if self.number is None:
            merge = " --merge" if self._spec is MERGE else ""
            redo = f"finish RUN{merge} --redo {self.spec.name}"
            return f"restore the file, or repeat the stage with `{redo}`"
        place = f"{self.number:02d}/{self.spec.name}"
        return f"restore the file, or repeat the stage with `run --redo {place}`"

    def begun(self) -> bool:
        """Say whether anything of the stage is there; raise DamagedFile where it is no folder."""
        return any(not path.name.startswith(".") for path in entries(self.path))

    def identity(self) -> Identity | None:
        """Return the identity that the stage was begun with, or None."""
        return read_identity(self.path / "stage.json", self.remedy)

    def key(self) -> str | None:
        """Return the key that the stage was begun with, or None."""
        identity = self.identity()
        return None if identity is None else key_of(identity)

    def done(self) -> Done | None:
        """Return DONE.json, or None where the stage is not done."""
        kind = self._spec.done if self._spec else TextsDone
        return read_done(self.path / "DONE.json", kind, self.remedy)

    def done_as(self, kind: type[D]) -> D | None:
        """Return the same; None also where it is of another kind, as that of a skipped training."""
        done = self.done()
        return done if isinstance(done, kind) else None

    def require_done(self, kind: type[D]) -> D:
        """Return the same of a stage that is known to be done."""
        done = self.done_as(kind)
        assert done is not None, f"{self.title} is not done"
        return done

    def finished(self) -> set[str]:
        """Return the ids of items that have a verdict."""
        ids = set(read_ids(self.records_path, remedy=self.remedy))
        ids.update(read_ids(self.rejected_path, last=True, remedy=self.remedy))
        return ids

    def count(self) -> int:
        """Count the accepted texts that were not set aside, by DONE.json if there is one."""
        done = self.done_as(TextsDone)
        if done:
            return done.accepted - sum(done.dropped.values())
        return sum(line.dropped is None for line in read_lines(self.records_path, self.remedy))

    def records(self, *, dropped: bool = False) -> Iterator[Record]:
        """Read the accepted texts, those set aside only if `dropped`."""
        for record in read_structs(self.records_path, Record, self.remedy):
            if dropped or record.dropped is None:
                yield record

    def rejections(self) -> Iterator[Rejection]:
        """Read the rejected attempts."""
        return read_structs(self.rejected_path, Rejection, self.remedy)

    def append(self, records: Iterable[Record] = (), rejections: Iterable[Rejection] = ()) -> None:
        """Append verdicts and force them to disk, rejections first: a record ends its item.

        If the disk is full, both files still end in complete lines.
        """
        _append(self.rejected_path, rejections)
        _append(self.records_path, records)

    def settle(self, dropped: Mapping[str, str]) -> str:
        """Sort both files by id, mark what is dropped and why; return the digest of the texts.

        The files then differ only in `seconds`, whatever the order in which items finished and
        however often the stage was started.
        """
        finished = self.finished()
        rejected = {
            (line.id, line.attempt): line
            for line in read_lines(self.rejected_path, self.remedy)
            if line.id in finished
        }
        lines = [rejected[key] for key in sorted(rejected)]
        rewrite(self.rejected_path, pick(self.rejected_path, lines))
        accepted = {line.id: line for line in read_lines(self.records_path, self.remedy)}
        texts = pick(self.records_path, [accepted[name] for name in sorted(accepted)])
        digest = hashlib.sha256()
        rewrite(self.records_path, _settled(texts, dropped, digest))
        return digest.hexdigest()

    def finish(self, done: Done) -> None:
        """Write DONE.json with today's version and time, the last thing of a stage."""
        from selflengthen import __version__

        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        done = msgspec.structs.replace(done, version=__version__, finished=now)
        write_json(self.path / "DONE.json", done.as_json())


def _settled(texts: Iterable[bytes], dropped: Mapping[str, str], digest: Any) -> Iterator[bytes]:
    """Yield the lines in order, marked where dropped; feed the digest with all but the times."""
    decoder = msgspec.json.Decoder(Record)
    for raw in texts:
        record = decoder.decode(raw)
        record = msgspec.structs.replace(record, dropped=dropped.get(record.id))
        digest.update(encode(msgspec.structs.replace(record, seconds=0.0)))
        yield encode(record)


def key_of(identity: Mapping[str, Any]) -> str:
    """Return the key of a stage: the digest of all that decides what it makes."""
    return fingerprint(identity).hex()


def _append(path: Path, records: Iterable[msgspec.Struct]) -> None:
    data = b"".join(encode(r) for r in records)
    if not data:
        return
    with open(path, "ab", buffering=0) as file:
        size = file.tell()
        try:
            while data:
                data = data[file.write(data) :]
            os.fsync(file.fileno())
        except OSError as error:
            error.filename = str(path)
            file.truncate(size)  # a full disk took a part: the next line must not go on with it
            raise


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing where there is none.

    Raises DamagedFile where a file is in its place, or in that of a folder above.
    """
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
    except NotADirectoryError as error:
        place = next(path for path in (folder, *folder.parents) if path.exists())
        what = "there is a file where a folder belongs"
        raise DamagedFile(place, what, "move it away") from error
