"""TRL's trainer, with a row order that survives a resumption, and two ways to average the loss."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices
from trl.trainer.sft_trainer import SFTTrainer


class ByLength(Sampler[int]):
    """Groups rows of similar length, in an order that depends on the seed and the epoch alone.

    transformers' own sampler uses the global random generator: after a resumption within an epoch,
    it draws another order, so some rows are seen twice and others not at all.
    """

    def __init__(self, lengths: list[int], batch: int, seed: int) -> None:
        """Group `lengths` (tokens by row) into steps of `batch` rows."""
        self.lengths = lengths
        self.batch = batch
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lengths)

    def __iter__(self) -> Any:
        """Yield row indices in the epoch's order."""
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * self.epoch)
        grouped: Any = get_length_grouped_indices  # has no types
        return iter(grouped(self.lengths, self.batch, generator=generator))


class RoleTrainer(SFTTrainer):  # type: ignore[misc, unused-ignore]
    """SFTTrainer with our row order, our loss counts, and checkpoints on request.

    A step's loss is a sum over its micro-batches on all ranks, divided by one total count:
    `long-ce` sums the losses of target tokens and divides by their number (arXiv 2410.10210);
    `row-mean` sums the mean losses of rows and divides by the number of rows.
    """

    order: ByLength
    loss = "long-ce"
    loss_is_scaled_for_ga = True

    def _get_train_sampler(self, train_dataset: Any = None) -> ByLength:
        dataset: Any = train_dataset or self.train_dataset
        lengths = [len(ids) for ids in dataset["input_ids"]]
        step = self.args.train_batch_size * self.args.gradient_accumulation_steps
        self.order = ByLength(lengths, step * self.args.world_size, self.args.seed)
        return self.order

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """Return a step's micro-batches and the count its loss is divided by, over all ranks.

        For causal models whose forward takes any argument, transformers counts tokens in the same
        way; for other models it would take the mean of each micro-batch.
        """
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        count = _rows if self.loss == "row-mean" else _tokens
        items = torch.stack([count(batch) for batch in batches]).sum().to(device)
        return batches, self.accelerator.gather(items).sum()

    def compute_loss(self, model: Any, inputs: Any, *options: Any, **named: Any) -> Any:
        """Let TRL sum the losses of tokens, weighted by row for `row-mean`.

        TRL does nothing but call `model`.
        """
        weighted = partial(_row_weighted, model) if self.loss == "row-mean" else model
        return super().compute_loss(weighted, inputs, *options, **named)

    def save_here(self) -> None:
        """Save a checkpoint of the last finished step."""
        trainer: Any = self
        trainer._save_checkpoint(self.model, None)


def _tokens(batch: Any) -> torch.Tensor:
    """Count target tokens; a row's first label is never predicted."""
    targets = batch["shift_labels"] if "shift_labels" in batch else batch["labels"][..., 1:]
    return torch.as_tensor(targets.ne(-100).sum())


def _rows(batch: Any) -> torch.Tensor:
    """Count rows, also in a micro-batch without padding."""
    return _row_of(batch).max() + 1


def _row_of(batch: Any) -> torch.Tensor:
    """Return the row of the micro-batch that each token belongs to, (batch, tokens)."""
    ids: torch.Tensor = batch["input_ids"]
    if "position_ids" in batch:  # without padding: each row restarts at 0
        positions: torch.Tensor = batch["position_ids"]
        return positions.eq(0).cumsum(-1) - 1
    return torch.arange(len(ids), device=ids.device)[:, None].expand_as(ids)


def _row_weighted(model: Any, **inputs: Any) -> Any:
    """Call the model; divide each token's log-probability by the target tokens of its row."""
    outputs = model(**inputs)
    mask = outputs.label_mask
    row_of = _row_of(inputs)[:, -mask.shape[1] :]  # of the targets, shifted by one
    counts = torch.zeros(int(row_of.max()) + 1, device=mask.device)
    counts.index_add_(0, row_of.reshape(-1), mask.reshape(-1).to(counts.dtype))
    outputs.log_probs = outputs.log_probs / counts.clamp(min=1)[row_of]
    return outputs
