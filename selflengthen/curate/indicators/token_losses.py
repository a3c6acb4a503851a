"""The losses of tokens, with the logits of a few positions in memory at once."""

from __future__ import annotations

from typing import Any

import torch

_POSITIONS = 256  # of a language model's logits that are in memory at once


def summed_losses(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, counts: torch.Tensor
) -> torch.Tensor:
    """Return each row's summed loss over the tokens that count, (rows,); all are (rows, tokens).

    Token t is predicted at t - 1. The logits of a long row are never all in memory.
    """
    losses = torch.zeros(len(ids), device=ids.device)
    cache = None
    for start in range(0, ids.shape[1] - 1, _POSITIONS):
        end = min(start + _POSITIONS, ids.shape[1] - 1)
        out = model(
            input_ids=ids[:, start:end],
            attention_mask=mask[:, :end],
            past_key_values=cache,
            use_cache=True,
        )
        cache = out.past_key_values
        after = slice(start + 1, end + 1)
        lost = torch.nn.functional.cross_entropy(
            out.logits.float().transpose(1, 2), ids[:, after], reduction="none"
        )
        losses += (lost * counts[:, after]).sum(1)
    return losses
