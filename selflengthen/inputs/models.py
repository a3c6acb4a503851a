"""The base model: located, checked, and identified by its digest, never by its path."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from os.path import lexists
from pathlib import Path
from typing import Any

from selflengthen.errors import UserError
from selflengthen.inputs import gguf, model_files

POCKET = Path(__file__).parents[1] / "pocket" / "weights"
_SAMPLES = 64
_SAMPLE_BYTES = 1 << 16
_MOST = 1 << 40  # for a width, a count or a length: far beyond any model
_ORIGINAL = "original_max_position_embeddings"
_INTEGER_FIELDS = (
    "max_position_embeddings",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "vocab_size",
)


@dataclass(frozen=True)
class Model:
    """A base model: its configured name, folder, config.json, and the digest that runs store."""

    name: str
    path: Path
    config: dict[str, Any]
    digest: str

    @property
    def positions(self) -> int | None:
        """The longest context in tokens, or None if the configuration does not say."""
        return positions(self.text_config)

    @property
    def text_config(self) -> dict[str, Any]:
        """The configuration of the language model, which config.json may have in `text_config`."""
        return {**self.config, **(self.config.get("text_config") or {})}


def positions(config: Mapping[str, Any]) -> int | None:
    """Return the context length in tokens that config.json allows, including YaRN scaling."""
    most = config.get("max_position_embeddings")
    if not isinstance(most, int):
        return None
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if "yarn" in (rope.get("rope_type"), rope.get("type")):
        stretched = (rope.get(_ORIGINAL) or most) * (rope.get("factor") or 1)
        most = max(most, int(stretched))
    return most


def find(name: str) -> Model:
    """Return the model `name`: `pocket`, a folder, a GGUF file, or a hub id.

    A GGUF file is converted and a hub id downloaded if needed. Raises UserError if there is no such
    model, or it lacks a chat template or safetensors, or is damaged.
    """
    folder, digest = POCKET if name == "pocket" else Path(name), ""
    if folder.is_file():
        folder, digest = gguf.convert(folder)
    elif not folder.is_dir():
        folder = _fetch(name)
    if not lexists(folder / "config.json"):
        raise UserError(
            f"model: {name} is not a model folder (it has no config.json); give a folder that "
            "transformers can load, a GGUF file, a hub id, or `pocket`."
        )
    model_files.check_folder(folder)
    model_files.check_weights(folder)
    config = model_files.read_object(folder / "config.json")
    _check_numbers(folder / "config.json", config)
    if not _has_chat_template(folder):
        raise UserError(
            f"model: {name} has no chat template (tokenizer_config.json or chat_template.jinja); "
            "use an instruction-tuned model, or add a template to its tokenizer."
        )
    return Model(name, folder, config, digest or _digest(folder))


def _fetch(name: str) -> Path:
    """Download a model from the hub into its cache."""
    if name.count("/") != 1 or name.startswith((".", "/")) or name.endswith("/"):
        raise UserError(
            f"model: there is no folder {name}; give a model folder, a GGUF file, a hub id, or "
            "`pocket`."
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                name,
                # The card is not part of the model, but it states the licence.
                allow_patterns=[
                    *("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"),
                    "README.md",
                ],
                ignore_patterns=["*/*", "consolidated*"],  # the same weights in other formats
            )
        )
    except Exception as error:  # whatever a proxy, the network or the hub raises
        raise UserError(
            f"model: {name} is not a folder and could not be downloaded from the hub "
            f"({_short(error)}); check the name and the network, or download it first."
        ) from error


def _check_numbers(path: Path, config: Mapping[str, Any]) -> None:
    """Raise UserError for a number in config.json that is read here but cannot be used."""
    nested = config.get("text_config")
    for part in (config, {} if nested is None else nested):
        if not isinstance(part, Mapping):
            raise _wrong(path, "text_config", part, "an object")
        for name in _INTEGER_FIELDS:
            value = part.get(name)
            # Some models have one number per layer.
            for number in value if isinstance(value, list) else [value]:
                if number is not None and not _is_number(number, int):
                    raise _wrong(path, name, value, f"a whole number from 0 to {_MOST:,}")
        for name in ("rope_parameters", "rope_scaling"):
            rope = part.get(name)
            if rope is None:
                continue
            if not isinstance(rope, Mapping):
                raise _wrong(path, name, rope, "an object")
            for field in ("factor", _ORIGINAL):
                value = rope.get(field)
                if value is not None and not _is_number(value, int, float):
                    raise _wrong(path, f"{name}.{field}", value, f"a number up to {_MOST:,}")


def _is_number(value: Any, *kinds: type) -> bool:
    return type(value) in kinds and bool(0 <= value <= _MOST)


def _wrong(path: Path, name: str, value: Any, expected: str) -> UserError:
    return UserError(
        f"{path}: {name} is {value!r:.80}, but must be {expected}; correct it, or download the "
        "model again."
    )


def _has_chat_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    path = folder / "tokenizer_config.json"
    return lexists(path) and bool(model_files.read_object(path).get("chat_template"))


def _digest(folder: Path) -> str:
    """Hash names, sizes and contents; of a large file, 64 samples, the first from its start.

    Hashing tens of gigabytes would take minutes at every start.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in model_files.SUFFIXES:
            _add(digest, path)
    return digest.hexdigest()


def content(path: Path) -> str:
    """Return the digest of a file or of all files in a folder; large ones are sampled."""
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        _add(digest, file)
    return digest.hexdigest()


def _add(digest: Any, path: Path) -> None:
    size = path.stat().st_size
    digest.update(f"{path.name} {size}\n".encode())
    with open(path, "rb") as file:
        if size <= _SAMPLES * _SAMPLE_BYTES:
            digest.update(file.read())
            return
        for i in range(_SAMPLES):
            file.seek(i * (size - _SAMPLE_BYTES) // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))


def _short(error: Exception) -> str:
    return (
        getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
    )
