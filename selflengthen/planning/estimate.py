"""What a run takes: tokens, hours, memory and disk, before a GPU is touched.

Where a run has made texts already, its own lengths, attempts and speeds are used; else there are
rules of thumb. Every figure says which.
"""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from selflengthen.config import Config
from selflengthen.inputs.model_shape import Shape, shape_of
from selflengthen.inputs.models import Model
from selflengthen.planning import token_budget
from selflengthen.planning.token_budget import ATTEMPTS, COPIES, FIRST_DRAFT, Seen, Work
from selflengthen.storage.run_dir import RunFolder

_TEXT_BYTES = 6  # of UTF-8 JSON a token of English; Chinese has fewer


@dataclass(frozen=True)
class Figure:
    """A number, its unit, and what it rests on."""

    value: float
    unit: str
    assumes: str


@dataclass(frozen=True)
class Estimate:
    """What a run takes: its rounds, then `collect`, then `finish`.

    `disk_left` is what the rounds will still write.
    """

    generated: Figure
    trained: Figure
    generate_hours: Figure
    train_hours: Figure
    engine_memory: Figure
    train_memory: Figure
    disk: Figure
    disk_left: Figure
    collect_generated: Figure
    collect_hours: Figure
    collect_memory: Figure
    collect_disk: Figure
    finish_generated: Figure
    finish_trained: Figure
    finish_hours: Figure
    finish_memory: Figure
    finish_disk: Figure


def estimate(config: Config, model: Model, run: RunFolder | None) -> Estimate:
    """Reckon what a run takes; `run` is a run of this configuration, which may not exist yet."""
    shape, seen = shape_of(model), token_budget.look(run, model.digest) if run else Seen()
    plan = token_budget.plan(config, seen)
    rounds, collect = token_budget.of_rounds(config, plan), token_budget.of_collect(config, plan)
    finish = token_budget.of_finish(config, plan)
    rule = f"drafts of {FIRST_DRAFT} tokens (or max_tokens / 8) that double with every round"
    lengths = _source(seen.draft_tokens, rule)
    tries = _source(seen.attempts, f"{ATTEMPTS} attempts a text")
    speed, how = _generate_rate(shape, config, seen)
    train_speed, train_how = _train_rate(shape, seen)
    engine, train = _engine_memory(shape, config), _train_memory(shape, config)
    adapter = shape.lora(config.train.lora_r) * 4
    training = 3 * adapter * 2  # weights and two moments, two kept
    disk = _text_bytes(rounds) + 2 * config.iterations * adapter + training
    used = _used(run)
    disk_how = f"{lengths}; {COPIES:.0f} copies of a text, {_TEXT_BYTES} bytes a token; adapters"
    asked = config.collect.instructions
    hours = finish.generated / speed + finish.trained / train_speed
    return Estimate(
        generated=Figure(rounds.generated, "tokens", f"{lengths}; {tries}"),
        trained=Figure(rounds.trained, "tokens", f"{lengths}; prompts included, over all epochs"),
        generate_hours=Figure(rounds.generated / speed / 3600, "hours", how),
        train_hours=Figure(rounds.trained / train_speed / 3600, "hours", train_how),
        engine_memory=engine,
        train_memory=train,
        disk=Figure(disk, "bytes", disk_how),
        disk_left=Figure(max(0, disk - used), "bytes", f"{size(used)} stand there already"),
        collect_generated=Figure(
            collect.generated, "tokens", f"{asked:,} instructions; drafts as after the last round"
        ),
        collect_hours=Figure(collect.generated / speed / 3600, "hours", "the rounds' speed"),
        collect_memory=Figure(engine.value, "bytes", "the rounds' engine"),
        collect_disk=Figure(_text_bytes(collect), "bytes", "as in the rounds, and all their texts"),
        finish_generated=Figure(
            finish.generated, "tokens", f"{tries}; the held-out texts of two models"
        ),
        finish_trained=Figure(
            finish.trained, "tokens", f"the texts of all rounds and of collect; {lengths}"
        ),
        finish_hours=Figure(hours / 3600, "hours", "the rounds' speeds"),
        finish_memory=Figure(
            max(engine.value, train.value), "bytes", "the rounds' engine or training"
        ),
        finish_disk=Figure(
            _text_bytes(finish) + 2 * adapter + training, "bytes",
            f"rows and adapter, which are in final/ too; --merge adds {size(shape.weight_bytes)}",
        ),
    )  # fmt: skip


def size(count: float) -> str:
    """Write bytes for people."""
    power = min(4, int(math.log(count, 1024))) if count >= 1 else 0
    value = count / 1024**power
    return f"{value:.3g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}" if value < 1000 else (
        f"{value:,.0f} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"
    )  # fmt: skip


def _text_bytes(work: Work) -> int:
    return int(work.texts * _TEXT_BYTES * COPIES)


def _used(run: RunFolder | None) -> int:
    """Return what the rounds hold on disk already."""
    files = run.rounds.rglob("*") if run else ()
    return sum(file.stat().st_size for file in files if file.is_file())


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


def _source(seen: float | None, otherwise: str) -> str:
    return "lengths and attempts as in this run so far" if seen else otherwise
