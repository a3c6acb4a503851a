"""Only whole checkpoints of the same job are gone on from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from selflengthen.training import checkpoints


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """Sealed checkpoints of steps 9 and 10."""
    for step in (9, 10):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        save_file({"a": torch.full((4,), float(step))}, folder / "adapter_model.safetensors")
        (folder / "trainer_state.json").write_text("{}")
        checkpoints.seal(folder, "job", step)
    return tmp_path


def test_the_newest_by_step_is_taken(parent: Path) -> None:
    found = checkpoints.newest(parent, "job")
    assert found is not None
    folder, seal = found
    assert (folder.name, seal.step) == ("checkpoint-10", 10)
    assert seal.adapter == checkpoints.digest_of({"a": torch.full((4,), 10.0)})


@pytest.mark.parametrize("fault", ["no seal", "torn seal", "short file", "other weights", "lost file"])
def test_a_torn_one_is_set_aside_and_the_one_before_taken(parent: Path, fault: str) -> None:
    folder = parent / "checkpoint-10"
    weights = folder / "adapter_model.safetensors"
    match fault:
        case "no seal":
            (folder / "seal.json").unlink()
        case "torn seal":
            (folder / "seal.json").write_bytes((folder / "seal.json").read_bytes()[:20])
        case "short file":
            weights.write_bytes(weights.read_bytes()[:-3])
        case "other weights":
            save_file({"a": torch.full((4,), 11.0)}, weights)
        case "lost file":
            (folder / "trainer_state.json").unlink()
    found = checkpoints.newest(parent, "job")
    assert found is not None and found[1].step == 9
    assert (parent / "torn-checkpoint-10").is_dir()
    assert not folder.exists()


def test_those_of_another_job_are_not_taken(parent: Path) -> None:
    assert checkpoints.newest(parent, "another") is None
    assert checkpoints.newest(parent / "nothing", "job") is None


def test_the_digest_sees_names_and_values_only() -> None:
    one = {"a": torch.ones(2), "b": torch.zeros(3)}
    assert checkpoints.digest_of(one) == checkpoints.digest_of(dict(reversed(one.items())))
    assert checkpoints.digest_of(one) != checkpoints.digest_of({"a": torch.ones(2), "c": one["b"]})
    assert checkpoints.digest_of(one) != checkpoints.digest_of({**one, "a": torch.zeros(2)})
