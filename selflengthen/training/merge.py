"""Merges an adapter into its base model: `python -m selflengthen.training.merge`.

This runs in a child process; when it ends, the model's memory is free again.
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
    """Write the merged model to the folder `output`, for transformers to load.

    Its generation_config.json has `sampling`, the default for servers of the model. The folder
    appears complete or not at all, and replaces an existing one. The child writes to `log`. Raises
    TrainingError with the log's last line.
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
    """Return a run's sampling under the names of transformers' GenerationConfig."""
    greedy = sampling.temperature == 0  # transformers then rejects temperature, top_p and top_k
    return {
        "do_sample": not greedy,
        "temperature": None if greedy else sampling.temperature,
        "top_p": None if greedy else sampling.top_p,
        "top_k": None if greedy else sampling.top_k,
        "repetition_penalty": sampling.repetition_penalty,
    }


def main(model: str, adapter: str, output: str, settings: str) -> None:
    """Merge and save the weights, as safetensors in the base model's dtype, and the tokenizer."""
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
        print(in_a_line(error), file=sys.stderr)  # the log's last line is shown to the user
        sys.exit(1)
