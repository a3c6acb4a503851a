"""A model in a GGUF file: converted once to what transformers and vLLM load, and kept in a cache.

The cache lies with the Hugging Face assets (HF_HOME, HF_ASSETS_CACHE or XDG_CACHE_HOME decide
where) and knows a model by the digest of its file. A conversion gets its name when it is whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from selflengthen.errors import UserError
from selflengthen.inputs.gguf_header import GGUFHeader, read_header

_LAYOUT = "v1"  # of the cache; another conversion gets another
_MEMORY = 6  # bytes a parameter while weights are converted, see `gguf_convert`
_DISK = 2  # bytes a parameter in bfloat16
_SPARE = 64 << 20  # bytes for tokenizer and the like
_TEMPLATE = "tokenizer.chat_template"


def convert(path: Path) -> tuple[Path, str]:
    """Return the folder of a GGUF file's model, converted if need be, and the file's SHA-256.

    Raises UserError for a file that is none, is damaged, or that transformers cannot read.
    """
    header = read_header(path)
    _check(path, header)
    digest = _sha256(path)
    folder = cache_folder() / digest
    if not folder.is_dir():
        with _alone(folder):
            if not folder.is_dir():  # another process may have been quicker
                _convert(path, header, folder)
    return folder, digest


def cache_folder() -> Path:
    """Return where conversions are kept."""
    from huggingface_hub import cached_assets_path

    try:
        return cached_assets_path("selflengthen", "gguf", _LAYOUT)
    except OSError as error:
        raise UserError(
            f"The cache for converted models cannot be made ({error}); set HF_HOME to a folder "
            "that can be written to."
        ) from error


def _check(path: Path, header: GGUFHeader) -> None:
    """Raise UserError for what no conversion can help."""
    parts = header.values.get("split.count")
    if isinstance(parts, int) and parts > 1:
        raise UserError(
            f"{path}: is one of {parts} parts of a model; join them with llama.cpp's "
            "`llama-gguf-split --merge`."
        )
    if not header.tensors:
        raise UserError(f"{path}: holds no weights, only a vocabulary; give the model's own file.")
    if not header.values.get(_TEMPLATE):
        raise UserError(
            f"{path}: has no chat template ({_TEMPLATE}); take an instruction-tuned model."
        )
    if len(str(header.values[_TEMPLATE])) > 1 << 20:
        raise UserError(f"{path}: its chat template is longer than any needs; download it again.")
    needed, free = header.elements * _MEMORY, psutil.virtual_memory().available
    if needed > free:
        raise UserError(
            f"{path}: converting its {header.elements:,} parameters takes about "
            f"{needed / 2**30:,.1f} GiB of memory, and {free / 2**30:,.1f} GiB are free; use a "
            "larger machine, or the model's folder with safetensors."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time convert into a folder; the lock ends with its process."""
    with open(f"{folder}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _convert(path: Path, header: GGUFHeader, folder: Path) -> None:
    """Convert in a child process, whose memory is free again when it ends."""
    needed, free = header.elements * _DISK + _SPARE, shutil.disk_usage(folder.parent).free
    if needed > free:
        raise UserError(
            f"{folder.parent}: the converted model takes {needed / 2**30:,.1f} GiB and the disk "
            f"has {free / 2**30:,.1f} GiB left; set HF_HOME to a folder on another."
        )
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a conversion that was killed
    print(f"model: converting {path}, once; this can take minutes", file=sys.stderr, flush=True)
    package = str(Path(__file__).parents[2])
    paths = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "selflengthen.inputs.gguf_convert", str(path), str(partial)]
    child = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=os.environ | {"PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"},
    )
    if child.returncode:
        shutil.rmtree(partial, ignore_errors=True)
        raise UserError(_failure(path, child))
    partial.rename(folder)
    with contextlib.suppress(OSError):
        Path(f"{folder}.lock").unlink()


def _failure(path: Path, child: subprocess.CompletedProcess[str]) -> str:
    """Say in one line why a conversion failed."""
    if child.returncode < 0:
        reason = f"it was ended by signal {-child.returncode}, often for want of memory"
    else:
        lines = (child.stdout.strip() or child.stderr.strip()).splitlines()
        reason = lines[-1] if lines else f"exit code {child.returncode}"
    return (
        f"{path}: cannot be converted ({reason.rstrip('.'):.300}); take the model's folder with "
        "safetensors instead."
    )
