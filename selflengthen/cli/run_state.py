"""The progress of a run, read from its files alone; nothing is written."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Annotated

import msgspec
import yaml
from pydantic import ValidationError

from selflengthen.cli.status_json import (
    CurrentStage,
    DoneFile,
    HeldOutFigures,
    RoundFigures,
    RunStatus,
    StageStatus,
    TextsSoFar,
    TrainingSoFar,
)
from selflengthen.config import Config
from selflengthen.errors import DamagedFile, UserError
from selflengthen.field_kinds import add_older
from selflengthen.runner import metrics
from selflengthen.runner.sources import require_whole
from selflengthen.storage.atomic import misplaced, read_json
from selflengthen.storage.figures import RoundMetrics, TextQuality
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import Spread, TextsDone, UnionDone
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import HELD_OUT, INSTRUCT
from selflengthen.text.statistics import spread

_CONFIG = "restore the file, or start the run again with the configuration it was made with"


def open_run(name: str) -> tuple[RunFolder, Config]:
    """Return a run that exists and the configuration it was last started with."""
    run = find_run(name)
    return run, read_config(run)


def find_run(name: str) -> RunFolder:
    """Return a run that exists: the folder `name`, or the one with this name in runs/."""
    path = Path(name)
    if not path.is_dir() and (Path("runs") / name).is_dir():
        path = Path("runs") / name
    run = RunFolder(path)
    if not run.config.exists():
        fault = "it has no config.yaml" if path.is_dir() else "no such folder"
        raise UserError(f"{name} is not a run ({fault}); give a run's folder or its name in runs/.")
    return run


def read_config(run: RunFolder) -> Config:
    """Return the configuration of a run; raise DamagedFile where it is not valid."""
    try:
        values = yaml.safe_load(run.config.read_text(encoding="utf-8"))
        older = add_older(values, Config) if isinstance(values, dict) else values
        return Config.model_validate(older)
    except OSError as error:
        raise misplaced(run.config, _CONFIG, error) from error
    except UnicodeDecodeError as error:
        raise DamagedFile(run.config, f"it is not UTF-8 (byte {error.start})", _CONFIG) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        what = f"it is not a configuration ({where}: {first['msg']})"
        raise DamagedFile(run.config, what, _CONFIG) from error
    except (yaml.YAMLError, ValueError) as error:
        raise DamagedFile(run.config, "it is not valid YAML", _CONFIG) from error


def run_status(run: RunFolder, config: Config) -> RunStatus:
    """Return the progress of a run's rounds; `final` is left empty.

    Raises DamagedFile where a file that it needs is not what was written.
    """
    require_whole(run, run.stages())
    base = run.stage(HELD_OUT, 0)
    rounds = [_figures(run, number) for number in range(1, run.finished() + 1)]
    complete = is_complete(run, config)
    return RunStatus(
        run=str(run.path),
        iterations=config.iterations,
        complete=complete,
        stopped=_stopped(run, config),
        controller=run.holder(),
        base=_base_figures(metrics.of_held_out(run, 0)) if base.done() else None,
        rounds=[_round_figures(figures) for figures in rounds],
        current=None if complete else _current(run, config),
        stages=[_stage_status(folder) for folder in [*run.stages(), *run.last_stages()]],
    )


def is_complete(run: RunFolder, config: Config) -> bool:
    """Say whether a run has nothing left to do; reads no text of a stage in progress."""
    number = run.finished()
    if any(metrics.on_file(run, n) is None for n in range(1, number + 1)):
        return False
    return number >= config.iterations or _stopped(run, config) is not None


def _stopped(run: RunFolder, config: Config) -> str | None:
    """Return why the run stopped after its last round, unless it went on after all."""
    number = run.finished()
    if not number or run.stage(INSTRUCT, number + 1).identity():
        return None
    held_out = _figures(run, number).held_out
    return metrics.stop_reason(held_out, metrics.of_held_out(run, 0), config.held_out)


def _figures(run: RunFolder, number: int) -> RoundMetrics:
    return metrics.on_file(run, number) or metrics.of_round(run, number)


def _base_figures(quality: TextQuality) -> HeldOutFigures:
    return HeldOutFigures(
        held_out_words=quality.words.mean,
        held_out_ends=quality.ends,
        held_out_repeats=quality.repeats,
        held_out_words_median=quality.words.median,
        held_out_words_p90=quality.words.p90,
        held_out_ended_words=quality.ended_words.mean if quality.ended_words else None,
        held_out_ended_words_median=quality.ended_words.median if quality.ended_words else None,
        held_out_near_repeats=quality.near_repeats,
        held_out_assistant_talk=quality.assistant_talk,
        held_out_relevance=quality.relevance.share if quality.relevance else None,
    )


def _round_figures(figures: RoundMetrics) -> RoundFigures:
    drafts, expansions = figures.drafts.words, figures.expansions.words
    return RoundFigures(
        round=figures.round,
        draft_words=drafts.mean,
        expansion_words=expansions.mean,
        acceptance=figures.acceptance,
        draft_words_median=drafts.median,
        draft_words_p90=drafts.p90,
        expansion_words_median=expansions.median,
        expansion_words_p90=expansions.p90,
        **msgspec.structs.asdict(_base_figures(figures.held_out)),
    )


def _stage_status(folder: StageFolder) -> StageStatus:
    """Return a stage's counts: those of DONE.json, or those so far."""
    done = folder.done()
    counts: TextsSoFar | TrainingSoFar | DoneFile
    if done is not None:
        counts = done.as_json(without=("key", "digest", "version", "files"))
    elif folder.spec.makes == "adapter":
        counts = _training(folder)
    else:
        counts = _texts(folder)
    return StageStatus(stage=folder.title, done=done is not None, counts=counts)


