"""Answering and grading: killed at any write they go on; a faulty judge leaves texts unjudged."""

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
from selflengthen.evaluate.pipeline import (
    Answering,
    Benchmark,
    Grading,
    Judge,
    State,
    Target,
    by_row,
    check,
    is_answered,
    is_graded,
)
from selflengthen.evaluate.rubrics import LONGEN
from selflengthen.evaluate.tasks import TASKS, load
from selflengthen.inputs import models, prompts
from selflengthen.runner import executor
from selflengthen.runner.context import Services
from tests.loop.scripted_run import contents, services, survives

ASKED = Benchmark(TASKS["pocket"], load(TASKS["pocket"], None))
MODEL = models.Model("scripted", Path("scripted"), {}, "0" * 64)
ADAPTER = Adapter("generator-r01", Path("nowhere"), 8)
GOOD = {"analysis": "Well.", **dict.fromkeys(LONGEN.dimensions, 8)}


def target(folder: Path, **changes: Any) -> Target:
    """Return a run with a base model and a round."""
    config = Config.model_validate({"engine": {"in_flight": 8}} | changes)
    states = (State("base", " base"), State("01", " round 1", ADAPTER, "1" * 64))
    texts = prompts.load(prompts.shipped("en"))
    return Target("mine", "mine", config, MODEL, texts, EvaluationFolder(folder), states)


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


def evaluate(folder: Path, reply: Reply | None = None) -> Target:
    """Answer, grade and report."""
    one, grader = target(folder), judge()
    play(partial(Answering, one, ASKED))
    play(partial(Grading, [one], ASKED, grader), reply)
    report.write(one.folder, report.gather([one], ASKED, grader), ASKED, grader)
    return one


