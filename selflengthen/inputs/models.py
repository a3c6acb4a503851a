"""The base model as a folder: found, checked and known by its digest, never by its path."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selflengthen.errors import UserError

POCKET = Path(__file__).parents[1] / "pocket" / "weights"
_SAMPLES, _SAMPLE_BYTES = 64, 1 << 16


@dataclass(frozen=True)
class Model:
    """A base model: its name as configured, folder, config.json, and the digest that runs keep."""

    name: str
    path: Path
    config: dict[str, Any]
    digest: str

    @property
    def positions(self) -> int | None:
        """The longest context in tokens, where the configuration says one."""
        return positions({**self.config, **self.config.get("text_config", {})})


def positions(config: Mapping[str, Any]) -> int | None:
    """Return how many positions a (text) model's config.json allows, YaRN's stretch included."""
    most = config.get("max_position_embeddings")
    if not isinstance(most, int):
        return None
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if "yarn" in (rope.get("rope_type"), rope.get("type")):
        stretched = rope.get("original_max_position_embeddings", most) * rope.get("factor", 1)
        most = max(most, int(stretched))
    return most


def weights(folder: Path) -> list[Path]:
    """Return the files that transformers loads a model's weights from, there or not.

    Beside them a folder may hold the same weights in another format.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    try:
        names = set(json.loads(index.read_bytes())["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        found = folder.glob("*.safetensors")
        return sorted(path for path in found if not path.name.startswith("consolidated"))
    return sorted(folder / Path(name).name for name in names)


def find(name: str) -> Model:
    """Return the model that `name` means: `pocket`, a folder, or a hub id (fetched if need be).

    Raises UserError where it is none, has no chat template, or has no safetensors weights.
    """
    folder = POCKET if name == "pocket" else Path(name)
    if not folder.is_dir():
        folder = _fetch(name)
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(
            f"model: {name} is no model folder (config.json: {_short(error)}); give a folder that "
            "transformers can load, a hub id, or `pocket`."
        ) from error
    files = weights(folder)
    if not files:
        raise UserError(
            f"model: {name} holds no *.safetensors; convert its weights to safetensors."
        )
    if lacking := [path.name for path in files if not path.is_file()]:
        raise UserError(
            f"model: {name} lacks {lacking[0]}, which its index names; download it again."
        )
    if not _has_chat_template(folder):
        raise UserError(
            f"model: {name} has no chat template (tokenizer_config.json or chat_template.jinja); "
            "use an instruction-tuned model, or add a template to its tokenizer."
        )
    return Model(name, folder, config, _digest(folder))


def _fetch(name: str) -> Path:
    """Download a model of the hub into its cache."""
    if name.count("/") != 1 or name.startswith((".", "/")) or name.endswith("/"):
        raise UserError(f"model: no folder {name}; give a model folder, a hub id, or `pocket`.")
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                name,
                # The card is no part of the model, but it states the licence.
                allow_patterns=[
                    *("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"),
                    "README.md",
                ],
                ignore_patterns=["*/*", "consolidated*"],  # the same weights in other formats
            )
        )
    except Exception as error:  # whatever a proxy, the line or the hub raises
        raise UserError(
            f"model: {name} is no folder here and could not be had from the hub ({_short(error)}); "
            "check the name, the network, or download it first."
        ) from error


def _has_chat_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    try:
        return bool(
            json.loads((folder / "tokenizer_config.json").read_bytes()).get("chat_template")
        )
    except (OSError, ValueError):
        return False


def _digest(folder: Path) -> str:
    """Hash names, sizes and contents; of a large file its header and 64 samples.

    A whole hash of tens of gigabytes would take minutes at every start.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".json", ".safetensors", ".jinja", ".model", ".txt"):
            continue
        _add(digest, path)
    return digest.hexdigest()


def content(path: Path) -> str:
    """Return the digest of a file, or of all files of a folder, sampled as those of a model."""
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
