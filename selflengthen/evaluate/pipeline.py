"""Has a benchmark answered and graded: two controllers of stages, which go on as a run does.

`Answering` has one target's states write an answer to each instruction. `Grading` has the judge
grade the answers of any number of targets; its engine is another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from selflengthen.config import Config, JudgeConfig, identity_of
from selflengthen.engines.base import Adapter, Adapters, Role, Sampling
from selflengthen.errors import UserError
from selflengthen.evaluate.paths import EvaluationFolder
from selflengthen.evaluate.responses import Row
from selflengthen.evaluate.rubrics import Rubric, language_of
from selflengthen.evaluate.tasks import Task
from selflengthen.inputs import prompts
from selflengthen.inputs.models import Model
from selflengthen.inputs.prompts import Prompts
from selflengthen.runner.context import Services, sampling_of
from selflengthen.runner.identity import differences
from selflengthen.runner.stage_runner import StageRunner
from selflengthen.stages.answer import AnswerOnce
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.storage.records import Record, fingerprint
from selflengthen.storage.run_dir import StageFolder
from selflengthen.text.checks import finish


@dataclass(frozen=True)
class State:
    """Who writes: a model as it is, or with a run's adapter, which is known by its digest.

    `suffix` is what stands behind the target's title in tables: ` round 2`.
    """

    name: str
    suffix: str = ""
    adapter: Adapter | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Target:
    """A model or a run: its states, and where their answers to one benchmark stand.

    `name` is part of a folder's name, `title` is for people; `whole`: of a run, all of its states.
    """

    name: str
    title: str
    config: Config
    model: Model
    prompts: Prompts
    folder: EvaluationFolder
    states: tuple[State, ...]
    whole: bool = True

    def label(self, state: State) -> str:
        """Return what a state is called in tables."""
        return f"{self.title}{state.suffix}"


@dataclass(frozen=True)
class Benchmark:
    """A benchmark and its rows."""

    task: Task
    rows: Sequence[Row]

    @property
    def instructions(self) -> list[str]:
        """What is asked, in order."""
        return [row.text(self.task.field) for row in self.rows]


@dataclass(frozen=True)
class Judge:
    """Who grades: settings, the model and its name, the rubric."""

    config: JudgeConfig
    name: str
    model: Model
    rubric: Rubric


def answers_identity(target: Target, state: State, benchmark: Benchmark) -> dict[str, Any]:
    """Return what a state's answers are made of."""
    told = {"draft.user": fingerprint(target.prompts.texts["draft.user"]).hex()}
    return {
        "model": target.model.digest,
        "adapter": state.digest,
        "seed": target.config.seed,
        "sampling": identity_of(target.config.sampling),
        "prompts": told,
        "instructions": fingerprint(benchmark.instructions).hex(),
    }


def grades_identity(target: Target, state: State, judge: Judge) -> dict[str, Any]:
    """Return what the grades of a state's answers are made of."""
    done = target.folder.answers(state.name).done() or {}
    settings = identity_of(judge.config)
    del settings["model"], settings["engine"]
    return {
        "judge": judge.name,
        "model": judge.model.digest,
        "settings": settings,
        "rubric": judge.rubric.name,
        "prompts": judge.rubric.digest(),
        "answers": done.get("digest"),
    }


def check(
    target: Target, benchmark: Benchmark, judge: Judge | None, *, redo: bool = False
) -> list[StageFolder]:
    """Compare what is on disk with what would be made now; return what is to be made again.

    Raises UserError naming what differs, unless `redo` asks to make that again.
    """
    again = []
    for state in target.states:
        answers = target.folder.answers(state.name)
        if _differs(target, answers, answers_identity(target, state, benchmark), redo):
            again.append(target.folder.state(state.name))
        elif judge is not None and answers.done():
            graded = target.folder.judged(state.name, judge.name)
            if _differs(target, graded, grades_identity(target, state, judge), redo):
                again.append(graded)
    return again


def _differs(target: Target, folder: StageFolder, now: dict[str, Any], redo: bool) -> bool:
    begun = folder.identity()
    shown = "; ".join(differences(begun, now)) if begun else ""
    if shown and not redo:
        raise UserError(
            f"{target.folder.path}: {folder.title} was made with other settings, instructions or "
            f"models ({shown:.200}). Keep those, or make it again with --redo (what is there is "
            "set aside, not deleted)."
        )
    return bool(shown)


def is_answered(target: Target) -> bool:
    """Say whether all states have answered."""
    return all(target.folder.answers(state.name).done() for state in target.states)


