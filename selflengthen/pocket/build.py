"""The recipe: trains the pocket model from scratch, in one command.

    1. train the tokenizer on a sample of the corpus
    2. warm up on repeated random tokens until the model can copy
    3. train on the corpus, in cycles; each starts at its own learning rate and decays it to zero
    4. run the gate; a model that fails it is saved as *.failed, next to the folder

Muon optimises the matrices, AdamW the rest. It takes one and a half to two hours on two cores.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import torch
import torch.nn.functional as functional
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from selflengthen.inputs import model_files, prompts
from selflengthen.pocket.corpus import Corpus, Example
from selflengthen.pocket.gate import GateReport, measure, passes
from selflengthen.pocket.model import VOCABULARY, new_model, train_tokenizer

FLAT = 0.45  # share of a cycle's tokens before its learning rate starts to decay
BATCH_TOKENS = 4096
LONGEST = 1200  # tokens of an example
MUON_RATE = 0.02
ADAM_RATE = 4e-3


class Cycle(NamedTuple):
    """One cycle of training.

    Attributes:
        tokens: how many to train on.
        rate: the learning rate at the start, as a share of the full rates.
        track: share of the tokens from `Corpus.track`.
        raw: share of the tokens from `Corpus.raw`.
        most: the most paragraphs of an outline.
        spread: see `Corpus`.
    """

    tokens: int
    rate: float
    track: float
    raw: float
    most: int
    spread: float


CYCLES = (Cycle(16_000_000, 1.0, 0.14, 0.08, 6, 0.4), Cycle(8_000_000, 0.4, 0.0, 0.16, 4, 0.1))

Batch = tuple[torch.Tensor, torch.Tensor]
Mixture = list[tuple[float, Callable[[], Example]]]


def build(folder: Path, cycles: Sequence[Cycle] = CYCLES, seed: int = 0) -> GateReport:
    """Train the pocket model, save it and return what the gate measured.

    A model that passes the gate is saved to `folder`, any other to `*.failed` next to it. During
    the training, `*.partial` has the latest state.
    """
    random.seed(seed)
    torch.manual_seed(seed)
    corpus = Corpus(prompts.load(prompts.shipped("pocket")), random.Random(seed))
    sample = (draw() for _ in range(2000) for _, draw in mixtures(corpus, cycles[0])[1])
    tokenizer = train_tokenizer("".join(text for text, _ in example) for example in sample)
    model = new_model()
    optimizers = _optimizers(model)
    _warm_up(model, optimizers)
    for cycle in cycles:
        corpus.spread = cycle.spread
        parts = mixtures(corpus, cycle)
        _learn(model, optimizers, tokenizer, parts, cycle, folder.with_suffix(".partial"))
    return finish(model, tokenizer, corpus, folder)


def finish(
    model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, corpus: Corpus, folder: Path
) -> GateReport:
    """Measure the model as it is shipped, in bfloat16, and save it."""
    model.to(torch.bfloat16)
    report = measure(model.float(), tokenizer, corpus.prompts)
    target = folder if passes(report) else folder.with_suffix(".failed")
    save(model.to(torch.bfloat16), tokenizer, target)
    (target / "gate.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"
    )
    return report


def mixtures(corpus: Corpus, cycle: Cycle) -> tuple[Mixture, Mixture]:
    """Return the mixtures for the constant and for the decaying rate; shares are of tokens."""
    paragraphs = (3, cycle.most)
    common: Mixture = [
        (0.11, corpus.write),
        (0.22, lambda: corpus.extend(paragraphs, (0, 1))),
        (0.16, lambda: corpus.extend(paragraphs, (2, 2))),
        (0.08, lambda: corpus.extend(paragraphs, (3, 3))),
        (0.05, corpus.instruct),
        (0.04, corpus.judge),
        (0.12, lambda: corpus.plan(paragraphs, (1, 3))),
        (cycle.raw, corpus.raw),
    ]
    if not cycle.track:
        return common, common
    return [*common, (cycle.track, lambda: corpus.track((2, 6)))], common


def save(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write weights, configuration and tokenizer."""
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    model_files.share(folder)


