"""Puts an adapter's weights into its base model: `python -m selflengthen.training.merge`.

In a child process: when it ends, the model's memory is free again.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from pathlib import Path

from selflengthen.errors import TrainingError
from selflengthen.training import guard
from selflengthen.training.launch import child_environment


async def merge(model: Path, adapter: Path, output: Path, log: Path) -> None:
    """Write the model with the adapter in it to `output`, as transformers loads it.

    The folder is there whole or not at all; what is there already is replaced. The child writes to
    `log`. Raises TrainingError with the log's last words.
    """
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with log.open("ab") as said:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "selflengthen.training.merge", model, adapter, partial),
            stdin=asyncio.subprocess.PIPE,
            stdout=said,
            stderr=asyncio.subprocess.STDOUT,
            env=child_environment(),
            start_new_session=True,
        )
    try:
        code = await child.wait()
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGKILL)
            await child.wait()
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
        reason = next((line.strip() for line in reversed(lines) if line.strip()), "no word")
        raise TrainingError(f"Merging failed: {reason:.300} The log: {log}")
    shutil.rmtree(output, ignore_errors=True)
    partial.rename(output)


def main(model: str, adapter: str, output: str) -> None:
    """Merge and save: weights as safetensors in the base model's own type, and the tokenizer."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_pretrained(model, dtype="auto")
    merged = PeftModel.from_pretrained(base, adapter).merge_and_unload(safe_merge=True)
    merged.save_pretrained(output)
    AutoTokenizer.from_pretrained(model).save_pretrained(output)


if __name__ == "__main__":
    guard.die_with_parent()
    main(*sys.argv[1:])
