"""Checks the files of a model before a library opens them.

A model's file can be broken or malicious: a length of 2^60 in a header, a list in place of an
object, a named pipe that never ends. All reads are bounded, and each fault raises a UserError of
one line that names the file. Pickled weights are rejected, because loading them can run code.
"""

from __future__ import annotations

import json
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from os.path import lexists  # true for a broken link, too
from pathlib import Path
from typing import Any

import msgspec

from selflengthen.errors import UserError

SUFFIXES = (".json", ".safetensors", ".jinja", ".model", ".txt")
"""Suffixes of the files that transformers and vLLM read, and that go into a model's digest."""

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_OBJECTS = ("config.json", "generation_config.json", "tokenizer_config.json")
# The largest sizes, in bytes.
_OBJECT_BYTES = 8 << 20
_INDEX_BYTES = 32 << 20  # an index of 280,000 tensors
_TEMPLATE_BYTES = 1 << 20
_TEXT_BYTES = 256 << 20  # vocabularies; the largest in use take about 40 MiB
_HEADER_BYTES = 16 << 20  # a shard with 140,000 tensors
_AGAIN = "download it again"
_CONVERT = "convert them to safetensors (a model's `save_pretrained` writes that)"

# Bytes per number, by the name of the type in safetensors.
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1}


@dataclass(frozen=True)
class Header:
    """The totals of a safetensors file's header: parameters, and bytes of their values."""

    parameters: int
    value_bytes: int


class _Tensor(msgspec.Struct, frozen=True, gc=False):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class _Index(msgspec.Struct, frozen=True):
    weight_map: dict[str, str]


def check_folder(folder: Path) -> None:
    """Check the files of a model or tokenizer that a library may read, except the weights.

    Raises UserError for one that is not a regular file, is too large, or is not the right JSON.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix in SUFFIXES:
            size = file_size(path)
            most = {".jinja": _TEMPLATE_BYTES, ".safetensors": size}.get(path.suffix, _TEXT_BYTES)
            if size > most:
                raise _fault(path, f"is larger than any such file ({size:,} bytes)")
    for name in _OBJECTS:
        if lexists(folder / name):
            read_object(folder / name)


def check_weights(folder: Path) -> None:
    """Check that a model's safetensors are all present and complete, by their headers."""
    if lexists(folder / ADAPTER_CONFIG):
        raise UserError(
            f"{folder / ADAPTER_CONFIG}: this folder has only an adapter; give the folder of a "
            "complete model."
        )
    files = weight_files(folder)
    if not files:
        raise no_weights(folder)
    for path in files:
        if not lexists(path):
            raise _fault(path, "is missing, but the model's index lists it")
        read_header(path)


def check_adapter(folder: Path) -> None:
    """Check a LoRA adapter's folder; raises UserError if a library should not load it."""
    config = read_object(folder / ADAPTER_CONFIG)
    if config.get("peft_type") != "LORA" or not isinstance(config.get("r"), int):
        raise _fault(folder / ADAPTER_CONFIG, "is not the configuration of a LoRA adapter")
    if config.get("megatron_config"):  # peft would import the module that `megatron_core` names
        raise _fault(folder / ADAPTER_CONFIG, "requires Megatron, which is not supported")
    if not lexists(folder / ADAPTER_WEIGHTS):
        raise no_weights(folder)
    read_header(folder / ADAPTER_WEIGHTS)


def no_weights(folder: Path) -> UserError:
    """Return the error for a folder without safetensors."""
    pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
    if pickled:
        return UserError(
            f"{folder / pickled[0]}: pickled weights are not loaded, because loading them can run "
            f"code; {_CONVERT}."
        )
    return UserError(f"{folder}: has no weights (*.safetensors); {_AGAIN}.")


