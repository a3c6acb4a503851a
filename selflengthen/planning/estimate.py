"""Estimates the tokens, hours, memory and disk space of a run, before it uses a GPU.

If the run exists, the estimate uses its own lengths, attempts and speeds; otherwise, rules of
thumb. Every figure says which.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from selflengthen.config import Config
from selflengthen.inputs import hardware
from selflengthen.inputs.model_shape import Shape, shape_of
from selflengthen.inputs.models import Model
from selflengthen.planning import memory, token_budget
from selflengthen.planning.token_budget import (
    ATTEMPTS,
    COPIES,
    FIRST_DRAFT,
    Observed,
    TokenBudget,
)
from selflengthen.planning.units import size
from selflengthen.storage.run_dir import RunFolder

_TEXT_BYTES = 6  # per token of English, as UTF-8 JSON; Chinese needs fewer


@dataclass(frozen=True)
class Figure:
    """A number, its unit, and the assumptions behind it."""

    value: float
    unit: str
    assumes: str


@dataclass(frozen=True)
class Estimate:
    """What a run takes: its rounds, then `collect`, then `finish`.

    `disk_left` is what the rounds have yet to write. Memory is per device.
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


@dataclass(frozen=True)
class _Basis:
    """The basis of all figures: speeds in tokens per second, sizes in bytes, and their sources."""

    rounds: TokenBudget
    collect: TokenBudget
    finish: TokenBudget
    lengths: str
    attempts: str
    generate_rate: float
    generate_source: str
    train_rate: float
    train_source: str
    adapter: int
    engine: Figure
    train: Figure

    @property
    def checkpoints(self) -> int:
        """Bytes of a training's last two checkpoints, each with weights and two moments."""
        return 3 * self.adapter * 2


def estimate(config: Config, model: Model, run: RunFolder | None, *, source: int = 0) -> Estimate:
    """Estimate what a run takes; `run` is the folder of its run, or None if there is none yet.

    `source` is how many instructions `instruct.source` has.
    """
    shape = shape_of(model)
    observed = token_budget.observe(run, model.digest) if run else Observed()
    basis = _basis(config, shape, observed, source)
    return Estimate(
        **_rounds(config, basis, _used(run)),
        **_collect(config, basis),
        **_finish(basis, shape),
    )


def _rounds(config: Config, basis: _Basis, used: int) -> dict[str, Figure]:
    """Return the figures of the rounds, which have written `used` bytes already."""
    budget = basis.rounds
    lengths = basis.lengths
    disk = _text_bytes(budget) + 2 * config.iterations * basis.adapter + basis.checkpoints
    copies = f"{COPIES:.0f} copies of a text, {_TEXT_BYTES} bytes per token"
    return {
        "generated": _tokens(budget.generated, f"{lengths}; {basis.attempts}"),
        "trained": _tokens(budget.trained, f"{lengths}; prompts included, over all epochs"),
        "generate_hours": _hours(budget.generated / basis.generate_rate, basis.generate_source),
        "train_hours": _hours(budget.trained / basis.train_rate, basis.train_source),
        "engine_memory": basis.engine,
        "train_memory": basis.train,
        "disk": _bytes(disk, f"{lengths}; {copies}; adapters"),
        "disk_left": _bytes(max(0, disk - used), f"{size(used)} already on disk"),
    }


def _collect(config: Config, basis: _Basis) -> dict[str, Figure]:
    budget = basis.collect
    instructions = f"{config.collect.instructions:,} instructions"
    return {
        "collect_generated": _tokens(
            budget.generated, f"{instructions}; drafts as after the last round"
        ),
        "collect_hours": _hours(budget.generated / basis.generate_rate, "the rounds' speed"),
        "collect_memory": _bytes(basis.engine.value, "the rounds' engine"),
        "collect_disk": _bytes(_text_bytes(budget), "as in the rounds, plus all their texts"),
    }


