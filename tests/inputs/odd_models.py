"""Models whose files are broken or made to do harm, for tests that hand them to every loader."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

Spoil = Callable[[Path], None]
"""Makes a bad file in the place that it gets."""

BOMB = 1 << 40
DEEP = 200_000
LONG = "9" * 5_000


def write(content: bytes | str) -> Spoil:
    """Return what writes a file."""
    data = content.encode() if isinstance(content, str) else content
    return lambda path: void(path.write_bytes(data))


def void(_: object) -> None:
    """Return nothing."""


def weights(header: bytes | str, values: bytes = bytes(256), length: int | None = None) -> Spoil:
    """Return what writes safetensors with this header, and with this length said of it."""
    text = header.encode() if isinstance(header, str) else header
    return write(struct.pack("<Q", len(text) if length is None else length) + text + values)


def tensor(**changes: object) -> str:
    """Return a header of one tensor, with changed fields."""
    fields = {"dtype": "BF16", "shape": [16, 8], "data_offsets": [0, 256]} | changes
    return json.dumps({"weight": fields})


def sparse(path: Path) -> None:
    """Make a file of a tebibyte that takes no room."""
    with path.open("wb") as file:
        file.truncate(BOMB)


ANYTHING: Mapping[str, Spoil] = {
    "a pipe": lambda path: os.mkfifo(path),
    "a folder": lambda path: path.mkdir(),
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "a broken link": lambda path: path.symlink_to("gone"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a tebibyte": sparse,
}
NOT_JSON: Mapping[str, Spoil] = {
    "empty": write(b""),
    "NUL": write(bytes(100_000)),
    "not JSON": write("{model"),
    "not UTF-8": write(b'{"a": "\xff\xfe"}'),
    "a list": write("[1, 2]"),
    "a number": write("7"),
    "null": write("null"),
    "deep": write("[" * DEEP),
    "deep and whole": write('{"a": ' * DEEP + "1" + "}" * DEEP),
    "5,000 digits": write(f'{{"hidden_size": {LONG}}}'),
}
HEADERS: Mapping[str, Spoil] = {
    **ANYTHING,
    "empty": write(b""),
    "four bytes": write(b"\1\0\0\0"),
    "NUL": write(bytes(100_000)),
    "no header": weights("", length=0),
    "2^60": weights("{}", length=1 << 60),
    "2^63": weights("{}", length=1 << 63),
    "minus one": weights("{}", length=(1 << 64) - 1),
    "longer than the file": weights("{}", length=1 << 20),
    "not JSON": weights("{weight"),
    "not UTF-8": weights(b'{"\xff": 1}'),
    "a list": weights("[1, 2]"),
    "a number": weights("77"),
    "tensors that are numbers": weights('{"weight": 1}'),
    "tensors without places": weights('{"weight": {"dtype": "BF16", "shape": [16, 8]}}'),
    "a shape of texts": weights(tensor(shape=["16"])),
    "a negative shape": weights(tensor(shape=[-16, -8])),
    "a vast shape": weights(tensor(shape=[1 << 60] * 64)),
    "another shape": weights(tensor(shape=[16, 9])),
    "5,000 digits": weights(tensor(shape=["x"]).replace('"x"', LONG)),
    "a type that is a number": weights(tensor(dtype=1)),
    "beyond the file": weights(tensor(data_offsets=[0, 1 << 40])),
    "before the file": weights(tensor(data_offsets=[-256, 0])),
    "backwards": weights(tensor(data_offsets=[256, 0])),
    "a hole": weights(tensor(data_offsets=[128, 384]), bytes(384)),
    "values too many": weights(tensor(), bytes(512)),
    "values too few": weights(tensor(), bytes(200)),
    "deep": weights('{"weight": ' + "[" * DEEP),
    "deep and whole": weights('{"weight": ' + '{"a": ' * DEEP + "1" + "}" * DEEP + "}"),
}
NUMBERS: Mapping[str, object] = {
    "hidden_size": "896", "num_attention_heads": -2, "num_hidden_layers": 1.5,
    "vocab_size": 10**30, "intermediate_size": ["16"], "num_key_value_heads": {"all": 2},
    "max_position_embeddings": True, "text_config": [1], "rope_scaling": "yarn",
    "rope_parameters": {"rope_type": "yarn", "factor": float("inf")},
}  # fmt: skip
INDICES: Mapping[str, Spoil] = {
    **ANYTHING,
    **NOT_JSON,
    "no map": write("{}"),
    "a list of names": write('{"weight_map": ["model.safetensors"]}'),
    "names that are numbers": write('{"weight_map": {"w": 1}}'),
    "above the folder": write('{"weight_map": {"w": "../model.safetensors"}}'),
    "pickled": write('{"weight_map": {"w": "pytorch_model-00001-of-00002.bin"}}'),
}


class _Mark:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> object:
        return Path.touch, (self.marker,)


def pickled(folder: Path, marker: Path, weights: str = "pytorch_model.bin") -> Path:
    """Replace a model's safetensors by pickled weights that make a file when they are loaded."""
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    (folder / weights).write_bytes(pickle.dumps({"weight": _Mark(marker)}))
    return folder


_CODE = """\
from pathlib import Path
Path({marker!r}).touch()
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
class EvilConfig(PretrainedConfig):
    model_type = "evil"
class EvilModel(PreTrainedModel):
    config_class = EvilConfig
class EvilTokenizer(PreTrainedTokenizerFast):
    pass
def generate(model, *args, **options):
    pass
"""
_AUTO = (
    "AutoModel", "AutoModelForCausalLM", "AutoModelForSeq2SeqLM",
    "AutoModelForSequenceClassification",
)  # fmt: skip


def evil(model: Path, folder: Path, marker: Path, *, kind: str | None = "evil") -> Path:
    """Copy a model and give it code that makes a file `marker` when it runs.

    `kind` is its model_type, one that transformers does not know; None leaves it as it was.
    """
    shutil.copytree(model, folder)
    (folder / "evil.py").write_text(_CODE.format(marker=str(marker)))
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate/generate.py").write_text(_CODE.format(marker=str(marker)))
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.EvilConfig"}
    config["auto_map"] |= dict.fromkeys(_AUTO, "evil.EvilModel")
    config["model_type"] = kind or config["model_type"]
    (folder / "config.json").write_text(json.dumps(config))
    path = folder / "tokenizer_config.json"
    tokenizer = json.loads(path.read_text()) if path.exists() else {}
    tokenizer["auto_map"] = {"AutoTokenizer": [None, "evil.EvilTokenizer"]}
    if kind:
        tokenizer["tokenizer_class"] = "EvilTokenizer"
    path.write_text(json.dumps(tokenizer))
    return folder
