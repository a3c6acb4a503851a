"""The only writer of a run's folder: its paths, appends, atomic writes, done markers and lock.

    config.yaml   seeds.jsonl   held-out.jsonl   source.jsonl   prompts/   logs/attempt-NN.log
    rounds/01/1-instruct/  stage.json  records.jsonl  rejected.jsonl  DONE.json
    final/1-instruct/      the same: what comes after the last round

`stage_folder` writes what is inside of a stage.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from selflengthen.errors import UserError
from selflengthen.storage import lock
from selflengthen.storage.atomic import rewrite
from selflengthen.storage.jsonl import read_structs
from selflengthen.storage.records import Instruction, encode
from selflengthen.storage.stage_folder import StageFolder, entries
from selflengthen.storage.stage_table import (
    FINAL_STAGES,
    HELD_OUT,
    ROUND_STAGES,
    StageSpec,
    find_stage,
)

HELD_OUT_FILE = "held-out.jsonl"
OPTIONAL_PROMPT = "system.md"
PRODUCTS = ("dataset", "adapter", "merged", "figures.json")


class RunFolder:
    """A run on disk."""

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is read or made."""
        self.path = path
        self.config = path / "config.yaml"
        self.prompts = path / "prompts"
        self.seeds = path / "seeds.jsonl"
        self.source = path / "source.jsonl"
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
        return StageFolder(
            path,
            title,
            require_run=self.require_present,
            spec=spec,
            number=number,
            part=part,
        )

    def named(self, name: str, number: int | None = None) -> StageFolder:
        """Return the same by the name of its folder: `2-draft`, `5-train/generator`."""
        folder = self.find(name, number)
        assert folder is not None, f"{name} is no stage"
        return folder

    def find(self, name: str, number: int | None = None) -> StageFolder | None:
        """Return the same, or None for a name, read from a file, that is not a stage's."""
        first, _, part = name.partition("/")
        spec = find_stage(first, FINAL_STAGES if number is None else ROUND_STAGES)
        if spec is None or (part and part not in spec.parts):
            return None
        return self.stage(spec, number, part)

    def finished(self) -> int:
        """Return how many rounds are done, their held-out texts included."""
        number = 0
        while self.stage(HELD_OUT, number + 1).done():
            number += 1
        return number

    def metrics(self, number: int) -> Path:
        """Return where a round's metrics stand."""
        return self.rounds / f"{number:02d}" / "metrics.json"

    def relevance(self, number: int) -> Path:
        """Return where the relevance of a round's held-out texts stands."""
        return self.metrics(number).with_name("relevance.json")

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
        """Return the rounds that have a folder; others, such as `02.bak`, are ignored."""
        names = [path.name for path in entries(self.rounds) if path.name.isdecimal()]
        return sorted(int(name) for name in names if name == f"{int(name):02d}")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock; raise UserError naming who holds it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with lock.hold(self.path / "lock", self.in_use):
            self._presence = lock.Presence(self.path / "lock")
            yield

    def lost(self) -> bool:
        """Say whether the run was locked here and its lock or folder was removed since."""
        return self._presence is not None and self._presence.lost()

    def require_present(self) -> None:
        """Raise SelfLengthenError if the run is lost: nothing may be written in its place."""
        if self._presence is not None and self.lost():
            raise self._presence.error("")

    def holder(self) -> str | None:
        """Return who holds the lock, or None; nothing is written."""
        return lock.holder(self.path / "lock")

    def in_use(self, holder: str) -> UserError:
        """Return the error for a run that another process holds."""
        return UserError(
            f"{self.path}: this run is in use by {holder}; wait for it, stop it, or use another "
            "--run-dir."
        )

    def is_begun(self) -> bool:
        """Say whether a start saved its configuration here; a file that somebody wrote is none."""
        return self.config.is_file() and (self.logs.is_dir() or self.prompts.is_dir())

    def keep(
        self,
        config: str,
        *,
        prompts: Mapping[str, str],
        seeds: Mapping[str, str],
        held_out: Mapping[str, str],
        source: Mapping[str, str],
    ) -> None:
        """Save what a start uses: configuration (YAML), prompts by file name, the rest by id.

        There is no file of an optional prompt that the start does not use, and none of `source`
        where it is empty.
        """
        rewrite(self.config, [config.encode()])
        saved = {self.seeds: seeds, self.path / HELD_OUT_FILE: held_out}
        for path, instructions in (saved | ({self.source: source} if source else {})).items():
            rows = (Instruction(id=name, instruction=text) for name, text in instructions.items())
            rewrite(path, map(encode, rows))
        for name, text in prompts.items():
            rewrite(self.prompts / name, [text.encode() + b"\n"])
        if OPTIONAL_PROMPT not in prompts:
            (self.prompts / OPTIONAL_PROMPT).unlink(missing_ok=True)

    def held_out(self, *, final: bool) -> Iterator[Instruction]:
        """Read the held-out instructions; if `final`, those with a length requirement."""
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

        With stages of a round goes its metrics.json; with stages after the last round go the
        products.
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
        # The last first: even after a kill in between, every stage has those it was made from.
        for path, target in reversed(moved.items()):
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        return place