def _texts(folder: StageFolder) -> TextsSoFar:
    words = [record.words for record in folder.records(dropped=True)]
    rejections = Counter(rejection.reason for rejection in folder.rejections())
    return TextsSoFar(
        accepted=len(words),
        refusals=dict(rejections.most_common()),
        words=Spread(**spread(words)),
    )


def _current(run: RunFolder, config: Config) -> CurrentStage | None:
    """Return the stage that is in progress, or None."""
    for folder in run.stages():
        if not folder.done():
            stage = folder.title.partition("/")[2]
            return current_stage(run, folder, config, title=stage, number=folder.number)
    return None


def current_stage(
    run: RunFolder,
    folder: StageFolder,
    config: Config,
    *,
    title: str,
    number: int | msgspec.UnsetType | None = msgspec.UNSET,
) -> CurrentStage:
    """Return how far a stage in progress is."""
    total: int | None
    left: float | None
    if folder.spec.makes == "adapter":
        training = _training(folder)
        done, total, seconds = training.step, training.steps, training.seconds_a_step
        left = (total - done) * seconds if total and seconds else None
    else:
        done, total = len(folder.finished()), _total(run, folder, config)
        left = None if total is None else _seconds_left(folder, done, total, config)
    return CurrentStage(round=number, stage=title, done=done, total=total, seconds_left=left)


def _total(run: RunFolder, folder: StageFolder, config: Config) -> int | None:
    """Return how many items a stage of texts has; None for other stages."""
    spec = folder.spec
    if spec is HELD_OUT:  # no more than there are, and those are counted when first written
        measured = run.stage(HELD_OUT, 0).done_as(TextsDone)
        return measured.items if measured else None
    each = config.value(spec.each) if spec.each else 1
    if spec.of is None:
        return int(each) if spec.each else None
    source = run.named(spec.of, folder.number)
    united = source.done_as(UnionDone)
    return int((united.rows if united else source.count()) * each)


def _seconds_left(folder: StageFolder, done: int, total: int, config: Config) -> float | None:
    """Estimate the seconds left from the time that items took, `engine.in_flight` at once.

    Time in which the run stood still does not count, however often it was interrupted.
    """
    spent = sum(r.seconds for r in folder.records(dropped=True))
    accepted = {r.id for r in folder.records(dropped=True)}
    spent += sum(r.seconds for r in folder.rejections() if r.id not in accepted)
    if not done or done >= total:
        return 0.0 if done else None
    each = spent / done
    return round(max(each, each * (total - done) / config.engine.in_flight), 1)


def _training(folder: StageFolder) -> TrainingSoFar:
    job = _job(folder.path / "job.json", folder.remedy)
    lines = _metrics(folder.path / "metrics.jsonl")
    seconds = [line.seconds for line in lines[-20:]]
    return TrainingSoFar(
        step=lines[-1].step if lines else 0,
        steps=training_steps(job.rows, batch=job.batch, epochs=job.epochs) if job else None,
        loss=lines[-1].loss if lines else None,
        seconds_a_step=round(sum(seconds) / len(seconds), 3) if seconds else None,
    )


def training_steps(rows: str | Path, *, batch: int, epochs: float) -> int | None:
    """Return about how many optimizer steps a training takes; rows that are too long count too.

    `rows` is the file of training rows; the result is None where it cannot be read.
    """
    try:
        with open(rows, "rb") as file:
            count = sum(1 for _ in file)
    except OSError:
        return None
    return math.ceil(math.ceil(count / batch) * epochs)


class _Job(msgspec.Struct):
    """What is read of a training's job.json."""

    rows: str
    batch: Annotated[int, msgspec.Meta(ge=1)]
    epochs: float


class _TrainingStep(msgspec.Struct):
    """What is read of a line of a training's metrics.jsonl."""

    step: int
    loss: float
    seconds: float


def _job(path: Path, remedy: str) -> _Job | None:
    value = read_json(path, remedy)
    if value is None:
        return None
    try:
        return msgspec.convert(value, _Job)
    except msgspec.ValidationError as error:
        raise DamagedFile(path, f"it is not a training's job ({error})", remedy) from error


def _metrics(path: Path) -> list[_TrainingStep]:
    """Return the steps so far; none where they cannot be read, since nothing depends on them."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
        return [msgspec.json.decode(line, type=_TrainingStep) for line in lines]
    except (OSError, ValueError):
        return []
