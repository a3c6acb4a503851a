"""`metrics.jsonl` of a training: a line per optimizer step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec


class TrainingStep(msgspec.Struct, frozen=True):
    """One optimizer step.

    Attributes:
        step: its number, from 1.
        loss: mean loss of a trained token.
        learning_rate: of this step.
        tokens: tokens that went through the model, prompts included.
        seconds: wall time.
    """

    step: int
    loss: float
    learning_rate: float
    tokens: int
    seconds: float


def read_steps(path: Path) -> list[TrainingStep]:
    """Read the complete lines of a metrics file; a torn last line is left out."""
    return [_parse(line) for line in _lines(path)]


class StepReader:
    """Yields the steps that a running training adds to a metrics file.

    The child may rewrite the file once, without the steps after its checkpoint.
    """

    def __init__(self, path: Path) -> None:
        """Skip the steps that the file has already."""
        self._path = path
        self._seen: set[bytes] = set()
        self._last_stat: tuple[int, int] | None = None  # inode and bytes
        list(self.new_steps())

    def new_steps(self) -> Iterator[TrainingStep]:
        """Yield the steps since the last call."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return
        if (stat.st_ino, stat.st_size) == self._last_stat:
            return
        self._last_stat = stat.st_ino, stat.st_size
        for line in _lines(self._path):
            if line not in self._seen:
                self._seen.add(line)
                yield _parse(line)


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def _parse(line: bytes) -> TrainingStep:
    return msgspec.json.decode(line, type=TrainingStep)
