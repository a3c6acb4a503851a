"""The training rows of a round, and the fine-tuning on them."""

from __future__ import annotations

from typing import Literal

from selflengthen.field_kinds import Section, identity, runtime


class DatasetConfig(Section):
    """How training rows are built."""

    keep_line: float = identity(
        0.8, "Probability that a draft's line stays in the outline of an expander row.", ge=0, le=1
    )


class RoleTraining(Section):
    """Training settings of one role."""

    learning_rate: float = identity(1e-4, "Peak learning rate.", gt=0)
    later_rate: float | None = identity(
        None, "Peak learning rate from round 2 on; none means the same.", gt=0
    )
    epochs: float = identity(4, "Epochs over the round's rows.", gt=0)


Scheduler = Literal[
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
]
"""The schedules of transformers that need neither further arguments nor evaluations."""


class TrainConfig(Section):
    """SFT by TRL with LoRA; only completions count for the loss."""

    generator: RoleTraining = RoleTraining()
    expander: RoleTraining = RoleTraining()
    lora_r: int = identity(8, "LoRA rank.", ge=1)
    lora_alpha: int = identity(16, "LoRA scale.", ge=1)
    max_length: int = identity(
        16_384,
        "Rows with more tokens are dropped, never truncated; auto is 16384, or what fits the model "
        "and the memory.",
        fits=True,
        ge=16,
    )
    batch: int = identity(8, "Rows per optimizer step, over all devices.", ge=1)
    scheduler: Scheduler = identity(
        "cosine", "Learning-rate schedule, by its name in transformers."
    )
    warmup: float = identity(
        0.1, "Share of the steps in which the learning rate rises.", ge=0, lt=1
    )
    continue_adapter: bool = identity(True, "From round 2 on, continue the role's adapter.")
    min_rows: int = identity(
        1, "With fewer rows, a role is not trained and keeps its adapter.", ge=1
    )
    loss: Literal["long-ce", "row-mean"] = identity(
        "long-ce",
        "What a step averages over: target tokens (long-ce), or rows of any length (row-mean).",
        newer=True,
    )
    neftune_alpha: float | None = identity(None, "NEFTune noise; none turns it off.", gt=0)
    per_device_batch: int = runtime(1, "Rows that a device processes at once.", ge=1)
    bf16: bool = runtime(True, "Compute in bfloat16 if the device can.")
    gradient_checkpointing: bool = runtime(True, "Save memory by computing activations twice.")
    save_every: int = runtime(50, "Optimizer steps between two checkpoints.", ge=1)
    launcher: Literal["plain", "accelerate"] = runtime(
        "plain", "How the training process is started."
    )
    processes: int = runtime(1, "Processes that `accelerate launch` starts.", ge=1)
