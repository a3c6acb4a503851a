"""The one place where configurations, tokenizers, models and adapters are loaded.

A model's folder is data: its Python code is never run, whatever is typed on standard input, and
pickled weights are never read. Whatever a library raises for a user's files becomes a one-line
error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selflengthen.errors import UserError, refused
from selflengthen.inputs import model_files


def check(name: str | Path) -> None:
    """Check a model's folder before a library reads it; a hub id is not checked."""
    folder = Path(name)
    if folder.is_dir():
        model_files.check_folder(folder)
    elif folder.exists():
        raise UserError(f"{name}: is not a folder; give a model's folder or a hub id.")


def check_model(name: str | Path) -> None:
    """Check a model's folder and weights before a library reads them; a hub id is not checked."""
    check(name)
    if Path(name).is_dir():
        model_files.check_weights(Path(name))


def config(name: str | Path) -> Any:
    """Load a model's configuration; raises UserError if that fails."""
    from transformers import AutoConfig

    check(name)
    try:
        return AutoConfig.from_pretrained(name, trust_remote_code=False)
    except Exception as error:
        raise unusable(name, "", error) from error


def tokenizer(name: str | Path) -> Any:
    """Load a model's tokenizer; raises UserError if that fails."""
    from transformers import AutoTokenizer

    check(name)
    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except Exception as error:
        raise unusable(name, "a tokenizer", error) from error


def model(kind: Any, name: str | Path, what: str = "a model", **options: Any) -> Any:
    """Load a model as `kind`, a class of transformers, with its `options`.

    Raises UserError if that fails; `what` is what the message calls the model.
    """
    check_model(name)
    try:
        return kind.from_pretrained(name, trust_remote_code=False, use_safetensors=True, **options)
    except Exception as error:
        raise unusable(name, what, error) from error


def of_gguf(kind: Any, path: Path, **options: Any) -> Any:
    """Load what `kind`, a class of transformers, makes of a GGUF file; errors are transformers'."""
    return kind.from_pretrained(
        path.parent, gguf_file=path.name, trust_remote_code=False, **options
    )


def adapted(base: Any, folder: str | Path, **options: Any) -> Any:
    """Add the LoRA adapter in a folder to a model; raises UserError if that fails."""
    from peft import PeftModel

    model_files.check_adapter(Path(folder))
    try:
        return PeftModel.from_pretrained(base, str(folder), **options)
    except Exception as error:
        raise unusable(folder, "an adapter", error) from error


def ends(name: str | Path) -> Any:
    """Return the end-of-sequence tokens in a model's generation_config.json; None without one.

    Raises UserError if the file cannot be used.
    """
    from transformers import GenerationConfig

    check(name)
    try:
        return GenerationConfig.from_pretrained(name, trust_remote_code=False).eos_token_id
    except OSError:
        return None
    except Exception as error:
        raise unusable(name, "generation settings", error) from error


def unusable(name: str | Path, what: str, error: Exception) -> UserError:
    """Return the one-line error for something that a library could not load."""
    if isinstance(error, UserError):
        return error
    line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if "custom code" in str(error) or "trust_remote_code" in str(error):
        return UserError(
            f"{name}: needs its own Python code, which is never run; use a model with an "
            "architecture that is part of transformers."
        )
    reason = refused(error) or line
    as_what = f" as {what}" if what else ""
    return UserError(
        f"{name}: cannot be loaded{as_what} ({reason:.200}); give a folder that transformers can "
        "load, or a hub id."
    )
