"""The strategy `section`: what is asked for a part, which try is taken, and what a pass makes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from selflengthen.config import ExpandConfig
from selflengthen.engines.base import Completion, Request, Sampling
from selflengthen.engines.scripted import Scripted
from selflengthen.errors import RequestRefused
from selflengthen.inputs import prompts
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.stages.dataset import part_rows
from selflengthen.stages.expand_section import ExpandSections, parse_plan
from selflengthen.stages.expansion import ExpandInput
from selflengthen.storage.records import Record, text_of_row
from selflengthen.text.checks import Checks

SHIPPED = prompts.load(prompts.shipped("en"))
# Prompts of its own: what is shipped may be worded anew.
OWN = {
    "expand-part.user": (
        "For: {{ instruction }}\n\nBefore: {{ before }}\n\nPart {{ number }} of {{ total }}: "
        "{{ part }}\n\nAfter: {{ after }}"
    ),
    "expand-plan.user": "Plan: {{ instruction }}\n\n{{ draft }}",
}
PROMPTS = prompts.Prompts({**SHIPPED.texts, **OWN}, SHIPPED.answers)
SAMPLING = Sampling(0.7, 0.8, 20, 1.1, 1000, ("\n\n\n", "---"))
NAMES = ("baker", "sailor", "teacher", "widow")
PARTS = {
    name: f"The {name} of our town was up before anybody else and never said why: that {name}."
    for name in NAMES
}
DRAFT = "# Four people\n\n" + "\n\n".join(PARTS.values())
WORDS = 16  # of a part


def more(name: str, words: int = 40) -> str:
    """Return a paragraph about `name` in which no word comes twice."""
    return " ".join(f"{name}{number}" for number in range(words)) + "."


def name_of(request: Request) -> str:
    """Return whom the part that is asked for is about."""
    part = request.messages[0].content.partition("\n\nPart ")[2].partition("\n\nAfter: ")[0]
    return next(name for name in NAMES if name in part)


class Expander:
    """Answers the requests for parts; `answers` says what, by name and try."""

    def __init__(self, answer: Callable[[str, int], str | Completion]) -> None:
        self.answer = answer
        self.seen: list[tuple[str, Request]] = []

    def __call__(self, request: Request) -> Completion:
        name = name_of(request)
        tries = sum(seen == name for seen, _ in self.seen)
        self.seen.append((name, request))
        said = self.answer(name, tries)
        return said if isinstance(said, Completion) else Completion(said, "stop", 1, len(said) // 4)


def attempt(reply: Callable[[Request], Completion], text: str = DRAFT, **config: Any) -> Verdict:
    fields = {"passes": 1, "part_words": 30, **config}
    stage = ExpandSections(
        ExpandConfig.model_validate(fields), PROMPTS, Checks(language=False), SAMPLING
    )
    item = Item("r01-expand-0-00", "draft", ExpandInput("Write about people.", text))
    return asyncio.run(stage.attempt(item, Ask(Scripted(reply), 0, "item", 1)))


def test_every_part_is_rewritten_in_sight_of_the_others() -> None:
    expander = Expander(lambda name, tries: more(name))
    verdict = attempt(expander)
    assert verdict.reason is None
    assert verdict.text == "# Four people\n\n" + "\n\n".join(map(more, NAMES))
    assert [name for name, _ in expander.seen] == list(NAMES)
    first, second, _, last = (request.messages[0].content for _, request in expander.seen)
    assert "For: Write about people." in first and "Part 1 of 4: # Four people" in first
    assert "Before: \n" in first
    assert more("baker") in second and PARTS["baker"] not in second
    assert "The teacher of our town was up before anybody else and never said why: that …" in second
    assert last.endswith("After: ")
    assert {request.role for _, request in expander.seen} == {"expander"}


def test_a_record_says_what_became_of_each_part_and_keeps_what_is_learnt_from() -> None:
    answers = {"sailor": ["cut off in the", more("sailor")], "widow": [PARTS["widow"]] * 3}
    verdict = attempt(
        Expander(lambda name, tries: answers[name][tries] if name in answers else more(name))
    )
    assert verdict.reason is None
    assert verdict.text.endswith(f"{more('teacher')}\n\n{PARTS['widow']}")
    (made,) = verdict.details["passes"]
    assert made["parts"] == [
        {"before": WORDS, "after": 40, "tries": 1, "reasons": []},
        {"before": WORDS, "after": 40, "tries": 2, "reasons": ["no ending"]},
        {"before": WORDS, "after": 40, "tries": 1, "reasons": []},
        {"before": WORDS, "after": WORDS, "tries": 3, "reasons": ["too short"] * 3},
    ]
    kept = verdict.details["parts"]
    assert [part["number"] for part in kept] == [1, 2, 3]
    assert kept[1]["part"] == PARTS["sailor"] and kept[1]["text"] == more("sailor")


def test_rows_ask_as_the_loop_does_and_lead_back_to_their_text() -> None:
    expander = Expander(lambda name, tries: more(name))
    verdict = attempt(expander)
    record = Record(
        id="r01-expand-000000-00-00", source="draft", text=verdict.text, attempts=1, words=1,
        tokens=1, seed=1, finish_reason="stop", seconds=0.0, details=verdict.details,
    )  # fmt: skip
    rows = list(part_rows([record], {"draft": "Write about people."}, PROMPTS))
    requests = [request.messages[0].content for _, request in expander.seen]
    assert [row.prompt[0]["content"] for row in rows] == requests
    assert rows[0].completion[0]["content"] == f"# Four people\n\n{more('baker')}"
    assert len({row.id for row in rows}) == len(rows) == 4
    assert {text_of_row(row.id) for row in rows} == {record.id}


def test_the_turn_is_begun_with_heading_and_first_sentence() -> None:
    """The part is then what was begun and what the model wrote behind it."""
    sayings = ("Bread rose early.", "Ropes creaked.", "Chalk broke again.", "Nobody knocked.")
    begins = dict(zip(NAMES, sayings, strict=True))
    draft = "# Four people\n\n" + "\n\n".join(f"{begins[n]} {PARTS[n]}" for n in NAMES)
    expander = Expander(lambda name, tries: more(name))
    verdict = attempt(expander, draft, part_words=45)
    assert [request.prefix for _, request in expander.seen] == [
        f"# Four people\n\n{begins['baker']}", *(begins[name] for name in NAMES[1:])
    ]  # fmt: skip
    written = [f"{begins[name]} {more(name)}" for name in NAMES]
    assert verdict.text == "# Four people\n\n" + "\n\n".join(written)
    assert verdict.details["parts"][1]["text"] == written[1]


def test_of_tries_that_hardly_grow_the_longest_is_taken() -> None:
    lengths = [WORDS + 3, WORDS + 5, WORDS + 4]
    verdict = attempt(
        Expander(lambda name, tries: more(name, lengths[tries] if name == "baker" else 40)),
        growth=2,
    )
    (made,) = verdict.details["passes"]
    assert made["parts"][0]["after"] == WORDS + 5
    assert made["parts"][0]["reasons"] == ["too short"] * 3


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Completion(more("x"), "length", 1, 9), "length"),
        ("Here is a longer version of the paragraph:\n\n" + more("x"), "task talk"),
        ("The sailor did", "no ending"),
        (f"{more('x')} {PARTS['teacher']}", "copies"),
        (f"{more('x')} {more('baker', 12)}", "copies"),
        (f"{more('x')} {more('y', 12)} {more('y', 12)}", "repeats"),
    ],
)
def test_a_part_has_checks_of_its_own(answer: str | Completion, reason: str) -> None:
    """The draft's own part stays where no try passes."""
    expander = Expander(lambda name, tries: answer if name == "sailor" else more(name, 14 + 16))
    verdict = attempt(expander)
    if reason != "task talk":
        assert verdict.reason is None
    (made,) = verdict.details["passes"]
    assert made["parts"][1]["reasons"] == [reason] * 3
    assert PARTS["sailor"] in verdict.text


