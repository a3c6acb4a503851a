"""What a run takes: tokens, hours, memory and disk, before a GPU is touched.

Where a run has made texts already, its own lengths, attempts and speeds are used; else there are
rules of thumb. Every figure says which.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import struct
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from selflengthen.config import Config
from selflengthen.models import Model
from selflengthen.store import RunFolder

FIRST_DRAFT, GROWTH, ATTEMPTS = 1_300, 2.0, 1.5
"""Without a run: tokens of a draft in round 1, growth a round and an expansion, attempts a text."""
_KEPT = 0.595  # the lot keeps this share: 1 - the mean of min(1, 2·rank³)
_PASS = 1.2  # tokens that the two stages of a pass write, over the text's that comes of them
_INSTRUCTION, _PROMPT = 60, 200
_SAMPLE = 2_000
_TEXT_BYTES = 6  # of UTF-8 JSON a token of English; Chinese has fewer
_COPIES = 3.0  # a text stands in its record, in two training rows, and in refused attempts
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1}


@dataclass(frozen=True)
class Figure:
    """A number, its unit, and what it rests on."""

    value: float
    unit: str
    assumes: str


@dataclass(frozen=True)
class Estimate:
    """What a run takes in all; `disk_left` is what it will still write."""

    generated: Figure
    trained: Figure
    generate_hours: Figure
    train_hours: Figure
    engine_memory: Figure
    train_memory: Figure
    disk: Figure
    disk_left: Figure


@dataclass(frozen=True)
class Shape:
    """A model in numbers: parameters, bytes of its weights, its layers and widths."""

    parameters: int
    weight_bytes: int
    layers: int
    hidden: int
    inner: int
    kv_width: int  # of keys and of values of one layer, all heads together
    vocabulary: int

    @property
    def kv_bytes(self) -> int:
        """Bytes of cache a token, at two bytes a number."""
        return 2 * 2 * self.layers * self.kv_width

    def lora(self, rank: int) -> int:
        """Parameters of an adapter on all linear layers but lm_head."""
        attention = 4 * self.hidden + 2 * (self.hidden + self.kv_width)
        return rank * self.layers * (attention + 3 * (self.hidden + self.inner))


@dataclass(frozen=True)
class Seen:
    """What a run has shown so far; None where it has not."""

    draft_tokens: float | None = None
    attempts: float | None = None
    growth: float | None = None
    generate_rate: float | None = None
    train_rate: float | None = None


def estimate(config: Config, model: Model, run: RunFolder | None) -> Estimate:
    """Reckon what a run takes; `run` is a run of this configuration, which may not exist yet."""
    shape, seen = shape_of(model), look(run) if run else Seen()
    generated, trained, texts = _tokens(config, seen)
    rule = f"drafts of {FIRST_DRAFT} tokens (or max_tokens / 8) that double with every round"
    lengths = _source(seen.draft_tokens, rule)
    tries = _source(seen.attempts, f"{ATTEMPTS} attempts a text")
    speed, how = _generate_rate(shape, config, seen)
    train_speed, train_how = _train_rate(shape, seen)
    adapters = 2 * config.iterations * shape.lora(config.train.lora_r) * 4
    training = 3 * shape.lora(config.train.lora_r) * 4 * 2  # weights and two moments, two kept
    disk = int(texts * _TEXT_BYTES * _COPIES + adapters + training)
    used = sum(f.stat().st_size for f in run.path.rglob("*") if f.is_file()) if run else 0
    disk_how = f"{lengths}; {_COPIES:.0f} copies of a text, {_TEXT_BYTES} bytes a token; adapters"
    return Estimate(
        generated=Figure(generated, "tokens", f"{lengths}; {tries}"),
        trained=Figure(trained, "tokens", f"{lengths}; prompts included, over all epochs"),
        generate_hours=Figure(generated / speed / 3600, "hours", how),
        train_hours=Figure(trained / train_speed / 3600, "hours", train_how),
        engine_memory=_engine_memory(shape, config),
        train_memory=_train_memory(shape, config),
        disk=Figure(disk, "bytes", disk_how),
        disk_left=Figure(max(0, disk - used), "bytes", f"{size(used)} stand there already"),
    )


def shape_of(model: Model) -> Shape:
    """Read a model's numbers from config.json and from the headers of its weights."""
    config: dict[str, Any] = {**model.config, **model.config.get("text_config", {})}
    parameters = weight_bytes = 0
    for path in sorted(model.path.glob("*.safetensors")):
        count, held = _header(path)
        parameters, weight_bytes = parameters + count, weight_bytes + held
    hidden = int(config.get("hidden_size", 0))
    heads = int(config.get("num_attention_heads") or 1)
    head = int(config.get("head_dim") or hidden // heads)
    return Shape(
        parameters=parameters,
        weight_bytes=weight_bytes,
        layers=int(config.get("num_hidden_layers", 0)),
        hidden=hidden,
        inner=int(config.get("intermediate_size") or 4 * hidden),
        kv_width=int(config.get("num_key_value_heads") or heads) * head,
        vocabulary=int(config.get("vocab_size", 0)),
    )


def look(run: RunFolder) -> Seen:
    """Read lengths, attempts and speeds from the finished stages of a run."""
    done = {f.title.split("/", 1)[1]: f.done() for f in reversed(run.stages())}
    first = {f.title.split("/", 1)[1]: f for f in reversed(run.stages()) if f.done()}
    drafts, expansions = done.get("2-draft"), done.get("3-expand")
    train = done.get("5-train/generator")
    tokens = attempts = growth = None
    if drafts and drafts.get("accepted"):
        # A sample is enough, and a round may hold hundreds of thousands.
        sample = islice(first["2-draft"].records(dropped=True), _SAMPLE)
        drawn = [(r.attempts, r.tokens / r.attempts) for r in sample]
        attempts, tokens = (sum(column) / len(drawn) for column in zip(*drawn, strict=True))
    if drafts and expansions and expansions.get("accepted") and drafts["words"]["mean"]:
        growth = expansions["words"]["mean"] / drafts["words"]["mean"]
    stages = [stage for stage in (drafts, expansions) if stage]
    rates = [s["tokens_per_second"] for s in stages if s.get("tokens_per_second")]
    return Seen(
        draft_tokens=tokens, attempts=attempts, growth=growth,
        generate_rate=sum(rates) / len(rates) if rates else None,
        train_rate=(train or {}).get("tokens_per_second"),
    )  # fmt: skip


def size(count: float) -> str:
    """Write bytes for people."""
    power = min(4, int(math.log(count, 1024))) if count >= 1 else 0
    value = count / 1024**power
    return f"{value:.3g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}" if value < 1000 else (
        f"{value:,.0f} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"
    )  # fmt: skip


def _tokens(config: Config, seen: Seen) -> tuple[float, float, float]:
    """Return tokens generated, tokens trained on, and tokens of texts that are written down."""
    draft, expand = config.draft, config.expand
    most = config.sampling.max_tokens
    attempts = seen.attempts or ATTEMPTS
    growth = seen.growth or GROWTH
    length = min(seen.draft_tokens or FIRST_DRAFT, most / (1 if seen.draft_tokens else 8))
    generated = trained = texts = 0.0
    for _ in range(config.iterations):
        grown = min(length * growth, most)
        drafts = config.instruct.per_round * draft.per_instruction
        kept = drafts * (_KEPT if draft.drop_short else 1)
        made = kept * expand.per_draft
        rows = made * (_KEPT if expand.drop_short else 1)
        generated += config.instruct.per_round * attempts * _INSTRUCTION
        generated += drafts * attempts * length + made * attempts * expand.passes * _PASS * grown
        generated += config.held_out.texts * grown
        texts += drafts * attempts * length + (made * attempts + config.held_out.texts) * grown
        trained += rows * config.train.generator.epochs * (_PROMPT + grown)
        outline = config.dataset.keep_line * length
        trained += rows * config.train.expander.epochs * (_PROMPT + outline + grown)
        length = grown
    return generated, trained, texts


def _generate_rate(shape: Shape, config: Config, seen: Seen) -> tuple[float, str]:
    """Return tokens a second of the engine and what that rests on."""
    if seen.generate_rate:
        return seen.generate_rate, f"{seen.generate_rate:,.0f} tokens/s, as this run wrote so far"
    bandwidth, flops, device = _device()
    batch = config.engine.in_flight
    cache = batch * shape.kv_bytes * config.sampling.max_tokens / 4
    steps = bandwidth / max(1, shape.weight_bytes + cache)
    rate = max(1.0, min(batch * steps, flops / max(1, 2 * shape.parameters)))
    return rate, f"{rate:,.0f} tokens/s, from the weights and cache read a step on {device}"


def _train_rate(shape: Shape, seen: Seen) -> tuple[float, str]:
    if seen.train_rate:
        return seen.train_rate, f"{seen.train_rate:,.0f} tokens/s, as this run trained so far"
    _, flops, device = _device()
    rate = max(1.0, flops / max(1, 6 * shape.parameters))
    return rate, f"{rate:,.0f} tokens/s, 6 operations a parameter and token on {device}"


def _device() -> tuple[float, float, str]:
    """Return bytes and operations a second that one device gives, and its name."""
    if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        return 1e12, 1e14, "one GPU of 1 TB/s and 100 TFLOP/s in use"
    cores = os.cpu_count() or 1
    return 1e10, 1e10 * cores, f"{cores} CPU core(s) of 10 GFLOP/s in use"


def _engine_memory(shape: Shape, config: Config) -> Figure:
    """Reckon what the engine needs to hold its samples at once at the length it may write."""
    sample = shape.kv_bytes * config.sampling.max_tokens
    value = shape.weight_bytes + sample * config.engine.in_flight
    return Figure(
        value, "bytes",
        f"weights {size(shape.weight_bytes)}, and {shape.kv_bytes} bytes of cache a token for "
        f"{config.engine.in_flight} samples of {config.sampling.max_tokens} tokens; with less, "
        f"fewer are in work at once (one takes {size(sample)})",
    )  # fmt: skip


def _train_memory(shape: Shape, config: Config) -> Figure:
    """Reckon weights, the adapter with its gradient and moments, and the activations of a batch."""
    tokens = config.train.max_length * config.train.per_device_batch
    layer = tokens * (8 * shape.hidden + 3 * shape.inner) * 2
    kept = tokens * shape.hidden * 2 * shape.layers
    sparing = config.train.gradient_checkpointing
    value = shape.weight_bytes + 16 * shape.lora(config.train.lora_r)
    value += kept + layer if sparing else layer * shape.layers
    how = "with gradient checkpointing" if sparing else "without gradient checkpointing"
    return Figure(
        value, "bytes",
        f"weights, 16 bytes a LoRA parameter, activations of {tokens} tokens {how}, chunked logits",
    )  # fmt: skip


def _header(path: Path) -> tuple[int, int]:
    """Return parameters and bytes of a safetensors file, from its header alone."""
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
    except (OSError, ValueError, struct.error, OverflowError):
        return 0, path.stat().st_size
    tensors = [entry for name, entry in header.items() if name != "__metadata__"]
    counts = [math.prod(t["shape"]) for t in tensors]
    held = sum(n * _BYTES.get(t["dtype"], 2) for n, t in zip(counts, tensors, strict=True))
    return sum(counts), held


def _source(seen: float | None, otherwise: str) -> str:
    return "lengths and attempts as in this run so far" if seen else otherwise
