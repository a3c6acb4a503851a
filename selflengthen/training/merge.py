"""Puts an adapter's weights into its base model: `python -m selflengthen.training.merge`.

In a child process: when it ends, the model's memory is free again.
"""

from __future__ import annotations

import json
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

from selflengthen.config import SamplingConfig
from selflengthen.errors import TrainingError, in_a_line
from selflengthen.inputs import model_files, pretrained
from selflengthen.training import child, guard


async def merge(
    model: Path, adapter: Path, output: Path, log: Path, sampling: SamplingConfig
) -> None:
    """Write the model with the adapter in it to `output`, as transformers loads it.

    Its generation_config.json carries `sampling`, which who serves it then gets by default. The
    folder is there whole or not at all; what is there already is replaced. The child writes to
    `log`. Raises TrainingError with the log's last words.
    """
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    settings = json.dumps(generation_settings(sampling))
    code, last_line = await child.run(
        "selflengthen.training.merge", model, adapter, partial, settings, log=log
    )
    if code:
        raise TrainingError(f"Merging failed: {last_line:.300} The log: {log}")
    shutil.rmtree(output, ignore_errors=True)
    partial.rename(output)


def generation_settings(sampling: SamplingConfig) -> dict[str, Any]:
    """Return a run's sampling by the names of transformers' GenerationConfig."""
    if sampling.temperature == 0:  # transformers refuses settings of drawing where none is done
        drawing: dict[str, Any] = {
            "do_sample": False, "temperature": None, "top_p": None, "top_k": None,
        }  # fmt: skip
    else:
        drawing = {
            "do_sample": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
        }
    return {**drawing, "repetition_penalty": sampling.repetition_penalty}


def main(model: str, adapter: str, output: str, settings: str) -> None:
    """Merge and save: weights as safetensors in the base model's own type, and the tokenizer."""
    from transformers import AutoModelForCausalLM

    base = pretrained.model(AutoModelForCausalLM, model, dtype="auto")
    merged = pretrained.adapted(base, adapter).merge_and_unload(safe_merge=True)
    merged.generation_config.update(**json.loads(settings))
    merged.save_pretrained(output)
    pretrained.tokenizer(model).save_pretrained(output)
    model_files.share(Path(output))


if __name__ == "__main__":
    guard.die_with_parent()
    try:
        main(*sys.argv[1:])
    except Exception as error:
        traceback.print_exc()
        print(in_a_line(error), file=sys.stderr)  # the log's last line is what the user reads
        sys.exit(1)
