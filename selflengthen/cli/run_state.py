"""Where a run stands, read from its files alone; nothing is written."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from pydantic import ValidationError

from selflengthen.config import Config
from selflengthen.errors import DamagedFile, UserError
from selflengthen.field_kinds import add_older
from selflengthen.runner import metrics
from selflengthen.runner.sources import require_whole
from selflengthen.storage.atomic import misplaced, read_json
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import HELD_OUT, INSTRUCT
from selflengthen.text.statistics import spread

_CONFIG = "restore the file, or start the run again with the configuration it was made with"


def open_run(name: str) -> tuple[RunFolder, Config]:
    """Return a run that exists and the configuration it was last started with."""
    run = find_run(name)
    return run, read_config(run)


def find_run(name: str) -> RunFolder:
    """Return a run that exists: a folder that is one, or that is one below runs/."""
    path = Path(name)
    if not path.is_dir() and (Path("runs") / name).is_dir():
        path = Path("runs") / name
    run = RunFolder(path)
    if not run.config.exists():
        fault = "holds no config.yaml that can be read" if path.is_dir() else "is no folder"
        raise UserError(f"{name}: is no run ({fault}); give the folder of a run.")
    return run


def read_config(run: RunFolder) -> Config:
    """Return the configuration of a run; raise DamagedFile where it is none."""
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
        where = ".".join(map(str, first["loc"])) or "the whole"
        what = f"it is no configuration ({where}: {first['msg']})"
        raise DamagedFile(run.config, what, _CONFIG) from error
    except (yaml.YAMLError, ValueError) as error:
        raise DamagedFile(run.config, "it is not valid YAML", _CONFIG) from error


def standing(run: RunFolder, config: Config) -> dict[str, Any]:
    """Return what `status --json` prints.

    Raises DamagedFile where a file that it needs is not what was written.
    """
    require_whole(run, run.stages())
    base = run.stage(HELD_OUT, 0)
    figures = [_figures(run, number) for number in range(1, run.finished() + 1)]
    stopped, complete = _stopped(run, config), is_complete(run, config)
    return {
        "run": str(run.path),
        "iterations": config.iterations,
        "complete": complete,
        "stopped": stopped,
        "controller": run.holder(),
        "base": _held_out(metrics.quality(base.records())) if base.done() else None,
        "rounds": [_round(f) for f in figures],
        "current": None if complete else _current(run, config),
        "stages": [_stage(folder) for folder in [*run.stages(), *run.last_stages()]],
    }


def is_complete(run: RunFolder, config: Config) -> bool:
    """Say whether a run has nothing left to do; reads no text of a stage that is in work."""
    number = run.finished()
    if any(metrics.on_file(run, n) is None for n in range(1, number + 1)):
        return False
    return number >= config.iterations or _stopped(run, config) is not None


def _stopped(run: RunFolder, config: Config) -> str | None:
    """Return why the run stopped after its last round, unless it went on after all."""
    number = run.finished()
    if not number or run.stage(INSTRUCT, number + 1).identity():
        return None
    return metrics.stop_reason(_figures(run, number)["held_out"], config.held_out)


def _figures(run: RunFolder, number: int) -> dict[str, Any]:
    return metrics.on_file(run, number) or metrics.of_round(run, number)


def _held_out(quality: dict[str, Any]) -> dict[str, Any]:
    return {
        "held_out_words": quality["words"]["mean"],
        "held_out_ends": quality["ends"],
        "held_out_repeats": quality["repeats"],
        "held_out_words_median": quality["words"]["median"],
        "held_out_words_p90": quality["words"]["p90"],
    }


def _round(figures: dict[str, Any]) -> dict[str, Any]:
    drafts, expansions = figures["drafts"]["words"], figures["expansions"]["words"]
    return {
        "round": figures["round"],
        "draft_words": drafts["mean"],
        "expansion_words": expansions["mean"],
        "acceptance": figures["acceptance"],
        **_held_out(figures["held_out"]),
        "draft_words_median": drafts["median"],
        "draft_words_p90": drafts["p90"],
        "expansion_words_median": expansions["median"],
        "expansion_words_p90": expansions["p90"],
    }


def _stage(folder: StageFolder) -> dict[str, Any]:
    """Return a stage's counts; of one that is not done, those so far."""
    done = folder.done()
    if done is not None:
        kept = {k: v for k, v in done.items() if k not in ("key", "digest", "version", "files")}
        return {"stage": folder.title, "done": True, **kept}
    if folder.spec.makes == "adapter":
        return {"stage": folder.title, "done": False, **_training(folder)}
    words = [record.words for record in folder.records(dropped=True)]
    rejections = Counter(rejection.reason for rejection in folder.rejections())
    return {
        "stage": folder.title, "done": False, "accepted": len(words),
        "refusals": dict(rejections.most_common()), "words": spread(words),
    }  # fmt: skip


