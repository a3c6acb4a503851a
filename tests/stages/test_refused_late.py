"""A text that has outgrown the context keeps what it had."""

from __future__ import annotations

from selflengthen import prompts
from selflengthen.checks import Checks
from selflengthen.config import ExpandConfig
from selflengthen.drive import Ask, Item
from selflengthen.engines.base import Completion, Request, Sampling
from selflengthen.engines.scripted import Scripted
from selflengthen.errors import RequestRefused
from selflengthen.stages.expand import Expand, Given
from selflengthen.text import word_count

SAMPLING = Sampling(0.7, 0.8, 20, 1.1, 500)
DRAFT = "The first day came. A bell rang.\n\nThe second day came. Rain fell.\n\nAll went home."


async def test_a_later_pass_that_does_not_fit_costs_nothing() -> None:
    asked = 0

    def reply(request: Request) -> Completion:
        nonlocal asked
        asked += 1
        if asked > 2:
            raise RequestRefused("too long")
        words = " ".join(f"word{asked}x{n}" for n in range(40))
        return Completion(f"Of day {asked} they told {words}.", "stop", 1, 1)

    config = ExpandConfig(passes=3)
    stage = Expand(config, prompts.load(prompts.shipped("en")), Checks(language=False), SAMPLING)
    item = Item("r01-expand-000000-00-00", "d", Given("Write of days.", DRAFT))
    verdict = await stage.attempt(item, Ask(Scripted(reply), 0, item.id, 1))
    assert verdict.reason is None
    assert word_count(verdict.text) > 80
    assert [p["reason"] for p in verdict.details["passes"]] == [None, "too long"]
