"""The description of a training, and its result."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from selflengthen.config import RoleTraining, TrainConfig
from selflengthen.errors import TrainingError, UserError
from selflengthen.inputs import model_files
from selflengthen.storage.records import fingerprint

ADAPTER_FILES = (model_files.ADAPTER_CONFIG, model_files.ADAPTER_WEIGHTS)
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
)
"""The files that a tokenizer may have; libraries look for them next to an adapter."""


class TrainingJob(msgspec.Struct, kw_only=True, frozen=True):
    """One training: of a role in a round, or of the base model after the last round.

    Attributes:
        model: folder or hub id of the base model.
        rows: JSONL file of `records.TrainingRow`.
        output: folder of this training; it becomes the adapter.
        start_from: folder of the adapter to continue training; None starts with a new one.
        learning_rate: peak learning rate of this round.
        batch: rows per optimizer step, over all devices and accumulated micro-batches.
        named: `model` at the first start in this folder, see `as_begun`.

    The other fields are those of `config.TrainConfig`.
    """

    model: str
    rows: str
    output: str
    seed: int
    learning_rate: float
    epochs: float
    start_from: str | None = None
    lora_r: int = 8
    lora_alpha: int = 16
    max_length: int = 16_384
    batch: int = 8
    scheduler: str = "cosine"
    warmup: float = 0.1
    loss: str = "long-ce"
    neftune_alpha: float | None = None
    per_device_batch: int = 1
    bf16: bool = True
    gradient_checkpointing: bool = True
    save_every: int = 50
    launcher: Literal["plain", "accelerate"] = "plain"
    processes: int = 1
    named: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of this training."""
        return Path(self.output)

    def digest(self) -> str:
        """Return a digest of all that decides the result.

        Rows and adapters count by content, not by path; the base model by its name at the first
        start. Fields that only change speed do not count (launcher, processes, per_device_batch,
        bf16, gradient_checkpointing, save_every).
        """
        # With the numbers as the child reads them: 6 and 6.0 are the same.
        job = msgspec.convert(msgspec.to_builtins(self), TrainingJob)
        identity = {name: getattr(job, name) for name in _IDENTITY}
        identity["model"] = job.named or job.model
        if job.loss != "long-ce":  # jobs from before there were two losses keep their digest
            identity["loss"] = job.loss
        identity["rows"] = _digest_of(Path(self.rows))
        if self.start_from is not None:
            identity["start_from"] = [
                _digest_of(Path(self.start_from, name)) for name in ADAPTER_FILES
            ]
        return fingerprint(identity).hex()

    def as_begun(self) -> TrainingJob:
        """Return the job with the model's name from the first start in its folder.

        A run can be resumed from another folder, from which its model has another path. That would
        change the digest, and the checkpoints would be lost. Use this only for folders that belong
        to one model, known by its content.
        """
        try:
            first = msgspec.json.decode((self.folder / "job.json").read_bytes(), type=TrainingJob)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return self
        return msgspec.structs.replace(self, named=first.named or first.model)

    def accumulation(self, devices: int) -> int:
        """Return the micro-batches of a step on each device; raise if `batch` is no multiple."""
        rows_at_once = self.per_device_batch * devices
        if self.batch % rows_at_once:
            raise TrainingError(
                f"train.batch ({self.batch}) is not a multiple of train.per_device_batch "
                f"({self.per_device_batch}) times {devices} process(es); change one of them."
            )
        return self.batch // rows_at_once

    def check_start(self) -> None:
        """Raise if the adapter to continue is missing, damaged, or of another rank."""
        if self.start_from is None:
            return
        folder = Path(self.start_from)
        try:
            model_files.check_adapter(folder)
            rank = model_files.read_object(folder / ADAPTER_FILES[0])["r"]
        except UserError as error:
            raise TrainingError(str(error)) from error
        if rank != self.lora_r:
            raise TrainingError(
                f"{self.start_from}: this adapter has rank {rank}, but train.lora_r is "
                f"{self.lora_r}; make them equal, or set train.continue_adapter to false."
            )


_SHARED = ("lora_r", "lora_alpha", "max_length", "batch", "scheduler", "warmup", "neftune_alpha")
_IDENTITY = ("model", "seed", "learning_rate", "epochs", *_SHARED)
_FROM_CONFIG = (
    *(*_SHARED, "loss", "per_device_batch", "bf16", "gradient_checkpointing", "save_every"),
    *("launcher", "processes"),
)


class TrainingResult(msgspec.Struct, kw_only=True, frozen=True):
    """The result of a training.

    Attributes:
        job: digest of the job.
        adapter: digest of the adapter's weights, see `checkpoints.digest_of_file`.
        rows: number of training rows.
        dropped: rows that were left out because they had more than `max_length` tokens.
        longest: tokens of the longest row, dropped ones included.
        steps: optimizer steps.
        tokens: tokens that went through the model, prompts included, over all epochs.
        first_loss, last_loss: mean loss of a trained token in the first and the last step.
        seconds: wall time of the steps.
        startup_seconds: from the start of the child to its first step, in the last attempt.
        tokens_per_second: tokens divided by seconds.
        peak_memory: in bytes, of the GPU if there is one, else of the process.
        resumed_from: the step that the last attempt resumed from; 0 is the start.
        versions: of Python and the libraries.
    """

    job: str
    adapter: str
    rows: int
    dropped: int
    longest: int
    steps: int
    tokens: int
    first_loss: float
    last_loss: float
    seconds: float
    startup_seconds: float
    tokens_per_second: float
    peak_memory: int
    resumed_from: int
    versions: dict[str, str]


def job_for(
    train: TrainConfig,
    role: Literal["generator", "expander"],
    *,
    round_number: int,
    model: str,
    rows: Path,
    output: Path,
    start_from: Path | None,
    seed: int,
) -> TrainingJob:
    """Return the job of one role in a round; the first round is 1."""
    own: RoleTraining = getattr(train, role)
    rate = own.learning_rate
    if round_number > 1 and own.later_rate:
        rate = own.later_rate
    return job_of(
        train,
        model=model,
        rows=rows,
        output=output,
        start_from=start_from,
        seed=seed,
        learning_rate=rate,
        epochs=own.epochs,
    )


def job_of(
    train: TrainConfig,
    *,
    model: str,
    rows: Path,
    output: Path,
    start_from: Path | None,
    seed: int,
    learning_rate: float,
    epochs: float,
) -> TrainingJob:
    """Return a job with the settings that all trainings of a run share."""
    return TrainingJob(
        model=model,
        rows=str(rows),
        output=str(output),
        start_from=None if start_from is None else str(start_from),
        seed=seed,
        learning_rate=learning_rate,
        epochs=epochs,
        **{name: getattr(train, name) for name in _FROM_CONFIG},
    )


def finished(job: TrainingJob) -> TrainingResult | None:
    """Return the result of exactly this job if it is complete, else None."""
    try:
        result = msgspec.json.decode((job.folder / "result.json").read_bytes(), type=TrainingResult)
    except (OSError, msgspec.DecodeError):
        return None
    complete = all((job.folder / name).is_file() for name in ADAPTER_FILES)
    return result if complete and result.job == job.digest() else None


def _digest_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise TrainingError(
            f"{path}: cannot be read ({error.strerror}); the training needs this file."
        ) from error