def _current(run: RunFolder, config: Config) -> dict[str, Any] | None:
    """Return the stage that is in work: done, total, and the seconds it still needs."""
    begun = [folder for folder in run.stages() if not folder.done()]
    if not begun:
        return None
    folder = begun[0]
    name = folder.title.partition("/")[2]
    return {"round": folder.number, "stage": name} | far(run, folder, config)


def far(run: RunFolder, folder: StageFolder, config: Config) -> dict[str, Any]:
    """Return how far a stage in work is: done, total (items, or steps), and the seconds left."""
    if folder.spec.makes == "adapter":
        training = _training(folder)
        step, steps, each = training["step"], training["steps"], training["seconds_a_step"]
        left = (steps - step) * each if steps and each else None
        return {"done": step, "total": steps, "seconds_left": left}
    done, total = len(folder.finished()), _total(run, folder, config)
    return {
        "done": done,
        "total": total,
        "seconds_left": None if total is None else _seconds_left(folder, done, total, config),
    }


def _total(run: RunFolder, folder: StageFolder, config: Config) -> int | None:
    """Return how many items a stage of texts has; None for other stages."""
    spec = folder.spec
    if spec is HELD_OUT:  # no more than there are, and those are counted when first written
        measured = run.stage(HELD_OUT, 0).done()
        return measured["items"] if measured else None
    each = config.value(spec.each) if spec.each else 1
    if spec.of is None:
        return int(each) if spec.each else None
    source = run.named(spec.of, folder.number)
    texts = source.count() if source.spec.makes == "texts" else (source.done() or {})["rows"]
    return int(texts * each)


def _seconds_left(folder: StageFolder, done: int, total: int, config: Config) -> float | None:
    """Reckon from the time that items took: as many are in work at once as `engine.in_flight`.

    This counts no time that the run stood still, however often it was interrupted.
    """
    spent = sum(r.seconds for r in folder.records(dropped=True))
    accepted = {r.id for r in folder.records(dropped=True)}
    spent += sum(r.seconds for r in folder.rejections() if r.id not in accepted)
    if not done or done >= total:
        return 0.0 if done else None
    each = spent / done
    return round(max(each, each * (total - done) / config.engine.in_flight), 1)


def _training(folder: StageFolder) -> dict[str, Any]:
    """Return how far a training is: step of about how many, and its last loss."""
    job = _job(folder.path / "job.json", folder.remedy)
    lines = _metrics(folder.path / "metrics.jsonl")
    seconds = [line.seconds for line in lines[-20:]]
    return {
        "step": lines[-1].step if lines else 0,
        "steps": steps_of(job) if job else None,
        "loss": lines[-1].loss if lines else None,
        "seconds_a_step": round(sum(seconds) / len(seconds), 3) if seconds else None,
    }


def steps_of(job: dict[str, Any]) -> int | None:
    """Return about how many optimizer steps a training takes; rows that are too long count too."""
    try:
        with open(job["rows"], "rb") as file:
            rows = sum(1 for _ in file)
    except OSError:
        return None
    epoch: int = math.ceil(rows / job["batch"])
    return math.ceil(epoch * float(job["epochs"]))


class _Job(msgspec.Struct):
    """What is read of a training's job.json."""

    rows: str
    batch: Annotated[int, msgspec.Meta(ge=1)]
    epochs: float


class _Step(msgspec.Struct):
    """What is read of a line of a training's metrics.jsonl."""

    step: int
    loss: float
    seconds: float


def _job(path: Path, remedy: str) -> dict[str, Any] | None:
    value = read_json(path, remedy)
    if value is None:
        return None
    try:
        return msgspec.structs.asdict(msgspec.convert(value, _Job))
    except msgspec.ValidationError as error:
        raise DamagedFile(path, f"it is no job of a training ({error})", remedy) from error


def _metrics(path: Path) -> list[_Step]:
    """Return the steps so far; none where they cannot be read, since nothing rests on them."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
        return [msgspec.json.decode(line, type=_Step) for line in lines]
    except (OSError, ValueError):
        return []
