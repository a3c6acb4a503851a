"""Answering and grading resume after a kill at any write; a faulty judge leaves texts unjudged."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from selflengthen.config import Config
from selflengthen.engines.base import Adapter, Adapters, Completion, Engine, Request
from selflengthen.engines.scripted import Reply, Scripted, nonsense
from selflengthen.errors import RequestRefused, UserError
from selflengthen.evaluate import report
from selflengthen.evaluate.paths import EvaluationFolder
from selflengthen.evaluate.pipeline import Answering, Grading
from selflengthen.evaluate.results import gather
from selflengthen.evaluate.rubrics import LONGEN
from selflengthen.evaluate.targets import (
    BenchmarkData,
    EvaluationTarget,
    Judge,
    ModelState,
    check,
    is_answered,
    is_graded,
    records_by_row,
)
from selflengthen.evaluate.tasks import TASKS, load
from selflengthen.inputs import models, prompts
from selflengthen.runner import executor
from selflengthen.runner.context import Services
from tests.loop.scripted_run import contents, services, survives

BENCHMARK = BenchmarkData(TASKS["pocket"], load(TASKS["pocket"], None))
MODEL = models.Model("scripted", Path("scripted"), {}, "0" * 64)
ADAPTER = Adapter("generator-r01", Path("nowhere"), 8)
GOOD = {"analysis": "Well.", **dict.fromkeys(LONGEN.dimensions, 8)}


def target(folder: Path, **changes: Any) -> EvaluationTarget:
    """Return a run with a base model and a round."""
    config = Config.model_validate({"engine": {"in_flight": 8}} | changes)
    states = (ModelState("base", " base"), ModelState("01", " round 1", ADAPTER, "1" * 64))
    texts = prompts.load(prompts.shipped("en"))
    return EvaluationTarget(
        name="mine",
        title="mine",
        config=config,
        model=MODEL,
        prompts=texts,
        folder=EvaluationFolder(folder),
        states=states,
    )


def judge(**changes: Any) -> Judge:
    config = Config.model_validate({"judge": {"model": "x"} | changes}).judge
    return Judge(config, "owner/judge", MODEL, LONGEN)


def play(make: Callable[[Services], Answering | Grading], reply: Reply | None = None) -> Any:
    """Play stages; return the adapters with which engines were opened."""
    opened: list[Adapters] = []

    async def open_engine(adapters: Adapters) -> Engine:
        opened.append(adapters)
        return Scripted(reply)

    asyncio.run(make(services(open_engine)).play())
    return opened


def evaluate(folder: Path, reply: Reply | None = None) -> EvaluationTarget:
    """Answer, grade and report."""
    one, grader = target(folder), judge()
    play(partial(Answering, one, BENCHMARK))
    play(partial(Grading, [one], BENCHMARK, grader), reply)
    report.write(one.folder, gather([one], BENCHMARK, grader), BENCHMARK, grader)
    return one


def test_after_kills_at_any_write_the_result_is_that_of_an_uninterrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "FLUSH_VERDICTS", 6)
    evaluate(tmp_path / "whole")
    whole, kills = contents(tmp_path / "whole"), 0
    report_of_it = (tmp_path / "whole/report.md").read_bytes()
    assert len(whole) == 2 * 2 * 4 + 2
    for number in range(3):
        folder, rng = tmp_path / f"killed-{number}" / "whole", random.Random(number)
        while not survives(partial(evaluate, folder), rng.randint(1, 14)):
            kills += 1
        # scores.json contains a path, which is the only difference.
        scores = (folder / "scores.json").read_text().replace(f"killed-{number}/", "")
        (folder / "scores.json").write_text(scores)
        assert contents(folder) == whole
        assert (folder / "report.md").read_bytes() == report_of_it
    assert kills > 10


def faulty(request: Request) -> Completion:
    """Give valid grades at the first, second or third attempt, or never, depending on the row."""
    row = _row_of(request)
    if row % 6 == 5:
        raise RequestRefused("too long")
    tries = _tries.setdefault(row, 0) + 1
    _tries[row] = tries
    if row % 6 == 4:
        return Completion('{"analysis": "I go on and on', "length", 1, 99)
    if row % 6 == 3 or tries <= row % 6:
        wrong = random.Random(row + tries).choice(
            ["", "Nine of ten.", json.dumps(GOOD)[:-2], json.dumps(GOOD | {"clarity": 11})]
        )
        return Completion(wrong, "stop", 1, 9)
    return Completion(f"Sure! {json.dumps(GOOD)}", "stop", 1, 30)


_tries: dict[int, int] = {}


def _row_of(request: Request) -> int:
    message = request.messages[0].content
    instruction = message.partition("<request>\n")[2].partition("\n</request>")[0]
    return BENCHMARK.instructions.index(instruction)


def test_a_faulty_judge(tmp_path: Path) -> None:
    _tries.clear()
    one, grader = target(tmp_path), judge()
    one = replace(one, states=one.states[:1])
    play(partial(Answering, one, BENCHMARK))
    play(partial(Grading, [one], BENCHMARK, grader), faulty)
    folder = one.folder.judged("base", grader.name)
    graded = records_by_row(folder, 48)
    for row, record in enumerate(graded):
        assert (record is None) == (row % 6 > 2)
        if record is not None:
            assert record.attempts == row % 6 + 1
            assert record.details == {"grades": dict.fromkeys(LONGEN.dimensions, 8)}
    (result,) = gather([one], BENCHMARK, grader)
    judged = result.judged
    assert judged is not None
    assert (judged.judged, judged.unjudged, judged.figure) == (24, 24, 8)
    assert judged.reasons == {"form": 8, "length": 8, "too long": 8}
    rejections = [(r.reason, r.last) for r in folder.rejections()]
    assert rejections.count(("too long", True)) == 8
    assert rejections.count(("length", False)) == 16
    figures = report.figures([result], BENCHMARK, grader)
    assert figures["judge"]["model"] == "owner/judge"
    assert figures["judge"]["prompts"] == LONGEN.digest()
    assert figures["models"][0]["judged"]["quality"] == 8
    report.write(one.folder, [result], BENCHMARK, grader)
    assert "24 texts unjudged" in (tmp_path / "report.md").read_text()


def test_a_judge_that_never_gives_valid_grades(tmp_path: Path) -> None:
    one, grader = target(tmp_path), judge(attempts=2)
    play(partial(Answering, one, BENCHMARK))
    play(partial(Grading, [one], BENCHMARK, grader), lambda _: Completion("Good.", "stop", 1, 1))
    results = gather([one], BENCHMARK, grader)
    assert {r.judged and (r.judged.unjudged, r.judged.figure) for r in results} == {(48, None)}
    tables = dict(report.tables(results, BENCHMARK.task, grader))
    assert [row[-2:] for row in tables["scores"]] == [
        ["quality", "unjudged"],
        ["-", "48"],
        ["-", "48"],
    ]
    report.write(one.folder, results, BENCHMARK, grader)


def test_the_judge_is_not_asked_about_empty_texts(tmp_path: Path) -> None:
    one, grader = target(tmp_path), judge()
    play(partial(Answering, one, BENCHMARK), lambda _: Completion(" \n", "stop", 1, 1))

    def fail(request: Request) -> Completion:
        raise AssertionError(request)

    play(partial(Grading, [one], BENCHMARK, grader), fail)
    results = gather([one], BENCHMARK, grader)
    assert {r.judged and r.judged.figure for r in results} == {1}
    assert {r.length.empty for r in results} == {48}
    report.write(one.folder, results, BENCHMARK, grader)


def test_an_answer_that_the_engine_rejected_counts_as_empty(tmp_path: Path) -> None:
    one = target(tmp_path)
    one = replace(one, states=one.states[:1])

    def short_of_context(request: Request) -> Completion:
        if "story" in request.messages[0].content:
            raise RequestRefused("too long")
        return nonsense(request)

    play(partial(Answering, one, BENCHMARK), short_of_context)
    rejected = sum("story" in instruction for instruction in BENCHMARK.instructions)
    (result,) = gather([one], BENCHMARK, None)
    assert result.unanswered == result.length.empty == rejected > 0
    assert report.figures([result], BENCHMARK, None)["models"][0]["refused"] == rejected
    tables = dict(report.tables([result], BENCHMARK.task, None))
    assert tables["scores"][0][-1] == "refused" and tables["scores"][1][-1] == str(rejected)


def test_the_bare_model_answers_on_the_engine_of_the_next_state(tmp_path: Path) -> None:
    one = target(tmp_path)
    assert play(partial(Answering, one, BENCHMARK)) == [{"generator": ADAPTER}]
    assert is_answered(one) and not is_graded(one, judge())
    assert play(partial(Answering, one, BENCHMARK)) == []
    texts = [[r.text for r in one.folder.answers(s.name).records()] for s in one.states]
    assert texts[0] != texts[1]


def test_results_of_other_settings_are_an_error_and_can_be_redone(tmp_path: Path) -> None:
    one = evaluate(tmp_path)
    assert check(one, BENCHMARK, judge()) == []
    assert check(one, BENCHMARK, judge(attempts=3)) == []
    other = target(tmp_path, seed=5)
    with pytest.raises(UserError, match=r"base/answers was made with .*\(seed: 0 → 5\).*--redo"):
        check(other, BENCHMARK, None)
    assert [f.title for f in check(other, BENCHMARK, judge(), redo=True)] == ["base", "01"]
    fewer = BenchmarkData(BENCHMARK.task, BENCHMARK.rows[:-1])
    with pytest.raises(UserError, match="instructions differs"):
        check(one, fewer, None)
    with pytest.raises(UserError, match=r"judged/owner-judge .*settings\.temperature: 0\.5 → 0\.0"):
        check(one, BENCHMARK, judge(temperature=0))
    outdated = check(one, BENCHMARK, judge(temperature=0), redo=True)
    assert [f.title for f in outdated] == ["base/judged/owner-judge", "01/judged/owner-judge"]
    retrained = replace(one, states=(replace(one.states[1], digest="2" * 64),))
    with pytest.raises(UserError, match=r"01/answers .*adapter differs"):
        check(retrained, BENCHMARK, None)
    (before, *_) = gather([one], BENCHMARK, None)
    one.folder.set_aside(check(other, BENCHMARK, None, redo=True))
    assert not is_answered(one)
    (aside,) = (tmp_path / "superseded").iterdir()
    assert sum(1 for _ in (aside / "base/answers/records.jsonl").open()) == len(before.answers)
