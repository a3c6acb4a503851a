"""A model in numbers, read from its files without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selflengthen.inputs.model_files import read_header, read_object, weight_files
from selflengthen.inputs.models import Model


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
    return _shape(model.path, model.text_config)


def shape_in(folder: Path) -> Shape:
    """Read the numbers of the model in a folder."""
    config = read_object(folder / "config.json")
    return _shape(folder, Model("", folder, config, "").text_config)


def _shape(folder: Path, config: dict[str, Any]) -> Shape:
    headers = [read_header(path) for path in weight_files(folder)]
    hidden = _whole(config, "hidden_size")
    heads = _whole(config, "num_attention_heads") or 1
    head = _whole(config, "head_dim") or hidden // heads
    return Shape(
        parameters=sum(header.parameters for header in headers),
        weight_bytes=sum(header.value_bytes for header in headers),
        layers=_whole(config, "num_hidden_layers"),
        hidden=hidden,
        inner=_whole(config, "intermediate_size") or 4 * hidden,
        kv_width=(_whole(config, "num_key_value_heads") or heads) * head,
        vocabulary=_whole(config, "vocab_size"),
    )


def _whole(config: dict[str, Any], name: str) -> int:
    """Return a number of config.json; where each layer has its own, the largest; 0 without one."""
    value = config.get(name) or 0
    return max((n or 0 for n in value), default=0) if isinstance(value, list) else int(value)
