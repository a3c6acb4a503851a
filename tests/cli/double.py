"""A training that takes no time: it writes an adapter's files and a few steps.

Run as a program it is `python -m selflengthen` with that training.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from safetensors.numpy import save_file

from selflengthen.training.job import TrainingJob, TrainingResult
from selflengthen.training.steps import TrainingStep


async def train(
    job: TrainingJob, *, log: Path, on_step: Callable[[TrainingStep], None]
) -> TrainingResult:
    """Write what a training leaves behind; the adapter depends on the job alone."""
    rows = _count(Path(job.rows))
    steps = [
        TrainingStep(step=n, loss=2.0 / n, learning_rate=1e-4, tokens=100, seconds=0.1)
        for n in range(1, 4)
    ]
    for step in steps:
        on_step(step)
        await asyncio.sleep(0)
    job.folder.mkdir(exist_ok=True)
    (job.folder / "metrics.jsonl").write_text(
        "".join(json.dumps(msgspec.to_builtins(step)) + "\n" for step in steps)
    )
    (job.folder / "adapter_config.json").write_text(json.dumps({"r": job.lora_r}))
    weights = np.frombuffer(bytes.fromhex(job.digest()), dtype=np.uint8).astype(np.float32)
    save_file({"lora": weights}, job.folder / "adapter_model.safetensors")
    adapter = hashlib.sha256(b"lora" + weights.tobytes()).hexdigest()
    return TrainingResult(
        job=job.digest(), adapter=adapter, rows=rows, dropped=0, longest=10, steps=3,
        tokens=300,
        first_loss=2.0, last_loss=0.67, seconds=0.3, startup_seconds=0.1, tokens_per_second=1000.0,
        peak_memory=1, resumed_from=0, versions={},
    )  # fmt: skip


def _count(path: Path) -> int:
    return path.read_bytes().count(b"\n")


if __name__ == "__main__":
    import selflengthen.cli.runner
    from selflengthen.cli import main

    selflengthen.cli.runner.train = train
    sys.exit(main())
