"""Puts an adapter's weights into its base model: `python -m selflengthen.training.merge`.

In a child process: when it ends, the model's memory is free again.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from selflengthen.errors import TrainingError
from selflengthen.training import child, guard


async def merge(model: Path, adapter: Path, output: Path, log: Path) -> None:
    """Write the model with the adapter in it to `output`, as transformers loads it.

    The folder is there whole or not at all; what is there already is replaced. The child writes to
    `log`. Raises TrainingError with the log's last words.
    """
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    code, said = await child.run("selflengthen.training.merge", model, adapter, partial, log=log)
    if code:
        raise TrainingError(f"Merging failed: {said:.300} The log: {log}")
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
