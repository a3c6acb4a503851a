"""Checkpoints: sealed when they are complete, verified before they are loaded."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from selflengthen.inputs import model_files
from selflengthen.storage.atomic import rewrite

if TYPE_CHECKING:
    import torch

_SEAL = "seal.json"
_WEIGHTS = "adapter_model.safetensors"


class Seal(msgspec.Struct, frozen=True):
    """Written last into a checkpoint.

    Attributes:
        job: digest of the job that it belongs to.
        step: optimizer steps done.
        adapter: digest of the adapter's weights.
        sizes: bytes of every file by name.
    """

    job: str
    step: int
    adapter: str
    sizes: dict[str, int]


def seal(folder: Path, job: str, step: int) -> None:
    """Mark a checkpoint as complete."""
    model_files.share(folder)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    result = Seal(job, step, digest_of_file(folder / _WEIGHTS), sizes)
    rewrite(folder / _SEAL, [msgspec.json.encode(result)])


def newest(parent: Path, job: str) -> tuple[Path, Seal] | None:
    """Return the newest valid checkpoint of `job` and its seal.

    Newer ones that are torn or belong to another job are renamed to `torn-…`.
    """
    for folder in sorted(parent.glob("checkpoint-*"), key=_step, reverse=True):
        valid = _valid_seal(folder, job)
        if valid is not None:
            return folder, valid
        torn = folder.with_name(f"torn-{folder.name}")
        shutil.rmtree(torn, ignore_errors=True)
        folder.rename(torn)
    return None


def digest_of_file(path: Path) -> str:
    """Digest a safetensors file's weights: names and float32 values, not the file's bytes."""
    from safetensors.torch import load_file

    return digest_of(load_file(path))


def digest_of(weights: Mapping[str, torch.Tensor]) -> str:
    """Digest named weights; the device and the order of names make no difference."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _step(folder: Path) -> int:
    number = folder.name.removeprefix("checkpoint-")
    return int(number) if number.isdecimal() else -1


def _valid_seal(folder: Path, job: str) -> Seal | None:
    try:
        seal = msgspec.json.decode((folder / _SEAL).read_bytes(), type=Seal)
        intact = all((folder / name).stat().st_size == size for name, size in seal.sizes.items())
        if intact and seal.job == job and digest_of_file(folder / _WEIGHTS) == seal.adapter:
            return seal
    except Exception:  # whatever is wrong with a checkpoint, training does not resume from it
        return None
    return None
