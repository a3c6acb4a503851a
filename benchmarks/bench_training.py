"""Memory and speed of the training process with the paper's settings.

With CUDA it trains rows of 16k tokens on a model of Qwen2-0.5B's shape (LoRA r 8, gradient
checkpointing, the chunked loss). Its weights are random, since only the shape matters here. Without
CUDA it trains the pocket model instead.

    python benchmarks/bench_training.py [--model FOLDER] [--out benchmarks/results/training.json]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from pathlib import Path
from typing import Any

import msgspec

import selflengthen
from selflengthen.pocket.language import Story, render
from selflengthen.storage.records import TrainingRow, encode
from selflengthen.training.job import TrainingJob, TrainingResult
from selflengthen.training.launch import train

LONGEST = 16_384


def main() -> None:
    """Train what the machine can and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    weights = Path(selflengthen.__file__).parent / "pocket" / "weights"
    parser.add_argument("--model", type=Path, default=weights, help="the pocket model's folder")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    args = parser.parse_args()
    import torch

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if torch.cuda.is_available():
            device = torch.cuda.get_device_name()
            result = _long(work, args.model)
        else:
            print("No CUDA: training the pocket model instead of rows of 16k tokens.")
            device = "cpu"
            result = _pocket(work, args.model)
    figures: dict[str, object] = {"device": device, **msgspec.to_builtins(result)}
    print(msgspec.json.format(msgspec.json.encode(figures)).decode())
    print(
        f"{device}: {result.tokens_per_second:.0f} tokens/s, {result.peak_memory / 2**30:.2f} GiB, "
        f"{result.startup_seconds:.1f} s before the first step"
    )
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")


def _long(work: Path, pocket: Path) -> TrainingResult:
    model = work / "model"
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(pocket, trust_remote_code=False)
    config = Qwen2Config(
        vocab_size=151_936,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        max_position_embeddings=32_768,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    untyped: Any = Qwen2ForCausalLM
    untyped(config).bfloat16().save_pretrained(model)
    tokenizer.save_pretrained(model)
    rows = _rows(work, count=16, words=None, tokenizer=tokenizer)
    job = _job(model, rows, work, learning_rate=1e-4, epochs=2.0, lora_r=8, lora_alpha=16)
    return asyncio.run(train(job, log=work / "log", on_step=print))


def _pocket(work: Path, pocket: Path) -> TrainingResult:
    job = _job(
        pocket,
        _rows(work, count=48, words=150),
        work,
        learning_rate=5e-3,
        epochs=6.0,
        lora_r=16,
        lora_alpha=32,
        max_length=2048,
        batch=4,
        per_device_batch=4,
        gradient_checkpointing=False,
    )
    return asyncio.run(train(job, log=work / "log", on_step=lambda step: None))


def _job(model: Path, rows: Path, work: Path, **fields: Any) -> TrainingJob:
    return TrainingJob(
        model=str(model), rows=str(rows), output=str(work / "adapter"), seed=0, **fields
    )


def _rows(work: Path, count: int, words: int | None, tokenizer: Any = None) -> Path:
    """Write rows of about `words` words, or of nearly `LONGEST` tokens."""
    rng = random.Random(0)
    path = work / "rows.jsonl"
    with path.open("wb") as file:
        for number in range(count):
            story = Story(rng)
            text = render(story.text([3] * 6))
            if words is None:
                ids = tokenizer(text, add_special_tokens=False)["input_ids"]
                text = "\n\n".join([text] * ((LONGEST - 200) // (len(ids) + 2)))
            else:
                text = " ".join(text.split()[:words])
            prompt = [{"role": "user", "content": story.request()}]
            completion = [{"role": "assistant", "content": text}]
            file.write(encode(TrainingRow(id=str(number), prompt=prompt, completion=completion)))
    return path


if __name__ == "__main__":
    main()
