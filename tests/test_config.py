"""Every field is identity or runtime and has a sentence; the shipped presets load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from selflengthen import config as configuration
from selflengthen.config import Config
from selflengthen.field_kinds import identity_of

PRESETS = sorted((Path(configuration.__file__).parent / "presets").glob("*.yaml"))


def fields(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every leaf field by its dotted name."""
    for name, info in section.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from fields(info.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", info


@pytest.mark.parametrize(("name", "info"), list(fields(Config)), ids=lambda value: str(value)[:40])
def test_a_field_is_classed_and_explained(name: str, info: FieldInfo) -> None:
    assert isinstance(info.json_schema_extra, dict), f"{name}: declare it with identity or runtime"
    assert info.json_schema_extra["kind"] in ("identity", "runtime")
    assert info.description and info.description.endswith("."), f"{name} has no sentence"


def test_identity_leaves_runtime_out() -> None:
    identity = identity_of(Config())
    assert "engine" not in identity or identity["engine"] == {}
    assert "iterations" not in identity
    assert identity["train"]["lora_r"] == 8
    assert "save_every" not in identity["train"]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_loads(preset: Path) -> None:
    Config.model_validate(yaml.safe_load(preset.read_text()))


def test_the_defaults_are_the_papers() -> None:
    paper = Config()
    assert paper.instruct.per_round == 5_000
    assert (paper.draft.per_instruction, paper.draft.attempts) == (2, 20)
    assert (paper.expand.per_draft, paper.expand.passes, paper.expand.growth) == (2, 3, 1.2)
    assert paper.dataset.keep_line == 0.8
    assert (paper.train.lora_r, paper.train.lora_alpha, paper.train.max_length) == (8, 16, 16_384)
    assert (paper.train.generator.epochs, paper.train.generator.learning_rate) == (4, 1e-4)
    sampling = paper.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.7, 0.8, 20)
    assert (sampling.repetition_penalty, sampling.max_tokens) == (1.1, 16_384)


def test_fields_must_fit_each_other() -> None:
    with pytest.raises(ValidationError, match="leaves no room for a prompt"):
        Config.model_validate({"engine": {"context": 1000}, "sampling": {"max_tokens": 1000}})
    with pytest.raises(ValidationError, match="leaves no length"):
        Config.model_validate({"instruct": {"words_over": 9, "words_under": 10}})