def _optimizers(model: Qwen2ForCausalLM) -> list[torch.optim.Optimizer]:
    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in named if p.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=MUON_RATE, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(others, lr=ADAM_RATE, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def _step(
    model: Qwen2ForCausalLM, optimizers: list[torch.optim.Optimizer], batch: Batch, rate: float
) -> float:
    """Take one step at `rate` × the full learning rates; return the weighted loss."""
    ids, weights = batch
    # Below about 400 tokens, eager attention is a quarter faster on CPUs. No mask is needed, since
    # the padding is on the right, where a causal model never looks.
    model.set_attn_implementation("eager" if ids.shape[1] < 400 else "sdpa")
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    losses = functional.cross_entropy(
        logits.float().reshape(-1, VOCABULARY), ids[:, 1:].reshape(-1), reduction="none"
    )
    token_weights = weights[:, 1:].reshape(-1)
    loss = (losses * token_weights).sum() / token_weights.sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer, full in zip(optimizers, (MUON_RATE, ADAM_RATE), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = full * rate
        optimizer.step()
    model.zero_grad(set_to_none=True)
    return loss.item()


def _warm_up(model: Qwen2ForCausalLM, optimizers: list[torch.optim.Optimizer]) -> None:
    """Train on random strings that repeat, with the loss on the repeats, until the model can copy.

    It can when the loss is low nine times in a row. Text alone teaches this only after millions of
    tokens.
    """
    low = 0
    step = 0
    while low < 9:
        ids = torch.zeros(32, 128, dtype=torch.long)
        weights = torch.zeros(32, 128)
        for row in range(32):
            start = 0
            while start < 128:
                size = random.randint(4, 42)
                string = torch.randint(259, VOCABULARY, (size,))
                for repeat in range(random.randint(2, 3)):
                    end = min(128, start + size)
                    ids[row, start:end] = string[: end - start]
                    weights[row, start + 1 : end] = float(repeat > 0)
                    start = end
        loss = _step(model, optimizers, (ids, weights), min(1.0, (step + 1) / 30))
        low = low + 1 if loss < 0.5 else 0
        step += 1
        if step % 20 == 0:
            print(f"copy warm-up: step {step}, loss {loss:.3f}", flush=True)


def _learn(
    model: Qwen2ForCausalLM,
    optimizers: list[torch.optim.Optimizer],
    tokenizer: PreTrainedTokenizerFast,
    parts: tuple[Mixture, Mixture],
    cycle: Cycle,
    partial: Path,
) -> None:
    """Train on the corpus for one cycle; save a copy to `partial` every million tokens."""
    tokens = cycle.tokens
    seen = shown = saved = 0
    mean = 0.0
    start = time.monotonic()
    batches = [_batches(part, tokenizer) for part in parts]
    while seen < tokens:
        done = seen / tokens
        rate = cycle.rate * (1.0 if done < FLAT else (1 - done) / (1 - FLAT))
        batch = next(batches[done > 0.7])
        loss = _step(model, optimizers, batch, rate)
        seen += batch[0].numel()
        mean = 0.97 * mean + 0.03 * loss if mean else loss
        if seen - shown > 200_000:
            shown = seen
            speed = seen / (time.monotonic() - start)
            print(f"{seen / 1e6:.1f}M tokens, loss {mean:.3f}, {speed:.0f} tokens/s", flush=True)
        if seen - saved > 1_000_000:
            saved = seen
            save(model, tokenizer, partial)


def _batches(mixture: Mixture, tokenizer: PreTrainedTokenizerFast) -> Iterator[Batch]:
    """Yield batches of examples of similar length; one example per row, padded on the right."""
    used = [0.0] * len(mixture)
    while True:
        pool: list[tuple[list[int], list[float]]] = []
        while len(pool) < 256:
            progress = [u / share for u, (share, _) in zip(used, mixture, strict=True)]
            kind = progress.index(min(progress))
            row = _encode(tokenizer, mixture[kind][1]())
            if len(row[0]) <= LONGEST:
                pool.append(row)
                used[kind] += len(row[0])
        pool.sort(key=lambda row: len(row[0]))
        batches = []
        while pool:
            width = len(pool[-1][0])
            size = max(1, BATCH_TOKENS // width)
            rows = pool[-size:]
            pool = pool[:-size]
            ids = torch.zeros(len(rows), width, dtype=torch.long)
            weights = torch.zeros(len(rows), width)
            for i, (row_ids, row_weights) in enumerate(rows):
                ids[i, : len(row_ids)] = torch.tensor(row_ids)
                weights[i, : len(row_ids)] = torch.tensor(row_weights)
            batches.append((ids, weights))
        random.shuffle(batches)
        yield from batches


def _encode(tokenizer: PreTrainedTokenizerFast, example: Example) -> tuple[list[int], list[float]]:
    """Tokenise an example; a token's weight is that of the span in which it ends."""
    text = "".join(part for part, _ in example)
    encoded = tokenizer(text, return_offsets_mapping=True)
    weights = []
    spans = iter(example)
    part, weight = next(spans)
    end = len(part)
    for _, stop in encoded["offset_mapping"]:
        while stop > end:
            part, weight = next(spans)
            end += len(part)
        weights.append(weight)
    return encoded["input_ids"], weights
