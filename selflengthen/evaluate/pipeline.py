"""Collects answers to a benchmark and has them graded, in stages that resume like those of a run.

`Answering` has each state of a target answer every instruction. `Grading` has the judge grade the
answers of one or more targets; the judge has its own engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from selflengthen.config import JudgeConfig
from selflengthen.engines.base import Adapters, Role, Sampling
from selflengthen.evaluate.rubrics import Rubric, language_of
from selflengthen.evaluate.targets import (
    BenchmarkData,
    EvaluationTarget,
    Judge,
    ModelState,
    answers_identity,
    grades_identity,
    records_by_row,
)
from selflengthen.inputs import prompts
from selflengthen.runner.context import Services, sampling_of
from selflengthen.runner.stage_runner import StageRunner
from selflengthen.runner.verify import require_sound
from selflengthen.stages.answer import AnswerOnce
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.text.checks import finish


class Answering:
    """Has every state of a target answer every instruction once."""

    def __init__(
        self, target: EvaluationTarget, benchmark: BenchmarkData, services: Services
    ) -> None:
        self.target = target
        self.benchmark = benchmark
        self.runner = StageRunner(target.config, services)
        self.sampling = sampling_of(target.config)

    async def play(self) -> None:
        """Complete the answers of each state."""
        for state in self._unanswered():
            if state.training:
                await asyncio.to_thread(require_sound, state.training)
            role: Role = "generator" if state.adapter else "base"
            await self.runner.texts(
                self.target.folder.answers(state.name),
                identity=partial(answers_identity, self.target, state, self.benchmark),
                adapters=self._adapters(state),
                stage=AnswerOnce(self.target.prompts, self.sampling, role),
                items=self._items(state),
                total=len(self.benchmark.rows),
            )

    def _unanswered(self) -> list[ModelState]:
        folder = self.target.folder
        return [state for state in self.target.states if not folder.answers(state.name).done()]

    def _items(self, state: ModelState) -> Iterator[Item[str]]:
        name = self.benchmark.task.name
        for number, instruction in enumerate(self.benchmark.instructions, 1):
            yield Item(f"{name}-{state.name}-{number:05d}", str(number), instruction)

    def _adapters(self, state: ModelState) -> Adapters:
        """Return the adapters to open the engine with; for the bare model, those of the next state.

        An engine with adapters also serves the bare model, so it need not restart in between.
        """
        upcoming = (other.adapter for other in self._unanswered() if other.adapter)
        adapter = state.adapter or next(upcoming, None)
        return {"generator": adapter} if adapter else {}


@dataclass(frozen=True)
class GradeRequest:
    """An instruction and the response to grade."""

    instruction: str
    response: str


class GradeResponse:
    """The stage that grades one response per item.

    An answer without valid grades is rejected; then the judge gets another attempt.
    """

    def __init__(self, config: JudgeConfig, rubric: Rubric) -> None:
        self.rubric = rubric
        self.attempts = config.attempts
        self.prompts = rubric.prompts()
        self.sampling = Sampling(
            temperature=config.temperature,
            top_p=1.0,
            top_k=0,
            repetition_penalty=1.0,
            max_tokens=config.max_tokens,
        )

    async def attempt(self, item: Item[GradeRequest], ask: Ask) -> Verdict:
        """Ask the judge; an empty response gets the lowest grades without asking."""
        request = item.input
        if not request.response.strip():
            return Verdict("", "empty", None, {"grades": self.rubric.lowest()})
        user = prompts.fill(
            self.prompts[language_of(request.instruction)],
            instruction=request.instruction,
            response=request.response,
        )
        answer = await ask(user, "base", self.sampling, schema=self.rubric.schema())
        grades = self.rubric.read(answer.text)
        if grades is None:
            reason = finish(answer.finish_reason) or "form"
            return Verdict(answer.text, answer.finish_reason, reason)
        return Verdict(answer.text, answer.finish_reason, None, {"grades": grades})


class Grading:
    """Has the judge grade the answers of all targets."""

    def __init__(
        self,
        targets: Sequence[EvaluationTarget],
        benchmark: BenchmarkData,
        judge: Judge,
        services: Services,
    ) -> None:
        # The settings of the first target (such as `seed`), with the judge's engine.
        config = targets[0].config.model_copy(update={"engine": judge.config.engine})
        self.targets = targets
        self.benchmark = benchmark
        self.judge = judge
        self.runner = StageRunner(config, services)

    async def play(self) -> None:
        """Complete the grades of each state."""
        for target in self.targets:
            for state in target.states:
                await asyncio.to_thread(require_sound, target.folder.answers(state.name))
                await self.runner.texts(
                    target.folder.judged(state.name, self.judge.name),
                    identity=partial(grades_identity, target, state, self.judge),
                    adapters={},
                    stage=GradeResponse(self.judge.config, self.judge.rubric),
                    items=self._items(target, state),
                    total=len(self.benchmark.rows),
                )

    def _items(self, target: EvaluationTarget, state: ModelState) -> Iterator[Item[GradeRequest]]:
        records = records_by_row(target.folder.answers(state.name), len(self.benchmark.rows))
        pairs = zip(self.benchmark.instructions, records, strict=True)
        for number, (instruction, record) in enumerate(pairs, 1):
            name = f"{self.benchmark.task.name}-{state.name}-{number:05d}"
            request = GradeRequest(instruction, record.text if record else "")
            yield Item(name, str(number), request)
