"""Finds and checks the models and runs that `evaluate` is to measure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from selflengthen.cli.options.settings import Settings, resolve
from selflengthen.cli.preflight import fit_lengths, print_lengths, prompts_folder
from selflengthen.config import Config, EngineConfig
from selflengthen.engines import require
from selflengthen.engines.base import Adapter
from selflengthen.errors import UserError
from selflengthen.evaluate import paths
from selflengthen.evaluate.targets import EvaluationTarget, Judge, ModelState
from selflengthen.evaluate.tasks import Task
from selflengthen.inputs import models, prompts
from selflengthen.inputs.models import Model
from selflengthen.planning.lengths import fit_judge
from selflengthen.storage.records import fingerprint
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import TrainedDone
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import ANNEAL, FINISH_TRAIN, TRAIN


def find_all(names: Iterable[str], task: Task, fields: Mapping[str, str]) -> list[EvaluationTarget]:
    """Return the target of each name; targets with equal labels are labelled by these names."""
    named = [(name, find(name, task, fields)) for name in dict.fromkeys(names)]
    counts = Counter(target.label(state) for _, target in named for state in target.states)
    return [
        replace(target, title=name) if counts[target.label(target.states[0])] > 1 else target
        for name, target in named
    ]


def find(name: str, task: Task, fields: Mapping[str, str]) -> EvaluationTarget:
    """Return the model or the run that `name` means; RUN has all states, RUN:STATE has one."""
    prefix, _, state = name.rpartition(":")
    if run := _run(name):
        return _run_target(run, name, task, fields)
    if prefix and (run := _run(prefix)):
        return _run_target(run, name, task, fields, state=state)
    return _model_target(name, task, fields)


def judge(config: Config, task: Task) -> Judge | None:
    """Return the judge that the configuration names, or None."""
    name = config.judge.model
    if name is None:
        return None
    require(config.judge.engine.kind)
    model = _model(name, config.judge.engine, "judge.model")
    config = fit_judge(config, model.positions)
    return Judge(config.judge, _short(name), model, task.rubric)


def _run_target(
    run: RunFolder, name: str, task: Task, fields: Mapping[str, str], *, state: str = ""
) -> EvaluationTarget:
    """Return a run as a target, with all its states, or with the one called `state`."""
    settings = resolve(str(run.config), fields, str(run.path))
    config = settings.config
    title = run.path.resolve().name
    states = _states(run, config)
    if state:
        chosen = [s for s in states if state in (s.name, s.name.lstrip("0"))]
        if not chosen:
            names = ", ".join(s.name.lstrip("0") for s in states)
            raise UserError(f"{name}: the run has no state {state!r}; it has {names}.")
        states = chosen
    model = _model(config.model, config.engine, "model")
    config = _fitted(settings, model)
    return EvaluationTarget(
        name=f"{title}-{state}" if state else title,
        title=title,
        config=config,
        model=model,
        prompts=prompts.load(prompts_folder(config)),
        folder=paths.of_run(run.path, task.name),
        states=tuple(states),
        all_states=not state,
    )


def _model_target(name: str, task: Task, fields: Mapping[str, str]) -> EvaluationTarget:
    settings = resolve(None, {**fields, "model": name}, None)
    model = _model(name, settings.config.engine, name)
    config = _fitted(settings, model)
    return EvaluationTarget(
        name=_short(name),
        title=_short(name),
        config=config,
        model=model,
        prompts=prompts.load(prompts_folder(config)),
        folder=paths.of_model(_short(name), model.digest, task.name),
        states=(ModelState("model"),),
    )


def _fitted(settings: Settings, model: Model) -> Config:
    require(settings.config.engine.kind)
    config = fit_lengths(settings, model, trains=False)
    print_lengths(settings, config, model, trains=False)
    return config


def _states(run: RunFolder, config: Config) -> list[ModelState]:
    """Return a run's states: the base model, the generator after each round, the finished model."""
    states = [ModelState("base", " base")]
    last: tuple[Adapter, str, StageFolder] | tuple[()] = ()
    for number in range(1, run.finished() + 1):
        folder = run.stage(TRAIN, number, "generator")
        # A round that trained nothing keeps the adapter of the one before.
        last = _adapter(folder, f"generator-r{number:02d}", config) or last
        states.append(ModelState(f"{number:02d}", f" round {number}", *last))
    tuned = run.stage(ANNEAL if config.finish.anneal.steps else FINISH_TRAIN)
    if final := _adapter(tuned, "final", config):
        states.append(ModelState("final", " final", *final))
    return states


def _adapter(
    folder: StageFolder, name: str, config: Config
) -> tuple[Adapter, str, StageFolder] | None:
    done = folder.done_as(TrainedDone)
    if done is None:
        return None
    return Adapter(name, folder.path, config.train.lora_r), done.digest, folder


def _run(name: str) -> RunFolder | None:
    """Return the run in a folder or under runs/, if there is one; `pocket` is always the model."""
    for path in (Path(name), Path("runs") / name):
        if name != "pocket" and (path / "config.yaml").is_file():
            return RunFolder(path)
    return None


def _model(name: str, engine: EngineConfig, source: str) -> Model:
    """Find a model; errors begin with `source`, the option that named it, or the name itself."""
    if model := served(name, engine):
        return model
    if name != "pocket" and not Path(name).exists() and "/" not in name:
        raise UserError(
            f"{source}: {'' if source == name else name + ' '}is neither a model nor a run; give "
            "the folder of a run or its name under runs/, a model folder, a hub id, or `pocket`."
        )
    return models.find(name)


def served(name: str, engine: EngineConfig) -> Model | None:
    """Return a model that only a server has, known by its name and address; None for others."""
    if name == "pocket" or Path(name).exists() or engine.kind != "openai":
        return None
    return Model(name, Path(name), {}, fingerprint([name, engine.url]).hex())


def _short(name: str) -> str:
    """Return the name of a folder or of a file without its suffix, or a hub id as it is."""
    path = Path(name)
    return path.stem if path.is_file() else path.resolve().name if path.is_dir() else name
