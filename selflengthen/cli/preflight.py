"""Reads and checks the inputs of a run before anything is written."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from selflengthen.cli.options.settings import Settings
from selflengthen.cli.run_state import read_config
from selflengthen.config import Config
from selflengthen.engines import require
from selflengthen.errors import DamagedFile, UserError
from selflengthen.inputs import models, prompts, seeds
from selflengthen.inputs.models import Model
from selflengthen.inputs.prompts import Prompts
from selflengthen.inputs.seeds import Seed
from selflengthen.planning import lengths
from selflengthen.planning.estimate import estimate
from selflengthen.planning.units import size
from selflengthen.runner.context import RunContext
from selflengthen.storage.atomic import check_folder
from selflengthen.storage.records import fingerprint
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import EXPAND, ROUND_STAGES, StageSpec, find_stage

SEEDS_OF_0_1 = 63
"""How many seed instructions version 0.1 shipped for a language; its runs kept no copy of them."""


def gather(settings: Settings) -> RunContext:
    """Read and check the inputs of a run; raise UserError for the first fault."""
    config, run = settings.config, RunFolder(settings.folder)
    check_folder(run.path, "--run-dir")
    check_batch(config)
    require(config.engine.kind)
    texts, pool = starting_texts(config, run)
    if config.expand.strategy != "two-stage":
        needed_by = f"expand.strategy {config.expand.strategy}"
        prompts.require(texts, prompts_folder(config), prompts.SECTION, needed_by)
    if config.gate.by == "judge":
        prompts.require(texts, prompts_folder(config), prompts.GATE, "gate.by judge")
    held_out = seeds.load(config.held_out.source or f"held-out-{config.language}")
    model = models.find(config.model)
    config = fit_lengths(settings, model)
    check_steps(config)
    return RunContext(
        config=config,
        model=model,
        run=run,
        prompts=texts,
        seeds=pool,
        held_out=held_out[: config.held_out.texts],
        source=source_instructions(config, run),
    )


def starting_texts(config: Config, run: RunFolder) -> tuple[Prompts, list[Seed]]:
    """Return prompts and seed instructions: those the configuration names, else shipped ones.

    A run that exists keeps the shipped ones it was begun with: another version of the program may
    ship others.
    """
    source, folder = config.seeds or config.language, prompts_folder(config)
    saved = read_config(run) if run.is_begun() else None
    if saved is None or saved.language != config.language:
        return prompts.load(folder), seeds.load(source)
    if config.prompts is None and saved.prompts is None:
        texts = prompts.load_copy(run.prompts, shipped=folder)
        check_copy(texts, run)
    else:
        texts = prompts.load(folder)
    if source not in seeds.shipped() or saved.seeds != config.seeds:
        return texts, seeds.load(source)
    if run.seeds.exists():
        return texts, seeds.load(run.seeds)
    return texts, seeds.load(source)[:SEEDS_OF_0_1]


def check_copy(texts: Prompts, run: RunFolder) -> None:
    """Raise DamagedFile if a prompt in the run's folder is not what its rounds were made with.

    `--redo` of the first stage compares no stage with the settings, so nothing else would notice.
    """
    loaded = {**texts.texts, "answers": "\n".join(texts.answers)}
    for folder in run.stages():
        recorded = _recorded_prompts(folder)
        names = set(recorded)
        if recorded and prompts.SYSTEM in folder.spec.prompts:
            names |= loaded.keys() & {prompts.SYSTEM}
        for name in sorted(names):
            if recorded.get(name) != fingerprint(loaded.get(name)).hex():
                file = prompts.ANSWERS if name == "answers" else name
                raise DamagedFile(
                    run.prompts / f"{file}.md",
                    f"{folder.title} was made with another text, or with none",
                    "restore the file, or name a folder of prompts with --prompts",
                )


def _recorded_prompts(folder: StageFolder) -> dict[str, str]:
    """Return the digests of the prompts that a stage was made with; none if it is damaged."""
    try:
        done, identity = folder.done(), folder.identity()
    except DamagedFile:
        return {}
    if done is None or identity is None or done.key != folder.key():
        return {}
    recorded: dict[str, str] = identity["prompts"]
    return recorded


def source_instructions(config: Config, run: RunFolder) -> list[Seed]:
    """Return the instructions of `instruct.source`; none where it is not set.

    As with seeds, a run that exists keeps the shipped ones it was begun with.
    """
    if config.instruct.source is None:
        return []
    of_language = config.instruct.source == seeds.SHIPPED
    source = config.language if of_language else config.instruct.source
    if source in seeds.shipped() and run.is_begun() and run.source.exists():
        saved = read_config(run)
        if (saved.instruct.source, saved.language) == (config.instruct.source, config.language):
            return seeds.load_source(run.source)
    return seeds.load_source(source, config.instruct.field)


def prompts_folder(config: Config) -> Path:
    """Return the folder of a configuration's prompts."""
    return Path(config.prompts or prompts.shipped(config.language))


def check_disk(context: RunContext) -> None:
    """Raise UserError if the run needs more space than the disk has left."""
    needed = estimate(
        context.config, context.model, context.run, source=len(context.source)
    ).disk_left
    place = context.run.path.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed.value > free:
        raise UserError(
            f"{context.run.path}: this run still needs about {size(needed.value)} and the disk has "
            f"{size(free)} left; free some space, choose another disk with --run-dir, or lower "
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
            f"--redo: {text!r} is not allowed; write ROUND/STAGE, as in 2/{EXPAND.name}; the "
            f"stages are {names}."
        )
    return int(number), stage


def check_batch(config: Config) -> None:
    """Raise UserError if a batch cannot be split evenly among the devices."""
    train = config.train
    devices = train.processes if train.launcher == "accelerate" else 1
    if train.batch % (train.per_device_batch * devices):
        raise UserError(
            f"train.batch: {train.batch} is not allowed; it takes a multiple of "
            f"train.per_device_batch ({train.per_device_batch}) times the processes ({devices})."
        )


def check_steps(config: Config) -> None:
    """Raise UserError if a file or model that a curation step names does not exist."""
    for field, listed in config.steps().items():
        if listed:
            from selflengthen.curate import steps

            for number, (name, step) in enumerate(steps.parse_steps(listed, field), 1):
                try:
                    step.check(steps.StepContext())
                except UserError as error:
                    raise UserError(f"{field}, step {number}: {name}: {error}") from error


def fit_lengths(settings: Settings, model: Model, *, trains: bool = True) -> Config:
    """Return the configuration with lengths that fit the model.

    Raises UserError for a given length that is over the model's positions.
    """
    return lengths.fit(settings.config, model, settings.auto, trains=trains)


def print_lengths(settings: Settings, config: Config, model: Model, *, trains: bool = True) -> None:
    """Name the lengths that `fit_lengths` chose on stderr; call it once the input is accepted."""
    if line := lengths.summary(config, model, settings.auto, trains=trains):
        print(line, file=sys.stderr)
