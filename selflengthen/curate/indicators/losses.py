"""The loss of a tuned model on an evaluation set: the mean over all target tokens of all rows.

Rows are tokenized as in training (`training.rows`), with the end of the turn; rows above the
training's maximum length are left out and counted, as there.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import torch

from selflengthen.curate.indicators.token_losses import summed_losses
from selflengthen.curate.rule.tuning import Loss
from selflengthen.errors import TrainingError
from selflengthen.inputs import pretrained
from selflengthen.training import rows, sft
from selflengthen.training.job import TrainingJob
from selflengthen.training.rows import IGNORED


class Evaluation:
    """An evaluation set as the tokens of a job's model, the longest rows first."""

    def __init__(self, path: Path, job: TrainingJob) -> None:
        """Read and tokenize; raises TrainingError if no row is short enough."""
        tokenizer = pretrained.tokenizer(job.model)
        tokenized = rows.tokenize(
            rows.read(path), tokenizer, _stops(job, tokenizer), job.max_length
        )
        if not tokenized.input_ids:
            raise TrainingError(
                f"{path}: every row has over {job.max_length} tokens (longest: "
                f"{tokenized.longest}); raise train.max_length, or give another evaluation set."
            )
        self.dropped = tokenized.dropped
        self._batch = job.per_device_batch
        pairs = zip(tokenized.input_ids, tokenized.labels, strict=True)
        self._rows = sorted(
            ((ids.tolist(), labels.tolist()) for ids, labels in pairs), key=lambda p: -len(p[0])
        )

    def loss(self, job: TrainingJob) -> Loss:
        """Load the job's model with the adapter that it trained, and evaluate it."""
        base: Any = sft._base(job)
        model = pretrained.adapted(base, job.output)
        model.to("cuda" if torch.cuda.is_available() else "cpu")
        loss = self.loss_of(model)
        del base, model
        free()
        return loss

    @torch.inference_mode()
    def loss_of(self, model: torch.nn.Module) -> Loss:
        """Evaluate a model on its own device; it stays in evaluation mode.

        A batch has `per_device_batch` rows, on which the last digits of the sum depend.
        """
        model.eval()
        device = next(model.parameters()).device
        total, tokens = 0.0, 0
        for start in range(0, len(self._rows), self._batch):
            ids, mask, counts = _padded(self._rows[start : start + self._batch], device)
            total += float(summed_losses(model, ids, mask, counts).double().sum())
            tokens += int(counts.sum())
        return Loss(total / tokens, tokens, len(self._rows), self.dropped)


def free() -> None:
    """Free the memory of models that are no longer referenced."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _stops(job: TrainingJob, tokenizer: Any) -> set[int]:
    """Return the tokens that end a generation, without loading the model."""
    ends = pretrained.ends(job.model)  # without that file, the tokenizer's end token applies
    stops = set(ends) if isinstance(ends, list) else {ends}
    return {int(token) for token in (*stops, tokenizer.eos_token_id) if token is not None}


def _padded(
    batch: list[tuple[list[int], list[int]]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ids padded on the right, their mask, and which tokens count, (rows, tokens) each."""
    longest = len(batch[0][0])
    ids = [tokens + [0] * (longest - len(tokens)) for tokens, _ in batch]
    mask = [[1] * len(tokens) + [0] * (longest - len(tokens)) for tokens, _ in batch]
    counts = [
        [label != IGNORED for label in labels] + [False] * (longest - len(labels))
        for _, labels in batch
    ]
    return (
        torch.tensor(ids, device=device),
        torch.tensor(mask, device=device),
        torch.tensor(counts, device=device),
    )
