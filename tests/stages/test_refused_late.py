"""Requests that the engine refuses: finished passes are kept; only what can change is retried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from selflengthen.config import ExpandConfig, InstructConfig
from selflengthen.engines.base import Completion, Request, Sampling
from selflengthen.engines.scripted import Scripted
from selflengthen.errors import RequestRefused
from selflengthen.inputs import prompts
from selflengthen.runner.executor import StageExecutor
from selflengthen.stages.contract import Ask, Item
from selflengthen.stages.expand import Expand
from selflengthen.stages.expansion import ExpandInput
from selflengthen.stages.instruct import Instruct, Wave, wave_items
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import EXPAND, INSTRUCT
from selflengthen.text.checks import Checks
from selflengthen.text.measures import word_count
from selflengthen.text.near_duplicates import NearDuplicates
from tests.loop.scripted_run import Silent

SAMPLING = Sampling(0.7, 0.8, 20, 1.1, 500)
DRAFT = "The first day came. A bell rang.\n\nThe second day came. Rain fell.\n\nAll went home."


def _executor(
    folder: StageFolder, reply: Callable[[Request], Completion], in_flight: int
) -> StageExecutor:
    return StageExecutor(
        folder, engine=Scripted(reply), seed=0, in_flight=in_flight, progress=Silent()
    )


async def test_a_later_pass_that_does_not_fit_costs_nothing() -> None:
    requests = 0

    def reply(request: Request) -> Completion:
        nonlocal requests
        requests += 1
        if requests > 2:
            raise RequestRefused("too long")
        words = " ".join(f"word{requests}x{n}" for n in range(40))
        return Completion(f"Of day {requests} they told {words}.", "stop", 1, 1)

    config = ExpandConfig(passes=3)
    stage = Expand(config, prompts.load(prompts.shipped("en")), Checks(language=False), SAMPLING)
    item = Item("r01-expand-000000-00-00", "d", ExpandInput("Write of days.", DRAFT))
    verdict = await stage.attempt(item, Ask(Scripted(reply), 0, item.id, 1))
    assert verdict.reason is None
    assert word_count(verdict.text) > 80
    assert [p["reason"] for p in verdict.details["passes"]] == [None, "too long"]


async def test_only_a_refusal_of_the_first_request_ends_an_item(tmp_path: Path) -> None:
    requests: Counter[str] = Counter()

    def reply(request: Request) -> Completion:
        name = "second" if request.prefix else "first"
        requests[name] += 1
        if name == "second" or "never" in request.messages[-1].content:
            raise RequestRefused("too long")
        return Completion("They told of the day.\n\nIt was long.\n\nThe end.", "stop", 1, 9)

    stage = Expand(
        ExpandConfig(attempts=3),
        prompts.load(prompts.shipped("en")),
        Checks(language=False),
        SAMPLING,
    )
    folder = RunFolder(tmp_path).stage(EXPAND, 1)
    folder.begin({})
    items = [
        Item(f"r01-expand-00000{n}-00-00", "d", ExpandInput(f"Write of {what}.", DRAFT))
        for n, what in enumerate(("days", "never"))
    ]
    await _executor(folder, reply, 1).run(stage, items)
    rejections = [(r.id[-7], r.attempt, r.reason, r.last) for r in folder.rejections()]
    assert rejections == [
        ("0", 1, "too long", False),
        ("0", 2, "too long", False),
        ("0", 3, "too long", True),
        ("1", 1, "too long", True),
    ]
    assert requests == {"first": 4, "second": 3}


async def test_two_long_instructions_cost_one_attempt(tmp_path: Path) -> None:
    """A seed of any length may stand in the pool: who draws it draws again."""

    def reply(request: Request) -> Completion:
        if "long " * 50 in request.prefix:
            raise RequestRefused("too long")
        if request.choices:
            return Completion(request.choices[0], "stop", 1, 1)
        return Completion(f"Tell of the bread that number {request.seed} baked.", "stop", 1, 9)

    stage = Instruct(
        InstructConfig(attempts=20), prompts.load(prompts.shipped("en")), "base", SAMPLING
    )
    pool = {"s1": "Write of rain.", "s2": "Write of snow.", "s3": "long " * 200_000}
    wave = Wave(pool, NearDuplicates(pool.values(), 1.0))
    folder = RunFolder(tmp_path).stage(INSTRUCT, 1)
    folder.begin({})
    names = [f"r01-instruct-{n:06d}" for n in range(12)]
    await _executor(folder, reply, 4).run(stage, wave_items(names, wave))
    assert {r.id for r in folder.records()} == set(names)
    assert {r.reason for r in folder.rejections()} == {"too long"}
