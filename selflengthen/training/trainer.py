"""TRL's trainer, with an order of rows that a resumption finds again."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices
from trl.trainer.sft_trainer import SFTTrainer


class ByLength(Sampler[int]):
    """Rows of like length together, in an order that depends on the seed and the epoch alone.

    transformers' own sampler draws from the global generator: after a resumption in the middle of
    an epoch it draws another order, and some rows are seen twice and others not at all.
    """

    def __init__(self, lengths: list[int], batch: int, seed: int) -> None:
        """Group `lengths` (tokens by row) into steps of `batch` rows."""
        self.lengths, self.batch, self.seed = lengths, batch, seed
        self.epoch = 0

    def __len__(self) -> int:
        """Rows."""
        return len(self.lengths)

    def __iter__(self) -> Any:
        """Return the epoch's order."""
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * self.epoch)
        grouped: Any = get_length_grouped_indices  # has no types
        return iter(grouped(self.lengths, self.batch, generator=generator))


class RoleTrainer(SFTTrainer):  # type: ignore[misc, unused-ignore]
    """SFTTrainer with our order of rows, and a checkpoint when asked for one."""

    order: ByLength

    def _get_train_sampler(self, train_dataset: Any = None) -> ByLength:
        dataset: Any = train_dataset or self.train_dataset
        lengths = [len(ids) for ids in dataset["input_ids"]]
        step = self.args.train_batch_size * self.args.gradient_accumulation_steps
        self.order = ByLength(lengths, step * self.args.world_size, self.args.seed)
        return self.order

    def save_here(self) -> None:
        """Save a checkpoint of the last finished step."""
        trainer: Any = self
        trainer._save_checkpoint(self.model, None)
