"""The demand stage: rewrites are read back; the template, and instructions that ask already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from selflengthen.config import FinishConfig
from selflengthen.engines.base import Completion, Request, Sampling
from selflengthen.engines.scripted import Scripted
from selflengthen.errors import RequestRefused
from selflengthen.inputs import prompts
from selflengthen.length.requirement import read_requirement
from selflengthen.stages import demand, union
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.stages.demand import AddDemand, DemandInput, share_of_words
from selflengthen.storage.records import Pair
from selflengthen.text.checks import Checks
from tests.stages.test_stages import completion, record

EN, ZH = (prompts.load(prompts.shipped(name)) for name in ("en", "zh"))
SAMPLING = Sampling(0.7, 0.8, 20, 1.1, 1000, ("\n\n\n", "---"))
ENGLISH = "Write a story about a lighthouse keeper's daughter who finds his old logbooks."
CHINESE = "写一篇小说，讲江南水乡最后一位摇橹人退休前载了七位客人的故事。"


def attempt(
    reply: Callable[[Request], Completion],
    instruction: str = ENGLISH,
    number: int = 1,
    words: int = 730,
    language: str = "en",
) -> tuple[Verdict, list[Request]]:
    """Make the attempt `number`; return the verdict and the requests."""
    seen: list[Request] = []

    def replied(request: Request) -> Completion:
        seen.append(request)
        return reply(request)

    texts = {"en": EN, "zh": ZH}[language]
    stage = AddDemand(FinishConfig(), texts, Checks(), SAMPLING, language, 0)
    assert stage.attempts == FinishConfig().attempts + 1
    item = Item("final-demand-x", "x", DemandInput(instruction, words, 4000))
    return asyncio.run(stage.attempt(item, Ask(Scripted(replied), 0, item.id, number))), seen


def phrase(request: Request) -> str:
    """Return the length that the prompt asks to put in."""
    content = request.messages[0].content
    tag = "篇幅" if "<篇幅>" in content else "length"
    return content.partition(f"<{tag}>\n")[2].partition(f"\n</{tag}>")[0]


@pytest.mark.parametrize(("language", "instruction"), [("en", ENGLISH), ("zh", CHINESE)])
def test_a_faithful_rewrite_is_accepted(language: str, instruction: str) -> None:
    def rewrite(request: Request) -> Completion:
        assert (request.role, request.sampling.repetition_penalty) == ("base", 1.0)
        stop = "" if language == "zh" else " "
        begin = "请用" if language == "zh" else "In "
        if language == "zh":
            return completion(f"{instruction}{begin}{phrase(request)}。")
        return completion(f"{instruction[:-1]}{stop}in {phrase(request)}.")

    verdict, (request,) = attempt(rewrite, instruction, language=language)
    assert verdict.reason is None, verdict
    assert verdict.details["by"] == "engine" and verdict.details["words"] == 730
    demand = read_requirement(verdict.text)
    assert demand is not None and demand.satisfied(730)
    assert (demand.kind, demand.low, demand.high, demand.unit) == tuple(
        verdict.details[name] for name in ("kind", "low", "high", "unit")
    )
    assert instruction in request.messages[0].content


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "demand lost"),
        ("{} It should have about 7 words.", "demand lost"),
        ("Write about the sea, in {length}.", "words lost"),
        ("{} It should have {length}.\n\nThe keeper rose.", "lines"),
        ("{} It should have {length}. " + "And so on it goes. " * 20, "too long"),
        (
            "Escribe un cuento largo sobre la hija del farero que encuentra "
            "los cuadernos. {length}",
            "language",
        ),
        ("Here is the revised version: {} It should have {length}.", "task talk"),
    ],
)
def test_an_unfaithful_rewrite_is_rejected(text: str, reason: str) -> None:
    verdict, _ = attempt(lambda r: completion(text.format(ENGLISH, length=phrase(r))))
    assert verdict.reason == reason
    assert not verdict.hopeless


def test_a_rewrite_that_was_cut_off_is_rejected() -> None:
    verdict, _ = attempt(lambda r: completion(f"{ENGLISH} It should have {phrase(r)}.", "length"))
    assert verdict.reason == "length"


def test_the_last_attempt_uses_the_template() -> None:
    verdict, seen = attempt(lambda r: completion("junk"), number=FinishConfig().attempts + 1)
    assert not seen
    assert (verdict.reason, verdict.details["by"], verdict.finish_reason) == (
        None,
        "template",
        "template",
    )
    demand = read_requirement(verdict.text)
    assert demand is not None and demand.satisfied(730) and verdict.text.startswith(ENGLISH)


def test_the_template_steps_in_where_the_engine_refuses_the_request() -> None:
    def refuse(_: Request) -> Completion:
        raise RequestRefused("too long")

    verdict, _ = attempt(refuse)
    assert (verdict.reason, verdict.details["by"]) == (None, "template")


@pytest.mark.parametrize(
    ("words", "reason"), [(730, "other length"), (2100, None), (400, "other length")]
)
def test_an_instruction_that_asks_for_a_length_keeps_it(words: int, reason: str | None) -> None:
    instruction = "Write an essay of about 2,000 words on the potato."
    verdict, seen = attempt(lambda r: completion("junk"), instruction, words=words)
    assert not seen
    assert (verdict.text, verdict.reason) == (instruction, reason)
    assert verdict.details["by"] == "instruction" and verdict.hopeless


def test_all_attempts_of_an_item_ask_for_the_same_length() -> None:
    phrases = {phrase(attempt(lambda r: completion(""), number=n)[1][0]) for n in (1, 2, 3)}
    assert len(phrases) == 1


def test_share_of_words() -> None:
    assert share_of_words("Write a tale.", "Write, a TALE, of 10 words") == 1
    assert share_of_words("Write a tale of owls.", "Write a tale.") == 3 / 5
    assert share_of_words("写一个故事。", "用100字写一个故事！") == 1
    assert share_of_words("a a a b", "a b") == 0.5
    assert share_of_words("...", "") == 0


def pair(name: str, instruction: str, response: str) -> Pair:
    return Pair(
        id=name,
        round=1,
        instruction_id="i",
        instruction=instruction,
        response=response,
        words=len(response.split()),
    )


class TestUnion:
    """Which texts of all rounds stay."""

    def test_the_longest_of_an_instruction_stay_and_one_of_equals(self) -> None:
        pairs = [
            pair("a", "Write a saga.", "One two."),
            pair("b", "Write  a\nsaga.", "One two three four."),
            pair("c", "Write a saga.", "One two three."),
            pair("d", "Write a saga.", "One two three four."),
            pair("e", "Write a report.", "One two."),
        ]
        assert union.find_surplus(pairs, 4) == {"d": "duplicate"}
        assert union.find_surplus(pairs, 2) == {"a": "over keep", "d": "duplicate"}
        assert union.find_surplus(pairs, 1) == {
            "a": "over keep",
            "c": "over keep",
            "d": "duplicate",
        }
        assert union.find_surplus([], 1) == {}

    def test_pairs_lead_back_to_their_instruction(self) -> None:
        instructions = {"r02-draft-000001-00": ("r02-instruct-000001", "Write.")}
        text = record("r02-expand-000001-00-00", "A long text.", source="r02-draft-000001-00")
        (only,) = union.pairs(2, [text], instructions)
        assert (only.id, only.round, only.instruction_id) == (text.id, 2, "r02-instruct-000001")
        assert (only.instruction, only.response, only.words) == ("Write.", "A long text.", 3)


def test_a_row_has_the_requirement_on_record() -> None:
    """An earlier version accepted this instruction as one for about 130 words."""
    pair = Pair(id="x", round=1, instruction_id="i", instruction="Write.", response="…", words=132)
    details = {"kind": "about", "low": 130, "high": 130, "unit": "words", "words": 132}
    text = "Write a letter. It needs to be 130 words at minimum."
    worded = msgspec.structs.replace(
        record("final-demand-x", text, source="x"), details=details | {"by": "engine"}
    )
    own = read_requirement(text)
    assert own is not None and own.kind == "above"
    row = demand.row(pair, worded, EN)
    assert (row.kind, row.low, row.high, row.by) == ("about", 130, 130, "engine")