def test_killed_at_any_write_it_ends_like_an_uninterrupted_one(
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
        # A path stands in scores.json, and where it stands is the only difference.
        scores = (folder / "scores.json").read_text().replace(f"killed-{number}/", "")
        (folder / "scores.json").write_text(scores)
        assert contents(folder) == whole
        assert (folder / "report.md").read_bytes() == report_of_it
    assert kills > 10


def faulty(request: Request) -> Completion:
    """Judge in form at the first, the second or the third attempt, or never, as the text has it."""
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
    said = request.messages[0].content
    asked = said.partition("<request>\n")[2].partition("\n</request>")[0]
    return ASKED.instructions.index(asked)


def test_a_faulty_judge(tmp_path: Path) -> None:
    _tries.clear()
    one, grader = target(tmp_path), judge()
    one = replace(one, states=one.states[:1])
    play(partial(Answering, one, ASKED))
    play(partial(Grading, [one], ASKED, grader), faulty)
    folder = one.folder.judged("base", grader.name)
    graded = by_row(folder, 48)
    for row, record in enumerate(graded):
        assert (record is None) == (row % 6 > 2)
        if record is not None:
            assert record.attempts == row % 6 + 1
            assert record.details == {"grades": dict.fromkeys(LONGEN.dimensions, 8)}
    (side,) = report.gather([one], ASKED, grader)
    judged = side.figures["judged"]
    assert (judged["judged"], judged["unjudged"], judged["quality"]) == (24, 24, 8)
    assert judged["reasons"] == {"form": 8, "length": 8, "too long": 8}
    refused = [(r.reason, r.last) for r in folder.refusals()]
    assert refused.count(("too long", True)) == 8
    assert refused.count(("length", False)) == 16
    found = report.figures([side], ASKED, grader)
    assert found["judge"]["model"] == "owner/judge" and found["judge"]["prompts"] == LONGEN.digest()
    report.write(one.folder, [side], ASKED, grader)
    assert "24 texts unjudged" in (tmp_path / "report.md").read_text()


def test_a_judge_that_is_never_in_form(tmp_path: Path) -> None:
    one, grader = target(tmp_path), judge(attempts=2)
    play(partial(Answering, one, ASKED))
    play(partial(Grading, [one], ASKED, grader), lambda _: Completion("Good.", "stop", 1, 1))
    sides = report.gather([one], ASKED, grader)
    assert {side.figures["judged"]["unjudged"] for side in sides} == {48}
    assert {side.figures["judged"]["quality"] for side in sides} == {None}
    tables = dict(report.tables(report.figures(sides, ASKED, grader), ASKED.task))
    assert [row[-2:] for row in tables["scores"]] == [
        ["quality", "unjudged"],
        ["-", "48"],
        ["-", "48"],
    ]
    report.write(one.folder, sides, ASKED, grader)


def test_nobody_is_asked_about_an_empty_text(tmp_path: Path) -> None:
    one, grader = target(tmp_path), judge()
    play(partial(Answering, one, ASKED), lambda _: Completion(" \n", "stop", 1, 1))

    def asked(request: Request) -> Completion:
        raise AssertionError(request)

    play(partial(Grading, [one], ASKED, grader), asked)
    sides = report.gather([one], ASKED, grader)
    assert {side.figures["judged"]["quality"] for side in sides} == {1}
    assert {side.figures["empty"] for side in sides} == {48}
    report.write(one.folder, sides, ASKED, grader)


def test_an_answer_that_was_refused_counts_as_empty(tmp_path: Path) -> None:
    one = target(tmp_path)
    one = replace(one, states=one.states[:1])

    def short_of_context(request: Request) -> Completion:
        if "story" in request.messages[0].content:
            raise RequestRefused("too long")
        return nonsense(request)

    play(partial(Answering, one, ASKED), short_of_context)
    refused = sum("story" in instruction for instruction in ASKED.instructions)
    (side,) = report.gather([one], ASKED, None)
    assert side.figures["refused"] == side.figures["empty"] == refused > 0
    tables = dict(report.tables(report.figures([side], ASKED, None), ASKED.task))
    assert tables["scores"][0][-1] == "refused" and tables["scores"][1][-1] == str(refused)


def test_the_bare_model_answers_on_the_next_ones_engine(tmp_path: Path) -> None:
    one = target(tmp_path)
    assert play(partial(Answering, one, ASKED)) == [{"generator": ADAPTER}]
    assert is_answered(one) and not is_graded(one, judge())
    assert play(partial(Answering, one, ASKED)) == []
    texts = [[r.text for r in one.folder.answers(s.name).records()] for s in one.states]
    assert texts[0] != texts[1]


def test_what_was_made_otherwise_is_refused_and_can_be_made_again(tmp_path: Path) -> None:
    one = evaluate(tmp_path)
    assert check(one, ASKED, judge()) == []
    assert check(one, ASKED, judge(attempts=3)) == []
    other = target(tmp_path, seed=5)
    with pytest.raises(UserError, match=r"base/answers was made with .*\(seed: 0 → 5\).*--redo"):
        check(other, ASKED, None)
    assert [f.title for f in check(other, ASKED, judge(), redo=True)] == ["base", "01"]
    fewer = Benchmark(ASKED.task, ASKED.rows[:-1])
    with pytest.raises(UserError, match="instructions differs"):
        check(one, fewer, None)
    with pytest.raises(UserError, match=r"judged/owner-judge .*settings\.temperature: 0\.5 → 0\.0"):
        check(one, ASKED, judge(temperature=0))
    again = check(one, ASKED, judge(temperature=0), redo=True)
    assert [f.title for f in again] == ["base/judged/owner-judge", "01/judged/owner-judge"]
    retrained = replace(one, states=(replace(one.states[1], digest="2" * 64),))
    with pytest.raises(UserError, match=r"01/answers .*adapter differs"):
        check(retrained, ASKED, None)
    redone = report.gather([one], ASKED, None)
    one.folder.set_aside(check(other, ASKED, None, redo=True))
    assert not is_answered(one)
    (aside,) = (tmp_path / "superseded").iterdir()
    assert sum(1 for _ in (aside / "base/answers/records.jsonl").open()) == len(redone[0].answers)
