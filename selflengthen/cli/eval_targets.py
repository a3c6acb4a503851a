"""What `evaluate` was asked to evaluate: models and runs, found and checked beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from selflengthen.cli.options.settings import resolve
from selflengthen.cli.preflight import check_lengths, prompts_folder
from selflengthen.config import Config, EngineConfig
from selflengthen.engines import require
from selflengthen.engines.base import Adapter
from selflengthen.errors import UserError
from selflengthen.evaluate import paths
from selflengthen.evaluate.pipeline import Judge, State, Target
from selflengthen.evaluate.tasks import Task
from selflengthen.inputs import models, prompts
from selflengthen.inputs.models import Model
from selflengthen.storage.records import fingerprint
from selflengthen.storage.run_dir import RunFolder, StageFolder
from selflengthen.storage.stage_table import ANNEAL, FINISH_TRAIN, TRAIN


def find_all(names: Iterable[str], task: Task, fields: Mapping[str, str]) -> list[Target]:
    """Return what each name means; what would be called the same is called as it was named."""
    named = [(name, find(name, task, fields)) for name in dict.fromkeys(names)]
    counts = Counter(target.label(state) for _, target in named for state in target.states)
    return [
        replace(target, title=name) if counts[target.label(target.states[0])] > 1 else target
        for name, target in named
    ]


def find(name: str, task: Task, fields: Mapping[str, str]) -> Target:
    """Return the model or the run that `name` means; of a run all states, or that of RUN:STATE."""
    whole, _, wanted = name.rpartition(":")
    if run := _run(name):
        return _of_run(run, name, "", task, fields)
    if whole and (run := _run(whole)):
        return _of_run(run, name, wanted, task, fields)
    return _of_model(name, task, fields)


def judge(config: Config, task: Task) -> Judge | None:
    """Return who grades, or None where nobody does."""
    name = config.judge.model
    if name is None:
        return None
    require(config.judge.engine.kind)
    model = _model(name, config.judge.engine, "judge.model")
    return Judge(config.judge, _short(name), model, task.rubric)


def _of_run(
    run: RunFolder, name: str, wanted: str, task: Task, fields: Mapping[str, str]
) -> Target:
    config = resolve(str(run.config), fields, str(run.path)).config
    called = run.path.resolve().name
    title, states = called, _states(run, config)
    if wanted:
        chosen = [state for state in states if wanted in (state.name, state.name.lstrip("0"))]
        if not chosen:
            there = ", ".join(state.name.lstrip("0") for state in states)
            raise UserError(f"{name}: the run has no {wanted!r} to evaluate; it has {there}.")
        states, called = chosen, f"{called}-{wanted}"
    folder = paths.of_run(run.path, task.name)
    model = _model(config.model, config.engine, "model")
    return _target((called, title), config, folder, model, states, whole=not wanted)


def _of_model(name: str, task: Task, fields: Mapping[str, str]) -> Target:
    config = resolve(None, {**fields, "model": name}, None).config
    model = _model(name, config.engine, name)
    folder = paths.of_model(_short(name), model.digest, task.name)
    return _target((_short(name), _short(name)), config, folder, model, [State("model")])


def _target(
    names: tuple[str, str], config: Config, folder: paths.EvaluationFolder, model: Model,
    states: list[State], *, whole: bool = True,
) -> Target:  # fmt: skip
    require(config.engine.kind)
    check_lengths(config, model, trains=False)
    texts = prompts.load(prompts_folder(config))
    return Target(*names, config, model, texts, folder, tuple(states), whole)


def _states(run: RunFolder, config: Config) -> list[State]:
    """Return a run's states: the base model, the generator after each round, the finished model."""
    states, last = [State("base", " base")], None
    for number in range(1, run.finished() + 1):
        folder = run.stage(TRAIN, number, "generator")
        last = _adapter(folder, f"generator-r{number:02d}", config) or last
        states.append(State(f"{number:02d}", f" round {number}", *(last or ())))
    tuned = run.stage(ANNEAL if config.finish.anneal.steps else FINISH_TRAIN)
    if final := _adapter(tuned, "final", config):
        states.append(State("final", " final", *final))
    return states


def _adapter(folder: StageFolder, name: str, config: Config) -> tuple[Adapter, str] | None:
    done = folder.done()
    if not done or done.get("skipped"):
        return None
    return Adapter(name, folder.path, config.train.lora_r), done["digest"]


def _run(name: str) -> RunFolder | None:
    """Return the run that a folder or a name below runs/ means; `pocket` is the model."""
    for path in (Path(name), Path("runs") / name):
        if name != "pocket" and (path / "config.yaml").is_file():
            return RunFolder(path)
    return None


def _model(name: str, engine: EngineConfig, said: str) -> Model:
    """Return a model; `said` is the option that named it, or the name."""
    if model := served(name, engine):
        return model
    if name != "pocket" and not Path(name).is_dir() and "/" not in name:
        raise UserError(
            f"{said}: {'' if said == name else name + ' '}is no model and no run here; give a run "
            "or its name below runs/, a model folder, a hub id, or `pocket`."
        )
    return models.find(name)


def served(name: str, engine: EngineConfig) -> Model | None:
    """Return a model that only a server has, known by its name and address, if it is one."""
    if name == "pocket" or Path(name).is_dir() or engine.kind != "openai":
        return None
    return Model(name, Path(name), {}, fingerprint([name, engine.url]).hex())


def _short(name: str) -> str:
    """Return a hub id as it is, and of a folder its name."""
    return Path(name).resolve().name if Path(name).is_dir() else name