def _finish(basis: _Basis, shape: Shape) -> dict[str, Figure]:
    budget = basis.finish
    most = max(basis.engine.value, basis.train.value)
    seconds = budget.generated / basis.generate_rate + budget.trained / basis.train_rate
    disk = _text_bytes(budget) + 2 * basis.adapter + basis.checkpoints
    texts = f"the texts of all rounds and of collect; {basis.lengths}"
    merged = f"--merge adds {size(shape.weight_bytes)}"
    return {
        "finish_generated": _tokens(
            budget.generated, f"{basis.attempts}; the held-out texts of two models"
        ),
        "finish_trained": _tokens(budget.trained, texts),
        "finish_hours": _hours(seconds, "the rounds' speeds"),
        "finish_memory": _bytes(most, "the rounds' engine or training"),
        "finish_disk": _bytes(disk, f"rows and adapter, both also in final/; {merged}"),
    }


def _basis(config: Config, shape: Shape, observed: Observed, source: int) -> _Basis:
    plan = token_budget.plan_rounds(config, observed, source)
    rule = f"drafts of {FIRST_DRAFT} tokens (or max_tokens / 8) that double with every round"
    generate_rate, generate_source = _generate_rate(shape, config, observed)
    train_rate, train_source = _train_rate(shape, observed)
    return _Basis(
        rounds=token_budget.rounds_budget(config, plan),
        collect=token_budget.collect_budget(config, plan),
        finish=token_budget.finish_budget(config, plan),
        lengths=_source(observed.draft_tokens, rule),
        attempts=_source(observed.attempts, f"{ATTEMPTS} attempts per text"),
        generate_rate=generate_rate,
        generate_source=generate_source,
        train_rate=train_rate,
        train_source=train_source,
        adapter=shape.lora(config.train.lora_r) * 4,
        engine=_bytes(*memory.engine_memory(shape, config)),
        train=_bytes(*memory.train_memory(shape, config.train)),
    )


def _tokens(value: float, assumes: str) -> Figure:
    return Figure(value, "tokens", assumes)


def _hours(seconds: float, assumes: str) -> Figure:
    return Figure(seconds / 3600, "hours", assumes)


def _bytes(value: float, assumes: str) -> Figure:
    return Figure(value, "bytes", assumes)


def _text_bytes(budget: TokenBudget) -> int:
    return int(budget.texts * _TEXT_BYTES * COPIES)


def _used(run: RunFolder | None) -> int:
    """Return the bytes that the rounds already have on disk."""
    files = run.rounds.rglob("*") if run else ()
    return sum(file.stat().st_size for file in files if file.is_file())


def _generate_rate(shape: Shape, config: Config, observed: Observed) -> tuple[float, str]:
    """Return the engine's tokens per second, and the basis of that figure.

    A step reads the weights and the caches of all samples once, and generates one token for each.
    """
    if observed.generate_rate:
        rate = observed.generate_rate
        return rate, f"{rate:,.0f} tokens/s, measured in this run"
    bandwidth, flops, device = _device()
    batch = config.engine.in_flight
    cache = batch * shape.kv_bytes * config.sampling.max_tokens / 4
    steps = bandwidth / max(1, shape.weight_bytes + cache)
    rate = max(1.0, min(batch * steps, flops / max(1, 2 * shape.parameters)))
    return rate, f"{rate:,.0f} tokens/s, from the weights and cache read per step on {device}"


def _train_rate(shape: Shape, observed: Observed) -> tuple[float, str]:
    """Return the trainer's tokens per second, and the basis of that figure."""
    if observed.train_rate:
        rate = observed.train_rate
        return rate, f"{rate:,.0f} tokens/s, measured in this run"
    _, flops, device = _device()
    rate = max(1.0, flops / max(1, 6 * shape.parameters))
    return rate, f"{rate:,.0f} tokens/s, 6 operations per parameter and token on {device}"


def _device() -> tuple[float, float, str]:
    """Return the bytes and operations per second that one device reaches, and its name."""
    if hardware.has_gpu():
        return 1e12, 1e14, "one GPU that reaches 1 TB/s and 100 TFLOP/s"
    cores = os.cpu_count() or 1
    return 1e10, 1e10 * cores, f"{cores} CPU core(s) that reach 10 GFLOP/s each"


def _source(observed: float | None, otherwise: str) -> str:
    return "lengths and attempts measured in this run" if observed else otherwise
