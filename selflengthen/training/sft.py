"""The training itself: TRL's SFTTrainer on tokenized rows, with LoRA."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import torch
from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel, set_seed
from transformers.utils.import_utils import is_flash_attn_2_available
from trl.trainer.sft_config import SFTConfig

from selflengthen.errors import TrainingError
from selflengthen.inputs import model_files, pretrained, processor
from selflengthen.inputs.model_shape import shape_in
from selflengthen.storage.atomic import rewrite
from selflengthen.storage.records import TrainingRow
from selflengthen.training import checkpoints, rows
from selflengthen.training.guard import Stop, Stopped
from selflengthen.training.job import ADAPTER_FILES, TrainingJob, TrainingResult
from selflengthen.training.progress import TrainingCallback
from selflengthen.training.steps import read_steps
from selflengthen.training.trainer import RoleTrainer


def run(
    job: TrainingJob, training_rows: list[TrainingRow], stop: Stop, started: float
) -> TrainingResult:
    """Train on the rows, from the newest valid checkpoint if there is one, and save the adapter.

    `started` is when the process began (`time.monotonic`). Raises Stopped after SIGTERM, when all
    steps are saved, and TrainingError with the reason if the job cannot be done.
    """
    digest = job.digest()
    tokenizer = pretrained.tokenizer(job.model)
    model = _base(job)
    data, counts = _data(job, training_rows, tokenizer, _stop_tokens(model, tokenizer))
    arguments = _arguments(job)
    trainer = RoleTrainer(
        model=_adapted(model, job),
        args=arguments,
        train_dataset=data,
        processing_class=tokenizer,
    )
    trainer.loss = job.loss
    with PartialState().main_process_first():
        newest = checkpoints.newest(Path(str(arguments.output_dir)), digest)
    checkpoint, seal = newest or (None, None)
    callback = TrainingCallback(trainer, job.folder / "metrics.jsonl", digest, stop, expected=seal)
    trainer.add_callback(callback)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if trainer.state.global_step < trainer.state.max_steps:
        raise Stopped
    result = _result(trainer, callback, counts, digest, callback.started - started)
    if trainer.is_world_process_zero():
        _save(trainer.model, tokenizer, job.folder, result)
    trainer.accelerator.wait_for_everyone()
    return result


def _data(
    job: TrainingJob, training_rows: list[TrainingRow], tokenizer: Any, stop_tokens: set[int]
) -> tuple[Dataset, dict[str, int]]:
    """Return the tokenized rows, and their number, the number of dropped rows, and the longest."""
    tokenized = rows.tokenize(training_rows, tokenizer, stop_tokens, job.max_length)
    if not tokenized.input_ids:
        raise TrainingError(
            f"{job.rows}: every row has over {job.max_length} tokens (longest: "
            f"{tokenized.longest}); raise train.max_length."
        )
    counts = {
        "rows": len(tokenized.input_ids),
        "dropped": tokenized.dropped,
        "longest": tokenized.longest,
    }
    data = {"input_ids": tokenized.input_ids, "labels": tokenized.labels}
    return Dataset.from_dict(data), counts


def _base(job: TrainingJob) -> PreTrainedModel:
    kwargs: dict[str, Any] = {"dtype": torch.bfloat16 if _half(job) else torch.float32}
    if _padding_free(job):
        kwargs["attn_implementation"] = "flash_attention_2"
    model: PreTrainedModel = pretrained.model(AutoModelForCausalLM, job.model, **kwargs)
    return model


def _adapted(model: PreTrainedModel, job: TrainingJob) -> PeftModel:
    """Put a new adapter on the model, or the one to continue training."""
    set_seed(job.seed)
    if job.start_from is None:
        lora = LoraConfig(
            r=job.lora_r,
            lora_alpha=job.lora_alpha,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        new: PeftModel = get_peft_model(model, lora)
        return new
    adapted: PeftModel = pretrained.adapted(model, job.start_from, is_trainable=True)
    return adapted


def _stop_tokens(model: PreTrainedModel, tokenizer: Any) -> set[int]:
    """Return the tokens at which generation ends."""
    ends = model.generation_config.eos_token_id if model.generation_config else None
    stops = set(ends) if isinstance(ends, list) else {ends}
    return {int(token) for token in (*stops, tokenizer.eos_token_id) if token is not None}


def _half(job: TrainingJob) -> bool:
    if torch.cuda.is_available():
        return job.bf16 and torch.cuda.is_bf16_supported()
    if torch.backends.mps.is_available() or not Path(job.model).is_dir():
        return False
    return job.bf16 and processor.gains_by_bfloat16(shape_in(Path(job.model)).parameters)


def _padding_free(job: TrainingJob) -> bool:
    # Rows are joined without padding within a micro-batch, not packed across micro-batches: with
    # packing, the rows of a step, and so what is learned, would depend on the machine.
    return _half(job) and job.per_device_batch > 1 and is_flash_attn_2_available()


def _arguments(job: TrainingJob) -> SFTConfig:
    devices = int(os.environ.get("WORLD_SIZE", "1"))
    cuda = torch.cuda.is_available()
    return SFTConfig(
        output_dir=str(job.folder / "checkpoints"),
        per_device_train_batch_size=job.per_device_batch,
        gradient_accumulation_steps=job.accumulation(devices),
        num_train_epochs=job.epochs,
        learning_rate=job.learning_rate,
        lr_scheduler_type=job.scheduler,
        warmup_steps=job.warmup,
        neftune_noise_alpha=job.neftune_alpha,
        loss_type="nll",  # computed in chunks: a long row's logits are never in memory at once
        bf16=_half(job),
        gradient_checkpointing=job.gradient_checkpointing,
        max_length=None,  # longer rows are dropped already; TRL would cut them
        padding_free=_padding_free(job),
        seed=job.seed,
        use_cpu=not cuda and not torch.backends.mps.is_available(),
        dataloader_pin_memory=cuda,
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        trust_remote_code=False,
        save_strategy="steps",
        save_steps=job.save_every,
        save_total_limit=2,  # one would be deleted before the next is sealed
    )


def _result(
    trainer: RoleTrainer,
    callback: TrainingCallback,
    counts: dict[str, int],
    digest: str,
    startup: float,
) -> TrainingResult:
    steps = read_steps(callback.metrics)
    tokens = sum(step.tokens for step in steps)
    seconds = sum(step.seconds for step in steps)
    return TrainingResult(
        job=digest,
        adapter="",
        **counts,
        steps=trainer.state.global_step,
        tokens=tokens,
        first_loss=steps[0].loss,
        last_loss=steps[-1].loss,
        seconds=round(seconds, 3),
        startup_seconds=round(startup, 3),
        tokens_per_second=round(tokens / max(seconds, 1e-9), 1),
        peak_memory=_peak_memory(),
        resumed_from=callback.expected.step if callback.expected else 0,
        versions=_versions(),
    )


def _save(model: Any, tokenizer: Any, folder: Path, result: TrainingResult) -> None:
    """Write the adapter, its tokenizer and then the result into `folder`, each file atomically."""
    partial = folder / ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    model_files.share(partial)
    (partial / "README.md").unlink(missing_ok=True)  # peft's model card, an empty template
    for path in sorted(partial.iterdir()):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.replace(folder / path.name)
    shutil.rmtree(partial)
    digest = checkpoints.digest_of_file(folder / ADAPTER_FILES[1])
    result = msgspec.structs.replace(result, adapter=digest)
    rewrite(folder / "result.json", [msgspec.json.format(msgspec.json.encode(result))])
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def _peak_memory() -> int:
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _versions() -> dict[str, str]:
    libraries = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
    return {
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in libraries},
    }
