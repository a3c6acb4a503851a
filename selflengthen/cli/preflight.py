"""What a run consists of: gathered and checked before anything is written."""

from __future__ import annotations

import shutil
from pathlib import Path

from selflengthen.cli.options.settings import Settings
from selflengthen.config import Config
from selflengthen.engines import require
from selflengthen.errors import UserError
from selflengthen.inputs import models, prompts, seeds
from selflengthen.inputs.models import Model
from selflengthen.planning.estimate import estimate, size
from selflengthen.runner.context import RunContext
from selflengthen.storage.atomic import check_folder
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_table import EXPAND, ROUND_STAGES, StageSpec, find_stage


def gather(settings: Settings) -> RunContext:
    """Read and check all that a run is made of; raise UserError for the first fault."""
    config, run = settings.config, RunFolder(settings.folder)
    check_folder(run.path, "--run-dir")
    check_batch(config)
    require(config.engine.kind)
    texts = prompts.load(prompts_folder(config))
    if config.expand.strategy != "two-stage":
        by = f"expand.strategy {config.expand.strategy}"
        prompts.require(texts, prompts_folder(config), prompts.SECTION, by)
    pool = seeds.load(config.seeds or config.language)
    held = seeds.load(config.held_out.source or f"held-out-{config.language}")
    model = models.find(config.model)
    check_lengths(config, model)
    check_steps(config)
    return RunContext(
        config=config,
        model=model,
        run=run,
        prompts=texts,
        seeds=pool,
        held_out=held[: config.held_out.texts],
    )


def prompts_folder(config: Config) -> Path:
    """Return the folder of the prompts that a configuration means."""
    return Path(config.prompts or prompts.shipped(config.language))


def check_disk(context: RunContext) -> None:
    """Raise UserError where what the run still needs is more than what the disk has left."""
    needed = estimate(context.config, context.model, context.run).disk_left
    place = context.run.path.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed.value > free:
        raise UserError(
            f"{context.run.path}: this run needs about {size(needed.value)} more and its disk has "
            f"{size(free)} left; free some, name another disk with --run-dir, or lower "
            "instruct.per_round or iterations."
        )


def parse_redo(text: str | None) -> tuple[int, StageSpec] | None:
    """Read `ROUND/STAGE`, as in 2/3-expand or 2/expand."""
    if text is None:
        return None
    number, _, name = text.partition("/")
    stage = find_stage(name, ROUND_STAGES)
    if not number.isdecimal() or stage is None:
        names = ", ".join(spec.name for spec in ROUND_STAGES)
        raise UserError(
            f"--redo: {text!r} is not allowed; it takes ROUND/STAGE, as in 2/{EXPAND.name}; the "
            f"stages are {names}."
        )
    return int(number), stage


def check_batch(config: Config) -> None:
    """Raise UserError where a step's rows cannot be parted evenly among devices."""
    train = config.train
    devices = train.processes if train.launcher == "accelerate" else 1
    if train.batch % (train.per_device_batch * devices):
        raise UserError(
            f"train.batch: {train.batch} is not allowed; it takes a multiple of "
            f"train.per_device_batch ({train.per_device_batch}) times the processes ({devices})."
        )


def check_steps(config: Config) -> None:
    """Raise UserError where what curation steps name is not there."""
    for field, listed in config.steps().items():
        if listed:
            from selflengthen.curate import steps

            for number, (name, step) in enumerate(steps.made(listed, field), 1):
                try:
                    step.check(steps.Setting())
                except UserError as error:
                    raise UserError(f"{field}, step {number}: {name}: {error}") from error


def check_lengths(config: Config, model: Model, *, trains: bool = True) -> None:
    """Refuse lengths beyond the model's positions, and say what would fit."""
    positions = model.positions
    if positions is None:
        return
    asked = {
        "engine.context": (config.engine.context, positions),
        "train.max_length": (config.train.max_length, positions),
        "sampling.max_tokens": (config.sampling.max_tokens, positions * 3 // 4),
    }
    if not trains:
        del asked["train.max_length"]
    over = {name: (is_, fits) for name, (is_, fits) in asked.items() if is_ > positions}
    if over:
        found = ", ".join(f"{name} is {is_}" for name, (is_, _) in over.items())
        if config.sampling.max_tokens >= min(positions, config.engine.context):
            over.setdefault("sampling.max_tokens", asked["sampling.max_tokens"])
        fitting = " ".join(f"--{name} {fits}" for name, (_, fits) in over.items())
        raise UserError(
            f"model {config.model} has {positions} positions, but {found}; say {fitting}, or take "
            "a model with a longer context."
        )
