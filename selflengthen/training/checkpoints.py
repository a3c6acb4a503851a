"""Checkpoints that can be trusted: sealed when they are whole, verified when they are loaded."""

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
    """Declare a checkpoint whole."""
    model_files.share(folder)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    stamp = Seal(job, step, digest_of_file(folder / _WEIGHTS), sizes)
    rewrite(folder / _SEAL, [msgspec.json.encode(stamp)])


def newest(parent: Path, job: str) -> tuple[Path, Seal] | None:
    """Return the newest whole checkpoint of `job`.

    Newer ones that are torn, and those of another job, are renamed to `torn-…`.
    """
    found = sorted(parent.glob("checkpoint-*"), key=lambda path: _step(path), reverse=True)
    for folder in found:
        stamp = _read(folder, job)
        if stamp is not None:
            return folder, stamp
        aside = folder.with_name(f"torn-{folder.name}")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
    return None


def digest_of_file(path: Path) -> str:
    """Digest the weights of a safetensors file: names and float32 values, not the file's bytes."""
    from safetensors.torch import load_file

    return digest_of(load_file(path))


def digest_of(weights: Mapping[str, torch.Tensor]) -> str:
    """Digest named weights, equal on every device and for every order of names."""
    state = hashlib.sha256()
    for name in sorted(weights):
        state.update(name.encode())
        state.update(weights[name].detach().float().cpu().contiguous().numpy().tobytes())
    return state.hexdigest()


def _step(folder: Path) -> int:
    number = folder.name.removeprefix("checkpoint-")
    return int(number) if number.isdecimal() else -1


def _read(folder: Path, job: str) -> Seal | None:
    try:
        stamp = msgspec.json.decode((folder / _SEAL).read_bytes(), type=Seal)
        whole = all((folder / name).stat().st_size == size for name, size in stamp.sizes.items())
        if whole and stamp.job == job and digest_of_file(folder / _WEIGHTS) == stamp.adapter:
            return stamp
    except Exception:  # whatever is wrong with a checkpoint, it is not one to go on from
        return None
    return None
