"""Who answers and who grades, and whether the results on disk still belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selflengthen.config import Config, JudgeConfig, SamplingConfig
from selflengthen.engines.base import Adapter
from selflengthen.errors import UserError
from selflengthen.evaluate.paths import EvaluationFolder
from selflengthen.evaluate.responses import ResponseRow
from selflengthen.evaluate.rubrics import Rubric
from selflengthen.evaluate.tasks import Task
from selflengthen.field_kinds import identity_of
from selflengthen.inputs.models import Model
from selflengthen.inputs.prompts import Prompts
from selflengthen.runner.identity import differences
from selflengthen.storage.records import Record, fingerprint
from selflengthen.storage.stage_folder import StageFolder


@dataclass(frozen=True)
class ModelState:
    """One writer of answers: a model, or a run's model after some training.

    Attributes:
        name: The name of its folder: `model`, `base`, `01`, …, `final`.
        suffix: What tables append to the target's title, such as ` round 2`.
        adapter: The adapter; None for the bare model.
        digest: The adapter's digest.
        training: The stage that trained the adapter; it is verified before the adapter is used.
    """

    name: str
    suffix: str = ""
    adapter: Adapter | None = None
    digest: str | None = None
    training: StageFolder | None = None


@dataclass(frozen=True)
class EvaluationTarget:
    """A model or a run that answers one benchmark.

    Attributes:
        name: Part of the name of a folder.
        title: Its name in tables.
        config: The settings for its answers.
        model: The base model.
        prompts: The prompts for its answers.
        folder: Where its answers and grades are.
        states: The states that answer, in the order of the tables.
        all_states: Whether these are all states of the run.
    """

    name: str
    title: str
    config: Config
    model: Model
    prompts: Prompts
    folder: EvaluationFolder
    states: tuple[ModelState, ...]
    all_states: bool = True

    def label(self, state: ModelState) -> str:
        """Return the name of a state in tables."""
        return f"{self.title}{state.suffix}"


@dataclass(frozen=True)
class BenchmarkData:
    """A benchmark and the rows of its file."""

    task: Task
    rows: Sequence[ResponseRow]

    @property
    def instructions(self) -> list[str]:
        """The instructions, in order."""
        return [row.text(self.task.field) for row in self.rows]


@dataclass(frozen=True)
class Judge:
    """The model that grades: its settings, its name in tables, and the rubric."""

    config: JudgeConfig
    name: str
    model: Model
    rubric: Rubric


def answers_identity(
    target: EvaluationTarget, state: ModelState, benchmark: BenchmarkData
) -> dict[str, object]:
    """Return everything that a state's answers depend on."""
    prompts = {"draft.user": fingerprint(target.prompts.texts["draft.user"]).hex()}
    sampling = identity_of(target.config.sampling)
    if sampling["stop"] == SamplingConfig().stop:
        # No string ends an answer. The default of version 0.1.0 keeps the keys of its answers.
        sampling["stop"] = ["\n\n\n", "---"]
    return {
        "model": target.model.digest,
        "adapter": state.digest,
        "seed": target.config.seed,
        "sampling": sampling,
        "prompts": prompts,
        "instructions": fingerprint(benchmark.instructions).hex(),
    }


def grades_identity(target: EvaluationTarget, state: ModelState, judge: Judge) -> dict[str, object]:
    """Return everything that the grades of a state's answers depend on."""
    done = target.folder.answers(state.name).done()
    settings = identity_of(judge.config)
    del settings["model"], settings["engine"]
    return {
        "judge": judge.name,
        "model": judge.model.digest,
        "settings": settings,
        "rubric": judge.rubric.name,
        "prompts": judge.rubric.digest(),
        "answers": done.digest if done else None,
    }


def check(
    target: EvaluationTarget,
    benchmark: BenchmarkData,
    judge: Judge | None,
    *,
    redo: bool = False,
) -> list[StageFolder]:
    """Return the folders that must be redone, because their identity is not what it would be now.

    Raises:
        UserError: If there are any and `redo` is false; names the differences.
    """
    outdated = []
    for state in target.states:
        answers = target.folder.answers(state.name)
        if _differs(target, answers, answers_identity(target, state, benchmark), redo=redo):
            outdated.append(target.folder.state(state.name))
        elif judge is not None and answers.done():
            grades = target.folder.judged(state.name, judge.name)
            if _differs(target, grades, grades_identity(target, state, judge), redo=redo):
                outdated.append(grades)
    return outdated


def _differs(
    target: EvaluationTarget, folder: StageFolder, identity: dict[str, object], *, redo: bool
) -> bool:
    existing = folder.identity()
    shown = "; ".join(differences(existing, identity)) if existing else ""
    if shown and not redo:
        raise UserError(
            f"{target.folder.path}: {folder.title} was made with other settings, instructions or "
            f"models ({shown:.200}); restore those, or start again with --redo, which sets the old "
            "results aside without deleting them."
        )
    return bool(shown)


def is_answered(target: EvaluationTarget) -> bool:
    """Say whether all states have answered."""
    return all(target.folder.answers(state.name).done() for state in target.states)


def is_graded(target: EvaluationTarget, judge: Judge) -> bool:
    """Say whether the answers of all states are graded."""
    return all(target.folder.judged(state.name, judge.name).done() for state in target.states)


def records_by_row(folder: StageFolder, count: int) -> list[Record | None]:
    """Return a stage's records of rows 1 to `count`; None for a row without an accepted text."""
    records = {record.source: record for record in folder.records()}
    return [records.get(str(number)) for number in range(1, count + 1)]
