"""The header of a GGUF file, read before any library opens it.

A library maps the whole file and believes its counts. Here each count is held against the bytes
that are there, so a file that is cut short, or made to do harm, is one line and costs little.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from selflengthen.errors import UserError
from selflengthen.inputs.model_files import file_size

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_HEADER_BYTES = 128 << 20  # vocabularies with their merges; the largest in use take some 20 MiB
_KEYS, _TENSORS, _DIMENSIONS, _ALIGNMENT = 1 << 12, 1 << 17, 4, 32
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
"""How GGUF writes numbers, by the number of their type."""


@dataclass(frozen=True)
class GGUFHeader:
    """What a GGUF file says of itself: its keys (of arrays only the length), and its tensors.

    `elements` are the numbers of all tensors together.
    """

    values: dict[str, Any]
    tensors: int
    elements: int


def read_header(path: Path) -> GGUFHeader:
    """Read the header; raises UserError for what is no GGUF file, is damaged or cut short."""
    size = file_size(path)
    try:
        with path.open("rb") as file:
            data = file.read(min(size, _HEADER_BYTES))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    return _Scan(path, data, size).header()


class _Scan:
    """A walk over the header's bytes."""

    def __init__(self, path: Path, data: bytes, size: int) -> None:
        self.path, self.data, self.size = path, data, size
        self.at = 0

    def header(self) -> GGUFHeader:
        if self.data[:4] != _MAGIC:
            raise UserError(
                f"{self.path}: is not a GGUF file; give a model's folder, a GGUF file, a hub id, "
                "or `pocket`."
            )
        self.at = 4
        version = self.number("<I")
        if version not in _VERSIONS:
            self.fail(f"is GGUF of version {version}, and only {_VERSIONS} in little-endian order")
        tensors, keys = self.number("<Q"), self.number("<Q")
        if tensors > _TENSORS or keys > _KEYS:
            self.fail(f"says it has {tensors:,} tensors and {keys:,} keys")
        values = {self.string(): self.value() for _ in range(keys)}
        places = [self.tensor() for _ in range(tensors)]
        alignment = values.get("general.alignment", _ALIGNMENT)
        if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
            self.fail(f"its general.alignment is {alignment!r:.40}")
        start = -(-self.at // alignment) * alignment
        end = start + max((offset + length for offset, length, _ in places), default=0)
        if end > self.size:
            self.fail(f"is cut short: it has {self.size:,} bytes, its tensors end at {end:,}")
        return GGUFHeader(values, tensors, sum(elements for _, _, elements in places))

    def tensor(self) -> tuple[int, int, int]:
        """Return where a tensor begins, its bytes, and how many numbers it has."""
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

        name = self.string()
        dimensions = self.number("<I")
        if dimensions > _DIMENSIONS:
            self.fail(f"says that {name!r:.80} has {dimensions:,} dimensions")
        elements = math.prod(self.number("<Q") for _ in range(dimensions))
        kind, offset = self.number("<I"), self.number("<Q")
        try:
            block, width = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        except (ValueError, KeyError):
            self.fail(f"{name!r:.80} is of type {kind}, which the gguf library does not know")
        return offset, -(-elements // block) * width, elements

    def value(self) -> Any:
        """Read a key's value; of an array, its length stands for it."""
        kind = self.number("<I")
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.scalar(kind)
        kind, length = self.number("<I"), self.number("<Q")
        if kind == _STRING:
            self.need(8 * length)
            for _ in range(length):
                self.skip(self.number("<Q"))
        elif kind in _SCALARS:
            self.skip(length * struct.calcsize(_SCALARS[kind]))
        else:
            self.fail(f"has an array of type {kind}")
        return length

    def scalar(self, kind: int) -> Any:
        if kind not in _SCALARS:
            self.fail(f"has a value of type {kind}")
        return self.number(_SCALARS[kind])

    def number(self, form: str) -> Any:
        at = self.at
        self.skip(struct.calcsize(form))
        return struct.unpack_from(form, self.data, at)[0]

    def string(self) -> str:
        length = self.number("<Q")
        at = self.at
        self.skip(length)
        return self.data[at : self.at].decode("utf-8", "replace")

    def skip(self, length: int) -> None:
        self.need(length)
        self.at += length

    def need(self, length: int) -> None:
        if self.at + length <= len(self.data):
            return
        if len(self.data) < self.size:
            self.fail(f"its header has over {len(self.data):,} bytes")
        self.fail(f"is cut short or damaged, {self.at:,} bytes in")

    def fail(self, fault: str) -> NoReturn:
        raise UserError(f"{self.path}: {fault}; download it again.")