def weight_files(folder: Path) -> list[Path]:
    """Return the files that transformers loads a model's weights from; they may be missing.

    The folder may have the same weights in another format, too.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if lexists(single):
        return [single]
    if not lexists(index):
        shards = folder.glob("*.safetensors")
        return sorted(path for path in shards if not path.name.startswith("consolidated"))
    data = _read(index, _INDEX_BYTES)
    try:
        names = set(msgspec.json.decode(data, type=_Index).weight_map.values())
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _fault(index, f"is not a valid index of weights ({_reason(error)})") from error
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise _fault(
                index, f"lists {name!r:.80}, which is not a safetensors file in this folder"
            )
    return sorted(folder / name for name in names)


def file_size(path: Path) -> int:
    """Return a file's size in bytes; raises UserError unless it is a regular file."""
    try:
        status = path.stat()
    except OSError as error:
        raise _fault(path, f"cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise UserError(f"{path}: is {kind}, not a file; {_AGAIN}.")
    return status.st_size


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object of at most 8 MiB; raises UserError for anything else."""
    data = _read(path, _OBJECT_BYTES)
    try:
        value = json.loads(data)  # accepts NaN and Infinity, which some models' files have
    except (ValueError, RecursionError) as error:
        raise _fault(path, f"is not valid JSON ({_reason(error)})") from error
    if not isinstance(value, dict):
        raise _fault(path, "must contain a JSON object")
    return value


def read_header(path: Path) -> Header:
    """Read a safetensors file's header; raises UserError if it does not match the file."""
    size = file_size(path)
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(_HEADER_BYTES, size - 8):
                raise _fault(
                    path, f"is truncated or not safetensors (a header of {length:,} bytes)"
                )
            data = file.read(length)
    except OSError as error:
        raise _fault(path, f"cannot be read ({error.strerror})") from error
    try:
        raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        raw.pop("__metadata__", None)
        tensors = {name: msgspec.json.decode(text, type=_Tensor) for name, text in raw.items()}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _fault(path, f"has an invalid safetensors header ({_reason(error)})") from error
    _check_offsets(path, tensors.values(), size - 8 - length)
    parameters = sum(_parameters(path, name, tensor) for name, tensor in tensors.items())
    return Header(parameters, size - 8 - length)


def share(folder: Path) -> None:
    """Give weights the mode of the JSON files in their folder.

    safetensors writes them with mode 0600, whatever the umask, so others could not read the model.
    """
    mode = next(folder.glob("*.json")).stat().st_mode & 0o777
    for path in folder.glob("*.safetensors"):
        path.chmod(mode)


def _check_offsets(path: Path, tensors: Iterable[_Tensor], value_bytes: int) -> None:
    """Check that the tensors are contiguous and fill the file, as safetensors requires."""
    position = 0
    for start, end in sorted(tensor.data_offsets for tensor in tensors):
        if start != position or end < start:
            raise _fault(path, f"has a header that puts values at bytes {start:,} to {end:,}")
        position = end
    if position != value_bytes:
        raise _fault(path, f"has {value_bytes:,} bytes of values, but its header says {position:,}")


def _parameters(path: Path, name: str, tensor: _Tensor) -> int:
    """Return a tensor's number of parameters; its shape must match its bytes."""
    start, end = tensor.data_offsets
    size = end - start
    count = 0 if 0 in tensor.shape else 1
    for length in tensor.shape:
        count *= length
        if not 0 <= count <= 8 * size:  # no type takes less than a bit
            raise _fault(path, f"has a tensor {name!r:.80} whose shape does not fit {size:,} bytes")
    width = _BYTES.get(tensor.dtype)
    if width is not None and count * width != size:
        raise _fault(path, f"has a tensor {name!r:.80} whose shape does not fit {size:,} bytes")
    return count


def _read(path: Path, most: int) -> bytes:
    size = file_size(path)
    if size > most:
        raise _fault(path, f"is larger than any such file ({size:,} bytes)")
    try:
        return path.read_bytes()
    except OSError as error:
        raise _fault(path, f"cannot be read ({error.strerror})") from error


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return line.split(";")[0][:200]


def _fault(path: Path, what: str) -> UserError:
    return UserError(f"{path}: {what}; {_AGAIN}.")
