"""What the trainer calls after each step: metrics, seals, the stop, the proof of a resumption."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from peft import get_peft_model_state_dict
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from selflengthen.errors import TrainingError, naming
from selflengthen.storage.atomic import rewrite
from selflengthen.training import checkpoints
from selflengthen.training.guard import Stop, Stopped

if TYPE_CHECKING:
    from selflengthen.training.trainer import RoleTrainer


class Step(msgspec.Struct, frozen=True):
    """One line of `metrics.jsonl`: an optimizer step, its mean loss, its tokens and wall time."""

    step: int
    loss: float
    learning_rate: float
    tokens: int
    seconds: float


def read_steps(path: Path) -> list[Step]:
    """Read the whole lines of a metrics file; a torn last line is left out."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [msgspec.json.decode(line, type=Step) for line in lines]


class Progress(TrainerCallback):
    """Follows one training; `expected` is the seal of the checkpoint that it goes on from."""

    def __init__(
        self,
        trainer: RoleTrainer,
        metrics: Path,
        job: str,
        stop: Stop,
        expected: checkpoints.Seal | None,
    ) -> None:
        """Forget the steps on file that lie behind the checkpoint."""
        self.trainer, self.metrics, self.job, self.stop = trainer, metrics, job, stop
        self.expected = expected
        self.tokens = 0
        self.began = self.last = 0.0
        if trainer.is_world_process_zero():
            done = expected.step if expected else 0
            kept = [step for step in read_steps(metrics) if step.step <= done]
            rewrite(metrics, (msgspec.json.encode(step) + b"\n" for step in kept))

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Check that the trainer stands where the checkpoint does."""
        if self.expected is not None:
            weights = checkpoints.digest_of(get_peft_model_state_dict(self.trainer.model))
            if state.global_step != self.expected.step or weights != self.expected.adapter:
                raise TrainingError(
                    f"The training did not go on from its checkpoint of step {self.expected.step} "
                    f"(it stands at {state.global_step}); delete {args.output_dir} to start over."
                )
        self.stop.armed = True
        self.began = self.last = time.monotonic()

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Tell the sampler which epoch's order is due."""
        self.trainer.order.epoch = int(state.epoch or 0)

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Stop between two micro-batches: the weights are still those of the last step."""
        if not self._stopping():
            return
        if state.global_step and not self._folder(args, state).exists():
            self.trainer.save_here()
            self.on_save(args, state, control)
        raise Stopped

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Stop after a step: the trainer writes its line and its checkpoint, and ends."""
        if self._stopping():
            control.should_save = control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Append the step's line."""
        if not logs or "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise TrainingError(
                f"The loss of step {state.global_step} is {logs['loss']}; lower the learning rate."
            )
        now, tokens = time.monotonic(), int(logs["num_tokens"])
        line = Step(
            step=state.global_step,
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            tokens=tokens - self.tokens,
            seconds=round(now - self.last, 4),
        )
        self.last, self.tokens = now, tokens
        if state.is_world_process_zero:
            with naming(self.metrics), self.metrics.open("ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Seal the checkpoint once every process has written its part."""
        self.trainer.accelerator.wait_for_everyone()
        if state.is_world_process_zero:
            checkpoints.seal(self._folder(args, state), self.job, state.global_step)

    def _folder(self, args: TrainingArguments, state: TrainerState) -> Path:
        return Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"

    def _stopping(self) -> bool:
        """Whether any process was asked to stop; all must agree, or they wait for each other."""
        if self.trainer.args.world_size == 1:
            return self.stop.requested
        asked = torch.tensor([int(self.stop.requested)], device=self.trainer.args.device)
        torch.distributed.all_reduce(asked)
        return bool(asked.item())
