"""A tuning: a model fine-tuned on some rows by our trainer, and its loss on an evaluation set.

Each tuning has a folder, so that a killed series resumes: a tuning whose loss is on file is not
repeated, and an interrupted training resumes from its checkpoint.

    rows.jsonl     the rows, as training reads them
    adapter/       the training; its weights are deleted once the loss is on file, unless `keep`
    tuned.json     written last: which rows these are, the loss, and the seconds it took
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from selflengthen.config import TrainConfig
from selflengthen.curate.io.rows import OnProgress, Rows
from selflengthen.curate.io.work_dir import content_digest
from selflengthen.errors import DamagedFile, TrainingError
from selflengthen.field_kinds import identity_of
from selflengthen.inputs.models import Model
from selflengthen.storage.atomic import read_json, rewrite, write_json
from selflengthen.storage.records import TrainingRow, encode
from selflengthen.training.job import ADAPTER_FILES, TOKENIZER_FILES, TrainingJob, job_of


class Tuning(msgspec.Struct, frozen=True):
    """An order to the tuner: a training, and the file with the rows to evaluate it on."""

    job: TrainingJob
    evaluation: str


class Loss(msgspec.Struct, frozen=True):
    """A tuned model's loss on the evaluation set.

    Attributes:
        loss: the mean per target token, in nats.
        tokens: target tokens that it is the mean of.
        rows: evaluation rows that they are from.
        dropped: evaluation rows left out for being longer than the training's maximum.
    """

    loss: float
    tokens: int
    rows: int
    dropped: int = 0


Tune = Callable[[Tuning], Awaitable[Loss]]
"""Trains and evaluates; `tuner.Tuner` is the real one."""

_REMEDY = "delete it, and run the same command to tune again"

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class TuningSeries(Protocol[T_co]):
    """Many tunings that lead to one result; only one with an equal `identity` resumes them."""

    identity: Mapping[str, Any]

    async def play(self, folder: Path, tune: Tune, on_progress: OnProgress | None = None) -> T_co:
        """Run the tunings that are not on file in `folder`; return the result."""
        ...


@dataclass(frozen=True)
class TuningSetup:
    """How models are tuned and evaluated.

    Learning rate and epochs are those of `train.generator`. All tunings have the same seed, so that
    they differ in their rows alone. `keep` keeps each adapter's weights on disk.
    """

    model: Model
    train: TrainConfig
    evaluation: Rows
    seed: int = 0
    keep: bool = False

    def identity(self) -> Mapping[str, Any]:
        """Return what determines a loss, besides the rows to train on."""
        settings = identity_of(self.train)
        for name in ("expander", "continue_adapter", "min_rows"):  # matter only in a run
            settings.pop(name, None)
        settings["generator"].pop("later_rate", None)
        return {
            "model": self.model.digest,
            "seed": self.seed,
            "train": settings,
            "evaluation": content_digest(self.evaluation),
        }


async def tune_on(
    setup: TuningSetup,
    rows: Rows,
    folder: Path,
    *,
    tune: Tune,
    evaluation: Path,
    labels: Mapping[str, Any],
    result: type[T],
) -> T:
    """Tune on rows in `folder`, or read the loss that is on file there.

    Args:
        setup: model, training and evaluation set.
        rows: the rows to train on.
        folder: of this tuning.
        tune: trains and evaluates.
        evaluation: the file of the evaluation rows, which all tunings of a series share.
        labels: what to write beside the loss, to say which rows these are.
        result: the struct to return, with the fields it needs of labels and loss.

    Raises:
        TrainingError: the training fails, or the loss is not finite.
        DamagedFile: the loss on file is not what was written there.
    """
    loss_file = folder / "tuned.json"
    on_file: Any = read_json(loss_file, _REMEDY)
    if on_file is None:
        started = time.monotonic()
        loss = await _evaluate(setup, rows, folder, tune=tune, evaluation=evaluation)
        on_file = {**labels, **msgspec.to_builtins(loss)}
        on_file["seconds"] = round(time.monotonic() - started, 2)
        write_json(loss_file, on_file)
    converted = _convert(on_file, result, loss_file)
    if not setup.keep:
        for file in (*ADAPTER_FILES, *TOKENIZER_FILES):
            (folder / "adapter" / file).unlink(missing_ok=True)
    return converted


def _convert(on_file: Any, kind: type[T], path: Path) -> T:
    try:
        return msgspec.convert(on_file, kind)
    except msgspec.ValidationError as error:
        fault = f"it is not the loss of a tuning ({error})"
        raise DamagedFile(path, fault, _REMEDY) from error


async def _evaluate(
    setup: TuningSetup, rows: Rows, folder: Path, *, tune: Tune, evaluation: Path
) -> Loss:
    """Write both sets of rows, tune, and return the loss."""
    folder.parent.mkdir(exist_ok=True)
    _write_once(folder / "rows.jsonl", rows)
    _write_once(evaluation, setup.evaluation)
    job = _job(setup, folder / "rows.jsonl", folder / "adapter")
    loss = await tune(Tuning(job, str(evaluation)))
    _check_finite(loss, folder)
    return loss


def _check_finite(loss: Loss, folder: Path) -> None:
    if not math.isfinite(loss.loss):
        raise TrainingError(
            f"{folder}: the loss on the evaluation set is {loss.loss}; lower "
            "train.generator.learning_rate, and use another --work."
        )


def _write_once(path: Path, rows: Rows) -> None:
    if not path.exists():
        rewrite(path, training_lines(rows))


def training_lines(rows: Rows) -> Iterator[bytes]:
    """Yield rows as JSON lines of `records.TrainingRow`, which training reads."""
    for row in rows:
        yield encode(
            TrainingRow(
                id=str(row.number),
                prompt=[{"role": "user", "content": row.prompt}],
                completion=[{"role": "assistant", "content": row.response}],
            )
        )


def _job(setup: TuningSetup, rows: Path, output: Path) -> TrainingJob:
    generator = setup.train.generator
    return job_of(
        setup.train,
        model=str(setup.model.path),
        rows=rows,
        output=output,
        start_from=None,
        seed=setup.seed,
        learning_rate=generator.learning_rate,
        epochs=generator.epochs,
    )
