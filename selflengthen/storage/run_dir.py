"""The only writer of a run's folder: its paths, appends, atomic writes, done markers and lock.

    config.yaml   held-out.jsonl   prompts/   logs/attempt-NN.log
    rounds/01/1-instruct/  stage.json  records.jsonl  rejected.jsonl  DONE.json
    final/1-instruct/      the same: what comes after the last round

What a kill can do: a torn last line is dropped at the next start, and its item is owed again;
refusals whose item has no verdict yet go with it. `stage.json` says what a stage's key was made
of; `DONE.json` is written last. Both are written beside their place and renamed into it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from selflengthen.errors import DamagedFile, UserError
from selflengthen.storage import lock
from selflengthen.storage.atomic import rewrite, write_json
from selflengthen.storage.jsonl import pick, read_ids, read_lines, read_structs, trim
from selflengthen.storage.records import Instruction, Record, Refusal, encode, fingerprint
from selflengthen.storage.schemas import TextsDone, read_done, read_identity
from selflengthen.storage.stage_table import (
    FINAL_STAGES,
    HELD_OUT,
    MERGE,
    ROUND_STAGES,
    StageSpec,
    find_stage,
)

HELD_OUT_FILE = "held-out.jsonl"
PRODUCTS = ("dataset", "adapter", "merged", "figures.json")


class RunFolder:
    """A run on disk."""

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is read or made."""
        self.path = path
        self.config = path / "config.yaml"
        self.prompts = path / "prompts"
        self.rounds = path / "rounds"
        self.final = path / "final"
        self.logs = path / "logs"
        self._presence: lock.Presence | None = None

    def stage(self, spec: StageSpec, number: int | None = None, part: str = "") -> StageFolder:
        """Return the folder of a stage of round `number`, or of what comes after the last (None).

        Round 0 holds what was measured before the first. `part` is one of `spec.parts`.
        """
        turn = "final" if number is None else f"{number:02d}"
        above = self.final if number is None else self.rounds / turn
        title = "/".join(filter(None, (turn, spec.name, part)))
        path = above / spec.name / part if part else above / spec.name
        return StageFolder(path, title, run=self, spec=spec, number=number, part=part)

    def named(self, name: str, number: int | None = None) -> StageFolder:
        """Return the same by the name of its folder: `2-draft`, `5-train/generator`."""
        spec = find_stage(name.partition("/")[0], FINAL_STAGES if number is None else ROUND_STAGES)
        assert spec is not None, f"{name} is no stage"
        return self.stage(spec, number, name.partition("/")[2])

    def finished(self) -> int:
        """Return how many rounds are done, their held-out texts included."""
        number = 0
        while self.stage(HELD_OUT, number + 1).done():
            number += 1
        return number

    def metrics(self, number: int) -> Path:
        """Return where a round's metrics stand."""
        return self.rounds / f"{number:02d}" / "metrics.json"

    def stages(self) -> list[StageFolder]:
        """Return the stages of rounds that were begun, in the order of the method."""
        folders = (
            folder
            for number in self.round_numbers()
            for spec in ROUND_STAGES
            for folder in self.parts(spec, number)
        )
        return [folder for folder in folders if folder.begun()]

    def last_stages(self) -> list[StageFolder]:
        """Return the stages after the last round that were begun, in their order."""
        folders = (folder for spec in FINAL_STAGES for folder in self.parts(spec))
        return [folder for folder in folders if folder.begun()]

    def parts(self, spec: StageSpec, number: int | None = None) -> list[StageFolder]:
        """Return the folders of a stage: its own, or those of its parts."""
        return [self.stage(spec, number, part) for part in spec.parts or ("",)]

    def round_numbers(self) -> list[int]:
        """Return the rounds that have a folder; `02.bak` beside one is a backup, and ignored."""
        names = [path.name for path in _entries(self.rounds) if path.name.isdecimal()]
        return sorted(int(name) for name in names if name == f"{int(name):02d}")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock; raise UserError naming who holds it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with lock.hold(self.path / "lock", self.in_use):
            self._presence = lock.Presence(self.path / "lock")
            yield

    def lost(self) -> bool:
        """Say whether the run was locked here, and its lock or its folder was taken away since."""
        return self._presence is not None and self._presence.lost()

    def require_present(self) -> None:
        """Raise SelfLengthenError where the run is lost: nothing may be written in its place."""
        if self._presence is not None and self.lost():
            raise self._presence.error("")

    def holder(self) -> str | None:
        """Return who holds the lock, or None; nothing is written."""
        return lock.holder(self.path / "lock")

    def in_use(self, holder: str) -> UserError:
        """Return the refusal of a second controller."""
        return UserError(
            f"{self.path}: this run is in use by {holder}; wait for it, stop it, or use another "
            "--run-dir."
        )

    def keep(self, config: str, prompts: Mapping[str, str], held_out: Mapping[str, str]) -> None:
        """Save what a start uses: configuration (YAML), prompts by file name, held-out by id."""
        rewrite(self.config, [config.encode()])
        rows = (Instruction(id=name, instruction=text) for name, text in held_out.items())
        rewrite(self.path / HELD_OUT_FILE, map(encode, rows))
        for name, text in prompts.items():
            rewrite(self.prompts / name, [text.encode() + b"\n"])

    def held_out(self, *, final: bool) -> Iterator[Instruction]:
        """Read the held-out instructions; `final`: as they ask for a length after the rounds."""
        return read_structs((self.final if final else self.path) / HELD_OUT_FILE, Instruction)

    def new_log(self) -> Path:
        """Start the log of this attempt, and point `latest` at it."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"attempt-{len(list(self.logs.glob('attempt-*.log'))) + 1:02d}.log"
        log.touch()
        temporary = self.logs / ".latest"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(log.name)
        temporary.replace(self.logs / "latest")
        return log

    def set_aside(self, folders: Iterable[StageFolder]) -> Path:
        """Move stage folders out of the way, to `superseded/`; nothing is deleted.

        With stages of a round go its figures, and with stages after the last round what was made
        of them.
        """
        place = self.path / "superseded" / time.strftime("%Y%m%d-%H%M%S")
        while place.exists():  # two within a second
            place = place.with_name(f"{place.name}-again")
        moved: dict[Path, Path] = {}
        for folder in folders:
            moved[folder.path] = place / folder.title
            if folder.number and (figures := self.metrics(folder.number)).exists():
                moved[figures] = place / f"{folder.number:02d}" / figures.name
        if any(path.is_relative_to(self.final) for path in moved):
            products = [self.final / name for name in PRODUCTS]
            moved |= {path: place / "final" / path.name for path in products if path.exists()}
        # The last first: where a kill comes between, no stage stands without what it was made of.
        for path, target in reversed(moved.items()):
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        return place


class StageFolder:
    """One stage on disk, of a round or after the last."""

    def __init__(
        self,
        path: Path,
        title: str,
        *,
        run: RunFolder | None = None,
        spec: StageSpec | None = None,
        number: int | None = None,
        part: str = "",
    ) -> None:
        """Name the folder; nothing is read or made.

        `title` is what people call it: `01/2-draft`, `final/4-demand`. A stage of a run has its
        entry in the table of stages, and the number of its round, None after the last. One that is
        no stage of a run, as the answers to a benchmark, has texts.
        """
        self.path = path
        self.title = title
        self._run = run
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
        """Say what this stage is made of, and drop what a kill left half-written."""
        if self._run is not None:
            self._run.require_present()
        self.path.mkdir(parents=True, exist_ok=True)
        if not (self.path / "stage.json").exists():
            write_json(self.path / "stage.json", {"key": key_of(identity), "identity": identity})
        for path in (self.records_path, self.rejected_path):
            trim(path)

    @property
    def remedy(self) -> str:
        """What to do where one of the stage's files is damaged, for the end of a message."""
        if self._spec is None or self._spec is HELD_OUT:  # nothing is made of held-out texts
            return f"restore the file, or move {self.path} away to have it made again"
        if self.number is None:
            merge = " --merge" if self._spec is MERGE else ""
            redo = f"finish RUN{merge} --redo {self.spec.name}"
            return f"restore the file, or make it again with `{redo}`"
        place = f"{self.number:02d}/{self.spec.name}"
        return f"restore the file, or make it again with `run --redo {place}`"

    def begun(self) -> bool:
        """Say whether anything of the stage is there; raise DamagedFile where it is no folder."""
        return any(not path.name.startswith(".") for path in _entries(self.path))

    def identity(self) -> dict[str, Any] | None:
        """Return what the stage was begun with, or None."""
        return read_identity(self.path / "stage.json", self.remedy)

    def key(self) -> str | None:
        """Return the key of what the stage was begun with, or None."""
        identity = self.identity()
        return None if identity is None else key_of(identity)

    def done(self) -> dict[str, Any] | None:
        """Return DONE.json, or None."""
        kind = self._spec.done if self._spec else TextsDone
        return read_done(self.path / "DONE.json", kind, self.remedy)

    def finished(self) -> set[str]:
        """Return the ids of items that have a verdict."""
        ids = set(read_ids(self.records_path, remedy=self.remedy))
        ids.update(read_ids(self.rejected_path, last=True, remedy=self.remedy))
        return ids

    def count(self) -> int:
        """Count the accepted texts that were not set aside; DONE.json knows it without them."""
        done = self.done()
        if done and "accepted" in done:
            return int(done["accepted"] - sum(done["dropped"].values()))
        return sum(line.dropped is None for line in read_lines(self.records_path, self.remedy))

    def records(self, *, dropped: bool = False) -> Iterator[Record]:
        """Read the accepted texts; those set aside only when asked for."""
        for record in read_structs(self.records_path, Record, self.remedy):
            if dropped or record.dropped is None:
                yield record

    def refusals(self) -> Iterator[Refusal]:
        """Read the refused attempts."""
        return read_structs(self.rejected_path, Refusal, self.remedy)

    def append(self, records: Iterable[Record] = (), refusals: Iterable[Refusal] = ()) -> None:
        """Append verdicts and force them to disk, refusals first: a record ends its item.

        Where the disk refuses, both files end in whole lines.
        """
        _append(self.rejected_path, refusals)
        _append(self.records_path, records)

    def settle(self, dropped: Mapping[str, str]) -> str:
        """Sort both files by id, mark what is dropped and why; return the digest of the texts.

        Whatever the order in which things finished, and however often the stage was started, the
        files are then the same but for `seconds`.
        """
        finished = self.finished()
        refused = {
            (line.id, line.attempt): line
            for line in read_lines(self.rejected_path, self.remedy)
            if line.id in finished
        }
        kept = [refused[key] for key in sorted(refused)]
        rewrite(self.rejected_path, pick(self.rejected_path, kept))
        accepted = {line.id: line for line in read_lines(self.records_path, self.remedy)}
        texts = pick(self.records_path, [accepted[name] for name in sorted(accepted)])
        digest = hashlib.sha256()
        rewrite(self.records_path, _settled(texts, dropped, digest))
        return digest.hexdigest()

    def finish(self, digest: str, summary: Mapping[str, Any]) -> None:
        """Write DONE.json, the last thing of a stage."""
        from selflengthen import __version__

        done = {"key": self.key(), "digest": digest, **summary}
        done |= {"version": __version__, "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        write_json(self.path / "DONE.json", done)


def _settled(texts: Iterable[bytes], dropped: Mapping[str, str], digest: Any) -> Iterator[bytes]:
    """Yield the lines in order, marked where dropped; feed the digest with all but the times."""
    decoder = msgspec.json.Decoder(Record)
    for raw in texts:
        record = decoder.decode(raw)
        record = msgspec.structs.replace(record, dropped=dropped.get(record.id))
        digest.update(encode(msgspec.structs.replace(record, seconds=0.0)))
        yield encode(record)


def _entries(folder: Path) -> list[Path]:
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
