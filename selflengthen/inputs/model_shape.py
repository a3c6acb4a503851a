"""A model in numbers, read from its files without loading it."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selflengthen.inputs.models import Model, weights

# Of a number, by the name that safetensors gives its type.
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1}


@dataclass(frozen=True)
class Shape:
    """A model in numbers: parameters, bytes of its weights, its layers and widths."""

    parameters: int
    weight_bytes: int
    layers: int
    hidden: int
    inner: int
    kv_width: int  # of keys and of values of one layer, all heads together
    vocabulary: int

    @property
    def kv_bytes(self) -> int:
        """Bytes of cache a token, at two bytes a number."""
        return 2 * 2 * self.layers * self.kv_width

    def lora(self, rank: int) -> int:
        """Parameters of an adapter on all linear layers but lm_head."""
        attention = 4 * self.hidden + 2 * (self.hidden + self.kv_width)
        return rank * self.layers * (attention + 3 * (self.hidden + self.inner))


def shape_of(model: Model) -> Shape:
    """Read a model's numbers from config.json and from the headers of its weights."""
    config: dict[str, Any] = {**model.config, **model.config.get("text_config", {})}
    parameters = weight_bytes = 0
    for path in weights(model.path):
        count, held = _header(path)
        parameters, weight_bytes = parameters + count, weight_bytes + held
    hidden = int(config.get("hidden_size", 0))
    heads = int(config.get("num_attention_heads") or 1)
    head = int(config.get("head_dim") or hidden // heads)
    return Shape(
        parameters=parameters,
        weight_bytes=weight_bytes,
        layers=int(config.get("num_hidden_layers", 0)),
        hidden=hidden,
        inner=int(config.get("intermediate_size") or 4 * hidden),
        kv_width=int(config.get("num_key_value_heads") or heads) * head,
        vocabulary=int(config.get("vocab_size", 0)),
    )


def _header(path: Path) -> tuple[int, int]:
    """Return parameters and bytes of a safetensors file, from its header alone."""
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
    except (OSError, ValueError, struct.error, OverflowError):
        return 0, path.stat().st_size
    tensors = [entry for name, entry in header.items() if name != "__metadata__"]
    counts = [math.prod(t["shape"]) for t in tensors]
    held = sum(n * _BYTES.get(t["dtype"], 2) for n, t in zip(counts, tensors, strict=True))
    return sum(counts), held
