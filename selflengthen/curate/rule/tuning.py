"""Tunings: a model trained on some rows by our own training, and its loss on an evaluation set.

A tuning has a folder, so that a killed work goes on: what has a loss on file is not tuned again,
and a training in the middle goes on from its checkpoint.

    rows.jsonl     the rows, as training reads them
    adapter/       the training; its weights go once the loss is on file, unless they are to stay
    tuned.json     written last: the loss and what was said of the rows
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from selflengthen.config import TrainConfig, identity_of
from selflengthen.curate.io.rows import Rows, Tell
from selflengthen.curate.io.work_dir import content
from selflengthen.errors import TrainingError
from selflengthen.inputs.models import Model
from selflengthen.storage.atomic import read_json, rewrite, write_json
from selflengthen.storage.records import Row, encode
from selflengthen.training.job import ADAPTER_FILES, TOKENIZER_FILES, TrainingJob, job_of


class Tuning(msgspec.Struct, frozen=True):
    """What is to be tuned and measured: a training, and the file of the evaluation's rows."""

    job: TrainingJob
    evaluation: str


class Loss(msgspec.Struct, frozen=True):
    """The mean loss a target token (nats), over so many tokens of so many rows.

    `dropped` rows were longer than what is trained on, and were left out.
    """

    loss: float
    tokens: int
    rows: int
    dropped: int = 0


Tune = Callable[[Tuning], Awaitable[Loss]]
"""Trains and measures; the real one is `tuner.Tuner`."""


T_co = TypeVar("T_co", covariant=True)


class Work(Protocol[T_co]):
    """A work of many tunings; `identity` is what it is made of."""

    identity: dict[str, Any]

    async def play(self, folder: Path, tune: Tune, tell: Tell | None = None) -> T_co:
        """Do what is not done yet; return the result."""
        ...


@dataclass(frozen=True)
class Setup:
    """How models are tuned and measured.

    Rate and epochs are those of `train.generator`. All tunings have the same seed, so that they
    differ by their rows alone. `keep`: adapters stay.
    """

    model: Model
    train: TrainConfig
    evaluation: Rows
    seed: int = 0
    keep: bool = False

    def identity(self) -> dict[str, Any]:
        """Return what decides a loss, besides the rows that are trained on."""
        settings = identity_of(self.train)
        for name in ("expander", "continue_adapter", "min_rows"):  # a run's, and nothing here
            settings.pop(name, None)
        settings["generator"].pop("later_rate", None)
        return {
            "model": self.model.digest,
            "seed": self.seed,
            "train": settings,
            "evaluation": content(self.evaluation),
        }


async def tuned(
    setup: Setup, rows: Rows, work: Path, name: str, tune: Tune, said: Mapping[str, Any]
) -> dict[str, Any]:
    """Tune on rows in the folder `name` of a work, or read what is on file there.

    Returns the loss and what is `said` of the rows. Raises TrainingError where the training fails
    or the loss is no number.
    """
    folder, evaluation = work / name, work / "evaluation.jsonl"
    found: dict[str, Any] | None = read_json(folder / "tuned.json")
    if found is None:
        began = time.monotonic()
        folder.parent.mkdir(exist_ok=True)
        _write(folder / "rows.jsonl", rows)
        _write(evaluation, setup.evaluation)
        job = _job(setup, folder / "rows.jsonl", folder / "adapter")
        measured = await tune(Tuning(job, str(evaluation)))
        if not math.isfinite(measured.loss):
            raise TrainingError(
                f"{folder}: the loss on the evaluation set is {measured.loss}; lower "
                "train.generator.learning_rate, and give another --work."
            )
        found = {**said, **msgspec.to_builtins(measured)}
        found["seconds"] = round(time.monotonic() - began, 2)
        write_json(folder / "tuned.json", found)
    if not setup.keep:
        for file in (*ADAPTER_FILES, *TOKENIZER_FILES):
            (folder / "adapter" / file).unlink(missing_ok=True)
    return found


def _write(path: Path, rows: Rows) -> None:
    if not path.exists():
        rewrite(path, training_lines(rows))


def training_lines(rows: Rows) -> Iterator[bytes]:
    """Yield rows as training reads them."""
    for row in rows:
        yield encode(
            Row(
                id=str(row.number),
                prompt=[{"role": "user", "content": row.prompt}],
                completion=[{"role": "assistant", "content": row.response}],
            )
        )


def _job(setup: Setup, rows: Path, output: Path) -> TrainingJob:
    own = setup.train.generator
    return job_of(
        setup.train,
        model=str(setup.model.path),
        rows=rows,
        output=output,
        start_from=None,
        seed=setup.seed,
        learning_rate=own.learning_rate,
        epochs=own.epochs,
    )
