"""The trainer's callback: metrics, sealed checkpoints, stopping, and the check of a resumption."""

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
from selflengthen.training.steps import TrainingStep, read_steps

if TYPE_CHECKING:
    from selflengthen.training.trainer import RoleTrainer


class TrainingCallback(TrainerCallback):
    """Follows one training; `expected` is the seal of the checkpoint that it resumes from."""

    def __init__(
        self,
        trainer: RoleTrainer,
        metrics: Path,
        job: str,
        stop: Stop,
        expected: checkpoints.Seal | None,
    ) -> None:
        """Remove the steps after the checkpoint from the metrics file."""
        self.trainer = trainer
        self.metrics = metrics
        self.job = job
        self.stop = stop
        self.expected = expected
        self.tokens = 0
        self.started = 0.0
        self.last_step_end = 0.0
        if trainer.is_world_process_zero():
            done = expected.step if expected else 0
            steps = [step for step in read_steps(metrics) if step.step <= done]
            rewrite(metrics, (msgspec.json.encode(step) + b"\n" for step in steps))

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Check that the trainer has the checkpoint's step and weights."""
        if self.expected is not None:
            weights = checkpoints.digest_of(get_peft_model_state_dict(self.trainer.model))
            if state.global_step != self.expected.step or weights != self.expected.adapter:
                raise TrainingError(
                    f"The training did not resume from its checkpoint of step {self.expected.step} "
                    f"(it is at step {state.global_step}); delete {args.output_dir} to start over."
                )
        self.stop.armed = True
        self.started = self.last_step_end = time.monotonic()

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Tell the sampler the epoch."""
        self.trainer.order.epoch = int(state.epoch or 0)

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Stop between two micro-batches, where the weights are those of the last step."""
        if not self._stopping():
            return
        if state.global_step and not self._folder(args, state).exists():
            self.trainer.save_here()
            self.on_save(args, state, control)
        raise Stopped

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Stop after a step; the trainer then logs it, saves a checkpoint, and ends."""
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
        """Append the step to the metrics file."""
        if not logs or "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise TrainingError(
                f"The loss of step {state.global_step} is {logs['loss']}; lower the learning rate."
            )
        now = time.monotonic()
        tokens = int(logs["num_tokens"])
        step = TrainingStep(
            step=state.global_step,
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            tokens=tokens - self.tokens,
            seconds=round(now - self.last_step_end, 4),
        )
        self.last_step_end = now
        self.tokens = tokens
        if state.is_world_process_zero:
            with naming(self.metrics), self.metrics.open("ab") as file:
                file.write(msgspec.json.encode(step) + b"\n")

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
        """Return whether any process was asked to stop; all must agree, or they wait for ever."""
        if self.trainer.args.world_size == 1:
            return self.stop.requested
        requests = torch.tensor([int(self.stop.requested)], device=self.trainer.args.device)
        torch.distributed.all_reduce(requests)
        return bool(requests.item())
