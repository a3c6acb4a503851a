"""The digest of an adapter's weights, without torch, whose import takes longer than the digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

_BF16 = "BF16"
_NUMPY_TYPES = {"F16": "<f2", "F64": "<f8"}


def digest_of_weights(path: Path) -> str:
    """Return the same digest as `checkpoints.digest_of_file`: of names and float32 values.

    Raises ValueError if it is not a safetensors file, OSError if it cannot be read.
    """
    from safetensors import SafetensorError, deserialize

    try:
        tensors = sorted(deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(name.encode())
        digest.update(_float32(tensor["data"], tensor["dtype"]))
    return digest.hexdigest()


def _float32(data: bytes, dtype: str) -> bytes:
    """Return the values of a tensor as float32, little-endian."""
    if dtype == "F32":
        return bytes(data)
    import numpy as np

    if dtype == _BF16:  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).tobytes()
    if dtype not in _NUMPY_TYPES:
        raise ValueError(f"adapters have no weights of type {dtype}")
    return np.frombuffer(data, _NUMPY_TYPES[dtype]).astype("<f4").tobytes()
