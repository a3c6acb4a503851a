"""The child that converts a GGUF file: `python -m selflengthen.inputs.gguf_convert FILE FOLDER`.

transformers reads weights, tokenizer and chat template of the file. It does not save a model that
it read so; a model of the same class without the quantization takes the weights, in bfloat16.
Exit code 1 with the reason as the last line of standard output.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import yaml

from selflengthen.errors import UserError, in_a_line
from selflengthen.inputs import model_files, pretrained
from selflengthen.inputs.gguf_header import GGUFHeader, read_header

_MOST_MISSING = 3  # names that are shown of tensors that a file lacks
_ENDS = "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"


def main(arguments: list[str]) -> int:
    """Convert, and return the exit code."""
    path, folder = map(Path, arguments)
    try:
        convert(path, folder)
    except Exception as error:  # whatever a library makes of a file that is not ours
        print(in_a_line(error), flush=True)
        return 1
    return 0


def convert(path: Path, folder: Path) -> None:
    """Write a model's folder; all of it is on the disk when this returns."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    header = read_header(path)
    config = pretrained.of_gguf(AutoConfig, path)
    _check_size(config, header)
    tokenizer = pretrained.of_gguf(AutoTokenizer, path)
    loaded, info = pretrained.of_gguf(
        AutoModelForCausalLM, path, dtype=torch.bfloat16, output_loading_info=True
    )
    if missing := sorted(info["missing_keys"]):
        names = ", ".join(missing[:_MOST_MISSING])
        raise UserError(f"{len(missing)} of its tensors are missing, such as {names}")
    model = _plain(loaded)
    _set_ends(model, tokenizer, header)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    model_files.share(folder)
    if isinstance(licence := header.values.get("general.license"), str):
        card = yaml.safe_dump({"license": licence}, allow_unicode=True)
        (folder / "README.md").write_text(f"---\n{card}---\n", encoding="utf-8")
    model_files.check_folder(folder)
    model_files.check_weights(folder)
    _sync(folder)


def _check_size(config: Any, header: GGUFHeader) -> None:
    """Raise UserError where the model that the keys describe is not the one in the tensors.

    Its layers are counted before any is made: a header can ask for a thousand million.
    """
    import torch
    from transformers import AutoModelForCausalLM

    layers = getattr(config, "num_hidden_layers", 0)
    if not 0 < layers <= header.tensors:
        raise UserError(f"it says it has {layers} layers, and has {header.tensors} tensors")
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    parameters = sum(each.numel() for each in model.parameters())
    if parameters > 2 * header.elements:
        raise UserError(
            f"it describes a model of {parameters:,} parameters, and holds {header.elements:,}"
        )


def _plain(loaded: Any) -> Any:
    """Return the model without the quantization that it was read from, with the same weights."""
    import torch

    values = loaded.config.to_dict()
    for name in ("quantization_config", "_name_or_path"):
        values.pop(name, None)
    config = type(loaded.config).from_dict(values)
    config.dtype = torch.bfloat16
    with torch.device("meta"):
        model = type(loaded)(config)
    model.load_state_dict(loaded.state_dict(), strict=True, assign=True)
    model.tie_weights()
    return model


def _set_ends(model: Any, tokenizer: Any, header: GGUFHeader) -> None:
    """Give the model its special tokens: those of its file, and of its tokenizer."""
    from transformers import GenerationConfig

    listed = [header.values[name] for name in _ENDS if isinstance(header.values.get(name), int)]
    ends = list(dict.fromkeys([*listed, tokenizer.eos_token_id]))
    ends = [token for token in ends if token is not None]
    if not ends:
        raise UserError("its tokenizer has no token that ends a text")
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else ends[0]
    chosen: dict[str, Any] = {"bos_token_id": tokenizer.bos_token_id, "pad_token_id": pad}
    chosen["eos_token_id"] = ends[0] if len(ends) == 1 else ends
    for name, value in chosen.items():
        setattr(model.config, name, value)
    model.generation_config = GenerationConfig(**chosen)


def _sync(folder: Path) -> None:
    for path in [*folder.iterdir(), folder]:
        place = os.open(path, os.O_RDONLY)
        os.fsync(place)
        os.close(place)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
