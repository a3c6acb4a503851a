"""The digest of an adapter's weights without torch: importing it takes longer than the digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

_BF16, _HALVES = "BF16", {"F16": "<f2", "F64": "<f8"}


def digest_of_weights(path: Path) -> str:
    """Return what `checkpoints.digest_of_file` returns: names and float32 values, by name.

    Raises ValueError for a file that is no safetensors file, OSError for one that cannot be read.
    """
    from safetensors import SafetensorError, deserialize

    try:
        tensors = sorted(deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    state = hashlib.sha256()
    for name, tensor in tensors:
        state.update(name.encode())
        state.update(_float32(tensor["data"], tensor["dtype"]))
    return state.hexdigest()


def _float32(data: bytes, kind: str) -> bytes:
    """Return the values of a tensor as float32, little-endian."""
    if kind == "F32":
        return bytes(data)
    import numpy as np

    if kind == _BF16:  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).tobytes()
    if kind not in _HALVES:
        raise ValueError(f"its weights are of a kind that no adapter has ({kind})")
    return np.frombuffer(data, _HALVES[kind]).astype("<f4").tobytes()