def test_what_was_said_two_parts_before_is_not_said_again() -> None:
    again = more("baker", 11).rstrip(".")
    verdict = attempt(
        Expander(lambda name, tries: f"{more(name)} {again}." if name == "widow" else more(name))
    )
    assert verdict.reason is None
    assert verdict.details["passes"][0]["parts"][3]["reasons"] == ["repeats"] * 3


def test_where_no_part_grows_the_reason_is_that_of_most_tries() -> None:
    verdict = attempt(Expander(lambda name, tries: "The sailor did"))
    assert verdict.reason == "no ending"


def test_passes_build_on_the_best() -> None:
    def grown(request: Request) -> Completion:
        asked = request.messages[0].content
        name = name_of(request)
        again = f"{name}0" in asked
        return Completion(more(f"{name}x" if again else name, 90 if again else 40), "stop", 1, 9)

    verdict = attempt(grown, passes=2, part_words=50)
    assert [made["reason"] for made in verdict.details["passes"]] == [None, None]
    assert "bakerx89" in verdict.text
    totals = [part["total"] for part in verdict.details["parts"]]
    assert totals == [4] * 8


def test_a_text_longer_than_one_completion_is_not_made() -> None:
    """The generator could not write it, so it could not learn it."""
    huge = Completion(more("x"), "stop", 1, SAMPLING.max_tokens + 1)
    verdict = attempt(Expander(lambda name, tries: huge))
    assert verdict.reason == "too long"


