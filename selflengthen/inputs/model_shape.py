"""The dimensions of a model, read from its files without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selflengthen.inputs.model_files import read_header, read_object, weight_files
from selflengthen.inputs.models import Model


@dataclass(frozen=True)
class Shape:
    """The dimensions of a model.

    Attributes:
        parameters: their number.
        weight_bytes: bytes of the weights.
        layers: number of layers.
        hidden: width of the residual stream.
        inner: width of the MLP.
        kv_width: width of the keys, and of the values, of one layer, over all heads.
        vocabulary: entries of the vocabulary.
    """

    parameters: int
    weight_bytes: int
    layers: int
    hidden: int
    inner: int
    kv_width: int
    vocabulary: int

    @property
    def kv_bytes(self) -> int:
        """Bytes of cache per token, at two bytes per number."""
        return 2 * 2 * self.layers * self.kv_width

    def lora(self, rank: int) -> int:
        """Return the parameters of an adapter on all linear layers except lm_head."""
        attention = 4 * self.hidden + 2 * (self.hidden + self.kv_width)
        return rank * self.layers * (attention + 3 * (self.hidden + self.inner))


def shape_of(model: Model) -> Shape:
    """Read a model's dimensions from config.json and from the headers of its weights."""
    return _shape(model.path, model.text_config)


def shape_in(folder: Path) -> Shape:
    """Read the dimensions of the model in a folder."""
    config = read_object(folder / "config.json")
    return _shape(folder, Model("", folder, config, "").text_config)


def _shape(folder: Path, config: Mapping[str, Any]) -> Shape:
    headers = [read_header(path) for path in weight_files(folder)]
    hidden = _largest(config, "hidden_size")
    heads = _largest(config, "num_attention_heads") or 1
    head = _largest(config, "head_dim") or hidden // heads
    return Shape(
        parameters=sum(header.parameters for header in headers),
        weight_bytes=sum(header.value_bytes for header in headers),
        layers=_largest(config, "num_hidden_layers"),
        hidden=hidden,
        inner=_largest(config, "intermediate_size") or 4 * hidden,
        kv_width=(_largest(config, "num_key_value_heads") or heads) * head,
        vocabulary=_largest(config, "vocab_size"),
    )


def _largest(config: Mapping[str, Any], name: str) -> int:
    """Return a number of config.json, 0 without one; of a list with one per layer, the largest."""
    value = config.get(name) or 0
    return max((n or 0 for n in value), default=0) if isinstance(value, list) else int(value)