def is_graded(target: Target, judge: Judge) -> bool:
    """Say whether the answers of all states are graded."""
    return all(target.folder.judged(s.name, judge.name).done() for s in target.states)


def by_row(folder: StageFolder, count: int) -> list[Record | None]:
    """Return a stage's record of each row; None where it was refused."""
    found = {record.source: record for record in folder.records()}
    return [found.get(str(number)) for number in range(1, count + 1)]


class Answering:
    """Has every state of a target answer every instruction, once, as held-out texts are written."""

    def __init__(self, target: Target, benchmark: Benchmark, services: Services) -> None:
        """Keep who answers what."""
        self.target = target
        self.benchmark = benchmark
        self.runner = StageRunner(target.config, services)
        self.sampling = sampling_of(target.config)

    async def play(self) -> None:
        """Bring the answers of each state that has not answered to their end."""
        for state in self._owing():
            role: Role = "generator" if state.adapter else "base"
            await self.runner.texts(
                self.target.folder.answers(state.name),
                identity=partial(answers_identity, self.target, state, self.benchmark),
                adapters=self._adapters(state),
                stage=AnswerOnce(self.target.prompts, self.sampling, role),
                items=self._items(state),
                total=len(self.benchmark.rows),
            )

    def _owing(self) -> list[State]:
        return [s for s in self.target.states if not self.target.folder.answers(s.name).done()]

    def _items(self, state: State) -> Iterator[Item[str]]:
        name = self.benchmark.task.name
        for number, instruction in enumerate(self.benchmark.instructions, 1):
            yield Item(f"{name}-{state.name}-{number:05d}", str(number), instruction)

    def _adapters(self, state: State) -> Adapters:
        """Return the adapters to open the engine with: for the bare model, those of who is next.

        An engine that has them writes as the bare model, too, and need not be started again.
        """
        adapter = state.adapter or next((s.adapter for s in self._owing() if s.adapter), None)
        return {"generator": adapter} if adapter else {}


@dataclass(frozen=True)
class Answer:
    """An instruction and what was written for it."""

    instruction: str
    response: str


@dataclass
class Grade:
    """Grades one text an item; an answer out of form is refused, and the judge asked again."""

    config: JudgeConfig
    rubric: Rubric
    attempts: int = field(init=False)

    def __post_init__(self) -> None:
        """Read the prompts."""
        self.attempts, self.prompts = self.config.attempts, self.rubric.prompts()
        self.sampling = Sampling(
            temperature=self.config.temperature, top_p=1.0, top_k=0, repetition_penalty=1.0,
            max_tokens=self.config.max_tokens,
        )  # fmt: skip

    async def attempt(self, item: Item[Answer], ask: Ask) -> Verdict:
        """Ask the judge; an empty text has the lowest grades, and nobody is asked."""
        given = item.input
        if not given.response.strip():
            return Verdict("", "empty", None, {"grades": self.rubric.lowest()})
        told = self.prompts[language_of(given.instruction)]
        user = prompts.fill(told, instruction=given.instruction, response=given.response)
        said = await ask(user, "base", self.sampling, schema=self.rubric.schema())
        grades = self.rubric.read(said.text)
        if grades is None:
            return Verdict(said.text, said.finish_reason, finish(said.finish_reason) or "form")
        return Verdict(said.text, said.finish_reason, None, {"grades": grades})


class Grading:
    """Has the judge grade the answers of all targets."""

    def __init__(
        self,
        targets: Sequence[Target],
        benchmark: Benchmark,
        judge: Judge,
        services: Services,
    ) -> None:
        """Keep what is graded by whom; the judge's engine has settings of its own."""
        config = targets[0].config.model_copy(update={"engine": judge.config.engine})
        self.targets = targets
        self.benchmark = benchmark
        self.judge = judge
        self.runner = StageRunner(config, services)

    async def play(self) -> None:
        """Bring the grades of each state to their end."""
        for target in self.targets:
            for state in target.states:
                await self.runner.texts(
                    target.folder.judged(state.name, self.judge.name),
                    identity=partial(grades_identity, target, state, self.judge),
                    adapters={},
                    stage=Grade(self.judge.config, self.judge.rubric),
                    items=self._items(target, state),
                    total=len(self.benchmark.rows),
                )

    def _items(self, target: Target, state: State) -> Iterator[Item[Answer]]:
        records = by_row(target.folder.answers(state.name), len(self.benchmark.rows))
        pairs = zip(self.benchmark.instructions, records, strict=True)
        for number, (instruction, record) in enumerate(pairs, 1):
            name = f"{self.benchmark.task.name}-{state.name}-{number:05d}"
            yield Item(name, str(number), Answer(instruction, record.text if record else ""))
