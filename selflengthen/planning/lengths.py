"""Lengths in tokens that fit a model: chosen where they are left to it, checked where given."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from pydantic import BaseModel

from selflengthen.config import Config
from selflengthen.errors import UserError
from selflengthen.inputs.model_shape import shape_of
from selflengthen.inputs.models import Model
from selflengthen.planning import memory

CONTEXT, COMPLETION, ROW = "engine.context", "sampling.max_tokens", "train.max_length"
JUDGE = "judge.engine.context"


def completion_of(context: int) -> int:
    """Return the tokens that one completion may have of a context."""
    return context * 3 // 4


def fit(config: Config, model: Model, auto: Set[str], *, trains: bool = True) -> Config:
    """Return the configuration with the numbers that were left to the model.

    Those of the paper, or what the model's positions allow; of rows to train on, also what the
    memory allows. Raises UserError where a number that was given does not fit.
    """
    positions = model.positions
    if positions is None:
        return config
    chosen: dict[str, int] = {}
    context = config.engine.context
    if CONTEXT in auto:
        context = chosen[CONTEXT] = min(context, positions)
    if COMPLETION in auto:
        most = completion_of(min(context, positions))
        chosen[COMPLETION] = max(1, min(config.sampling.max_tokens, most))
    if ROW in auto:
        longest = min(config.train.max_length, positions)
        # A model without weights here is a server's, which is not trained.
        fits = memory.longest_row(shape_of(model), config.train) if trains else None
        chosen[ROW] = longest if fits is None else min(longest, fits)
    fitted = _with(config, chosen)
    check(fitted, model, trains=trains)
    return fitted


def fit_judge(config: Config, positions: int | None) -> Config:
    """Return the configuration with the judge's context, where it is left to the judge's model."""
    judge = config.judge
    if positions is None or judge.engine.context <= positions:
        return config
    # A run's own configuration has the default as a number.
    if judge.engine.context != type(judge.engine).model_fields["context"].default:
        raise UserError(
            f"judge.model {judge.model} has {positions} positions, but {JUDGE} is "
            f"{judge.engine.context}; add --{JUDGE} {positions}."
        )
    if judge.max_tokens >= positions:
        raise UserError(
            f"judge.model {judge.model} has {positions} positions, and judge.max_tokens is "
            f"{judge.max_tokens}, which leaves no room for a text; lower it."
        )
    return _with(config, {JUDGE: positions})


def check(config: Config, model: Model, *, trains: bool = True) -> None:
    """Raise UserError for lengths beyond the model's positions, and say what would fit."""
    positions = model.positions
    if positions is None:
        return
    context = min(config.engine.context, positions)
    fitting = {CONTEXT: positions, ROW: positions, COMPLETION: completion_of(context)}
    if not trains:
        del fitting[ROW]
    over = {name: config.value(name) for name in fitting if config.value(name) > positions}
    cures = {name: fitting[name] for name in over}
    if config.sampling.max_tokens >= context:
        over.setdefault(COMPLETION, config.sampling.max_tokens)
        cures[COMPLETION] = fitting[COMPLETION]
    if over:
        numbers = ", ".join(f"{name} is {value}" for name, value in over.items())
        options = " ".join(f"--{name} {value}" for name, value in cures.items())
        raise UserError(
            f"model {config.model} has {positions} positions, but {numbers}; add {options}, or "
            "choose a model with a longer context."
        )


def summary(config: Config, model: Model, auto: Set[str], *, trains: bool) -> str | None:
    """Say in one line which lengths are not the paper's because of the model; None if all are."""
    default = Config()
    names = [CONTEXT, COMPLETION, *([ROW] if trains else [])]
    fitted = [n for n in names if n in auto and config.value(n) != default.value(n)]
    if not fitted:
        return None
    numbers = ", ".join(f"{name} {config.value(name)}" for name in fitted)
    return f"lengths: {numbers} (auto; {config.model} has {model.positions:,} positions)"


def _with(config: Config, numbers: dict[str, int]) -> Config:
    """Return a configuration with other numbers, by dotted name."""
    for name, number in numbers.items():
        *sections, last = name.split(".")
        parts: list[Any] = [config]
        for section in sections:
            parts.append(getattr(parts[-1], section))
        value: Any = number
        for part, field in zip(reversed(parts), reversed([*sections, last]), strict=True):
            assert isinstance(part, BaseModel)
            value = part.model_copy(update={field: value})
        config = value
    return config