def test_a_loop_in_a_part_does_not_run_to_the_limit() -> None:
    expander = Expander(lambda name, tries: more(name))
    attempt(expander)
    assert all(request.sampling.max_tokens < SAMPLING.max_tokens for _, request in expander.seen)


def test_seeds_differ_between_tries() -> None:
    expander = Expander(lambda name, tries: "no end")
    attempt(expander)
    assert len({request.seed for _, request in expander.seen}) == len(expander.seen) == 12


def test_a_part_that_the_engine_does_not_take_stays() -> None:
    def reply(request: Request) -> Completion:
        if name_of(request) == "sailor":
            raise RequestRefused("too long")
        return Completion(more(name_of(request)), "stop", 1, 9)

    verdict = attempt(reply)
    assert verdict.reason is None and PARTS["sailor"] in verdict.text
    assert verdict.details["passes"][0]["parts"][1]["reasons"] == ["too long"]


def test_where_the_engine_takes_nothing_the_attempt_says_so() -> None:
    def reply(request: Request) -> Completion:
        raise RequestRefused("too long")

    with pytest.raises(RequestRefused):
        attempt(reply)


class TestPlan:
    """Drafts of fewer than three paragraphs."""

    SHORT = "Four people lived in our town. Nobody knew them."

    def reply(self, plan: str) -> Callable[[Request], Completion]:
        def answer(request: Request) -> Completion:
            asked = request.messages[0].content
            if asked.startswith("Plan: "):
                assert self.SHORT in asked
                return Completion(plan, "stop", 1, 9)
            return Completion(more(name_of(request)), "stop", 1, 9)

        return answer

    def test_a_short_draft_is_planned_and_every_point_is_written(self) -> None:
        plan = "\n".join(f"{n}. The {name} and the town" for n, name in enumerate(NAMES, 1))
        verdict = attempt(self.reply(plan), self.SHORT)
        assert verdict.reason is None
        assert verdict.text == "\n\n".join(map(more, NAMES))
        assert verdict.details["parts"][0]["part"] == "The baker and the town"

    def test_a_long_point_is_written_too(self) -> None:
        plan = "\n".join(f"{n}. The {name} {more('z', 70)}" for n, name in enumerate(NAMES, 1))
        verdict = attempt(self.reply(plan), self.SHORT)
        assert verdict.text == "\n\n".join(map(more, NAMES))

    def test_what_is_no_outline_is_no_plan(self) -> None:
        verdict = attempt(self.reply("I would be happy to help."), self.SHORT)
        assert verdict.reason == "no plan"

    def test_a_point_that_cannot_be_written_rejects_the_pass(self) -> None:
        def answer(request: Request) -> Completion:
            asked = request.messages[0].content
            if asked.startswith("Plan: "):
                plan = "\n".join(f"- The {name} and the town" for name in NAMES)
                return Completion(plan, "stop", 1, 9)
            return Completion("cut off in the", "stop", 1, 9)

        assert attempt(answer, self.SHORT).reason == "no ending"

    @pytest.mark.parametrize(
        ("text", "points"),
        [
            ("1. The storm comes.\n2. The boat sinks.", ["The storm comes.", "The boat sinks."]),
            ("Here is the outline:\n\n- One thing.\n- Two things.", ["One thing.", "Two things."]),
            ("**1. The storm**\n   - It rains.\n   - It blows.\n2) The end", [
                "The storm It rains. It blows.", "The end",
            ]),
            ("Let me plan this for you.\n1. A storm\n2. A calm", ["A storm", "A calm"]),
            ("Section 1: A storm\nPart II: A calm", ["A storm", "A calm"]),
            ("一、暴风雨来了\n二、船沉了", ["暴风雨来了", "船沉了"]),
            ("第一部分：暴风雨来了\n第二部分：船沉了", ["暴风雨来了", "船沉了"]),
            ("In the storm\nIvy climbs the wall", ["In the storm", "Ivy climbs the wall"]),
            ("", []),
        ],
    )  # fmt: skip
    def test_outlines_are_read_whatever_their_form(self, text: str, points: list[str]) -> None:
        assert parse_plan(text) == points
