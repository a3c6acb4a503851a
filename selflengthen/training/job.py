"""What a training is asked to do, and what came of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec

from selflengthen.config import RoleTraining, TrainConfig
from selflengthen.errors import TrainingError, UserError
from selflengthen.inputs import model_files
from selflengthen.storage.records import fingerprint

ADAPTER_FILES = (model_files.ADAPTER_CONFIG, model_files.ADAPTER_WEIGHTS)
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json",
    "added_tokens.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
    "vocab.json", "merges.txt", "vocab.txt",
)  # fmt: skip
"""What a tokenizer may be saved as; it lies beside an adapter where the libraries look for it."""


class TrainingJob(msgspec.Struct, kw_only=True, frozen=True):
    """One training: a role's in one round, or the base model's after the last.

    Attributes:
        model: folder or hub id of the base model.
        rows: JSONL file of `records.TrainingRow`.
        output: folder of this training; in the end it is the adapter.
        start_from: folder of the adapter to go on from; None makes a fresh one.
        learning_rate: peak rate of this round.
        batch: rows an optimizer step, over all devices and accumulated micro-batches.
        named: what `model` was at the first start in this folder, see `as_begun`.

    The others are the fields of `config.TrainConfig` by name.
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
        """Name what this training makes: rows and adapters count by content, paths do not.

        The base model counts by its name, that of the first start. What only changes speed
        (launcher, processes, per_device_batch, bf16, gradient_checkpointing, save_every) does not
        count.
        """
        # The numbers as the child reads them: 6 and 6.0 are one.
        same = msgspec.convert(msgspec.to_builtins(self), TrainingJob)
        asked = {name: getattr(same, name) for name in _IDENTITY}
        asked["model"] = same.named or same.model
        if same.loss != "long-ce":  # jobs from before there was another keep their digest
            asked["loss"] = same.loss
        asked["rows"] = _digest_of(Path(self.rows))
        if self.start_from is not None:
            asked["start_from"] = [
                _digest_of(Path(self.start_from, name)) for name in ADAPTER_FILES
            ]
        return fingerprint(asked).hex()

    def as_begun(self) -> TrainingJob:
        """Return the job with the name that its model had when it began in its folder.

        A run can be continued from another folder, from where the path of its model is another.
        By that the digest would change, and with it the checkpoints be lost. This is for folders
        that belong to one model, known by its content.
        """
        try:
            before = msgspec.json.decode((self.folder / "job.json").read_bytes(), type=TrainingJob)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return self
        return msgspec.structs.replace(self, named=before.named or before.model)

    def accumulation(self, devices: int) -> int:
        """Return the micro-batches of a step on each of `devices`; raise where none fit."""
        held = self.per_device_batch * devices
        if self.batch % held:
            raise TrainingError(
                f"train.batch ({self.batch}) is no multiple of train.per_device_batch "
                f"({self.per_device_batch}) times {devices} process(es); change one of them."
            )
        return self.batch // held

    def check_start(self) -> None:
        """Raise where the adapter to go on from is none, or of another rank."""
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
                f"{self.start_from}: this adapter has rank {rank}, train.lora_r is {self.lora_r}; "
                "make them equal, or set train.continue_adapter to false."
            )


_IDENTITY = (
    "model", "seed", "learning_rate", "epochs", "lora_r", "lora_alpha", "max_length", "batch",
    "scheduler", "warmup", "neftune_alpha",
)  # fmt: skip
_SAME_NAME = (
    "lora_r", "lora_alpha", "max_length", "batch", "scheduler", "warmup", "loss",
    "neftune_alpha", "per_device_batch", "bf16", "gradient_checkpointing", "save_every",
    "launcher", "processes",
)  # fmt: skip


class TrainingResult(msgspec.Struct, kw_only=True, frozen=True):
    """What came of a training.

    Attributes:
        job: digest of the job.
        adapter: digest of the adapter's weights, see `checkpoints.digest_of_file`.
        rows: rows that were trained on.
        dropped: rows with more than `max_length` tokens; they were left out.
        longest: tokens of the longest row, dropped ones included.
        steps: optimizer steps.
        tokens: tokens that went through the model, prompts included, over all epochs.
        first_loss, last_loss: mean loss of a trained token in the first and the last step.
        seconds: wall time of the steps.
        startup_seconds: from the start of the child to its first step, in the last attempt.
        tokens_per_second: tokens over seconds.
        peak_memory: bytes; of the GPU where there is one, else of the process.
        resumed_from: the step that the last attempt went on from; 0 is the start.
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
    """Resolve the configuration for one role and round (1 is the first)."""
    own: RoleTraining = getattr(train, role)
    later = round_number > 1 and own.later_rate is not None
    return job_of(
        train,
        model=model,
        rows=rows,
        output=output,
        start_from=start_from,
        seed=seed,
        learning_rate=own.later_rate if later and own.later_rate else own.learning_rate,
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
    """Make a job with the settings that are the same for all trainings of a run."""
    fields: dict[str, Any] = {name: getattr(train, name) for name in _SAME_NAME}
    return TrainingJob(
        model=model,
        rows=str(rows),
        output=str(output),
        start_from=None if start_from is None else str(start_from),
        seed=seed,
        learning_rate=learning_rate,
        epochs=epochs,
        **fields,
    )


def finished(job: TrainingJob) -> TrainingResult | None:
    """Return the result of this very job where it is complete, else None."""
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
            f"{path}: cannot be read ({error.strerror}); training needs it."
        ) from error
