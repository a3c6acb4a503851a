"""What a model's folder says of it, without loading it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selflengthen.errors import UserError
from selflengthen.inputs import models
from selflengthen.inputs.model_shape import shape_of
from tests.cli.conftest import make_model


@pytest.mark.parametrize(
    ("config", "most"),
    [
        ({}, None),
        ({"max_position_embeddings": 2048}, 2048),
        ({"max_position_embeddings": 2048, "rope_scaling": {"type": "linear", "factor": 4}}, 2048),
        ({"max_position_embeddings": 8192, "rope_scaling": {"type": "yarn", "factor": 4.0}}, 32768),
        (
            {
                "max_position_embeddings": 40960,
                "rope_parameters": {
                    "rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 32768,
                },
            },
            131072,
        ),
    ],
)  # fmt: skip
def test_positions(config: dict[str, object], most: int | None) -> None:
    assert models.positions(config) == most
    nested = models.Model("x", Path("x"), {"model_type": "vision", "text_config": config}, "")
    assert nested.positions == most


def test_positions_of_a_loaded_config() -> None:
    from transformers import GPT2Config, Qwen2Config, T5Config

    from selflengthen.engines.chat import positions

    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    stretched = Qwen2Config(max_position_embeddings=32768, rope_parameters=yarn)
    assert positions(stretched) == 131072
    assert positions(GPT2Config(n_positions=1024)) == 1024
    assert positions(T5Config(n_positions=512)) is None  # its positions are relative


def test_the_index_names_the_weights_and_other_formats_do_not_count(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model")
    once = shape_of(models.find(str(folder)))
    (folder / "consolidated.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    assert shape_of(models.find(str(folder))) == once

    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {f"w{n}": f"model-0000{n}-of-00002.safetensors" for n in (1, 2)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(
        UserError, match=r"model-00002-of-00002\.safetensors: is missing, but the model's index"
    ):
        models.find(str(folder))
    second = folder / "model-00002-of-00002.safetensors"
    second.write_bytes((folder / "model-00001-of-00002.safetensors").read_bytes())
    assert shape_of(models.find(str(folder))).parameters == 2 * once.parameters
