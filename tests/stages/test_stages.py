"""The stages: items, attempts, and what is accepted."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selflengthen.config import DatasetConfig, ExpandConfig, InstructConfig
from selflengthen.engines.base import Completion, Request, Sampling
from selflengthen.engines.scripted import Scripted
from selflengthen.inputs import prompts
from selflengthen.stages import dataset, draft, expand, expansion, instruct
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.stages.drop_short import drop_short
from selflengthen.storage.records import Record
from selflengthen.text.checks import Checks
from selflengthen.text.near_duplicates import NearDuplicates

PROMPTS = prompts.load(prompts.shipped("en"))
SAMPLING = Sampling(0.7, 0.8, 20, 1.1, 1000, ("\n\n\n", "---"))
DRAFT = "\n\n".join(f"Paragraph {n} says little." for n in ("one", "two", "three", "four"))


def completion(text: str, reason: str = "stop") -> Completion:
    return Completion(text, reason, 1, 1)


def ask(reply: Callable[[Request], Completion]) -> Ask:
    """Return an `Ask` for the first attempt."""
    return Ask(Scripted(reply), 0, "item", 1)


def record(name: str, text: str, source: str | None = None) -> Record:
    return Record(
        id=name,
        source=source,
        text=text,
        attempts=1,
        words=len(text.split()),
        tokens=1,
        seed=1,
        finish_reason="stop",
        seconds=0.0,
    )


def longer(paragraph: str) -> str:
    """Add a sentence to a paragraph."""
    return f"{paragraph} More about {paragraph.split()[1]} is told here."


class TestExpand:
    """One attempt of the two stages."""

    def attempt(
        self, reply: Callable[[Request], Completion], text: str = DRAFT, passes: int = 1
    ) -> tuple[Verdict, list[Request]]:
        """Run one attempt; return the verdict and the requests."""
        seen: list[Request] = []

        def record_and_reply(request: Request) -> Completion:
            seen.append(request)
            return reply(request)

        checks = Checks(near_repeats=False)  # these paragraphs are alike but for a word
        stage = expand.Expand(ExpandConfig(passes=passes), PROMPTS, checks, SAMPLING)
        item = Item("item", "draft", expansion.ExpandInput("Write about little things.", text))
        return asyncio.run(stage.attempt(item, ask(record_and_reply))), seen

    @staticmethod
    def enrich(request: Request) -> Completion:
        """Lengthen every paragraph of the outline that the begun turn does not hold."""
        outline = [p for p in request.messages[0].content.split("\n") if p.startswith("Paragraph ")]
        begun = request.prefix.count("Paragraph")
        return completion("\n\n".join(longer(p) for p in outline[begun:]))

    def test_first_half_then_whole_with_two_thirds_begun(self) -> None:
        verdict, (first, second) = self.attempt(self.enrich)
        assert "Paragraph two" in first.messages[0].content
        assert "Paragraph three" not in first.messages[0].content
        assert first.prefix == ""
        assert "Paragraph four" in second.messages[0].content
        assert second.prefix == longer("Paragraph one says little.") + "\n\n"
        assert verdict.reason is None
        assert verdict.text.split("\n\n") == [longer(p) for p in DRAFT.split("\n\n")]

    def test_passes_build_on_the_best(self) -> None:
        verdict, seen = self.attempt(
            lambda r: completion(self.enrich(r).text.replace("is told", f"{r.seed} is told")),
            passes=2,
        )
        assert len(seen) == 4
        assert [p["reason"] for p in verdict.details["passes"]] == [None, None]
        assert verdict.text.count("More about") == 8

    def test_a_text_that_hardly_grows_is_rejected(self) -> None:
        one_more = DRAFT.replace("four says little", "four says very little")
        verdict, _ = self.attempt(lambda r: completion(one_more[len(r.prefix) :]))
        assert verdict.reason == "too short"

    def test_a_failed_check_rejects_with_its_reason(self) -> None:
        verdict, _ = self.attempt(lambda r: completion(self.enrich(r).text, "length"))
        assert verdict.reason == "length"

    def test_an_empty_text_is_rejected(self) -> None:
        assert self.attempt(lambda r: completion("  \n"))[0].reason == "empty"


class TestInstruct:
    """One attempt at an instruction."""

    def attempt(self, text: str, answer: str = "yes") -> Verdict:
        """Let the model write `text` and the judge say `answer`."""
        pool = {"a": "Write a saga about a lighthouse.", "b": "Draft a report on bees."}
        stage = instruct.Instruct(InstructConfig(), PROMPTS, "base", SAMPLING)
        wave = instruct.Wave(pool, NearDuplicates(pool.values(), 0.7))
        yes, no = PROMPTS.answers
        reply = {"yes": yes, "no": no}[answer]
        return asyncio.run(
            stage.attempt(
                Item("i", None, wave), ask(lambda r: completion(reply if r.choices else text))
            )
        )

    def test_a_good_one_is_accepted_and_says_what_it_was_shown(self) -> None:
        verdict = self.attempt(" Compose a long history of the village well.")
        assert verdict.reason is None
        assert verdict.text == "Compose a long history of the village well."
        assert sorted(verdict.details["shown"]) == ["a", "b"]

    @pytest.mark.parametrize(
        ("text", "answer", "reason"),
        [
            ("Write it.", "yes", "too short"),
            ("word " * 500, "yes", "too long"),
            ("Write a saga about a lighthouse!", "yes", "duplicate"),
            ("What is the capital of France then?", "no", "unsuitable"),
        ],
    )
    def test_rejections(self, text: str, answer: str, reason: str) -> None:
        assert self.attempt(text, answer).reason == reason

    def stops(self, config: InstructConfig, folder: str = "en") -> tuple[str, ...]:
        """Return the stop strings with which an instruction is written."""
        seen: list[Request] = []

        def reply(request: Request) -> Completion:
            seen.append(request)
            return completion("no" if request.choices else "Write a long text about the sea.")

        texts = prompts.load(prompts.shipped(folder))
        stage = instruct.Instruct(config, texts, "base", SAMPLING)
        pool = {
            "a": "Write a saga about a lighthouse:\n- 2 keepers\n- a storm",
            "b": "Draft a report.",
        }
        wave = instruct.Wave(pool, NearDuplicates((), 0.7))
        asyncio.run(stage.attempt(Item("i", None, wave), ask(reply)))
        return seen[0].sampling.stop

    def test_an_instruction_of_several_lines_is_kept_whole(self) -> None:
        lines = "Write a guide to the harbour that covers:\n- the tides\n- the boats"
        assert self.attempt(lines).text == lines
        assert self.stops(InstructConfig()) == ("\n\n", "\nInstruction 4")
        assert self.stops(InstructConfig(), "zh") == ("\n\n", "\n指令 4")
        assert self.stops(InstructConfig(multiline=False)) == ("\n",)

    def test_a_truncated_one_is_rejected(self) -> None:
        pool = {"a": "Write a saga about a lighthouse.", "b": "Draft a report on bees."}
        stage = instruct.Instruct(InstructConfig(), PROMPTS, "base", SAMPLING)
        wave = instruct.Wave(pool, NearDuplicates(pool.values(), 0.7))
        cut = completion("Compose a long history of the village well and the", "length")
        verdict = asyncio.run(stage.attempt(Item("i", None, wave), ask(lambda r: cut)))
        assert verdict.reason == "length"

    def test_of_a_waves_duplicates_the_first_stays(self) -> None:
        records = [
            record("i-2", "Write a long tale of two otters."),
            record("i-1", "Write a long tale of two otters!"),
            record("i-3", "Describe the making of a violin in detail."),
        ]
        assert instruct.duplicates(records, NearDuplicates((), 0.7)) == {"i-2": "duplicate"}


def test_drafts_lead_back_to_their_instruction() -> None:
    from selflengthen.config import DraftConfig

    instructions = [record("r02-instruct-000007", "Write.")]
    items = list(draft.items(2, DraftConfig(), instructions))
    assert [i.id for i in items] == ["r02-draft-000007-00", "r02-draft-000007-01"]
    assert {i.source for i in items} == {"r02-instruct-000007"}


class TestDropShort:
    """Short texts are dropped by rank."""

    def test_the_shortest_go_and_the_longest_stay(self) -> None:
        lengths = [(f"t{i}", i) for i in range(1, 2001)]
        dropped = drop_short(lengths, seed=1)
        fate = Counter((int(name[1:]) - 1) // 400 for name in dropped)
        assert fate[0] == 400  # rank over 0.8: 2·rank³ is over 1
        assert fate[4] < 20  # ∫ 2r³ over [0, 0.2] of 2000 is 1.6
        assert 0.37 < len(dropped) / 2000 < 0.44  # ∫ min(1, 2r³) = 0.405

    def test_the_draw_depends_on_the_ids_alone(self) -> None:
        lengths = [(f"t{i}", i % 50) for i in range(300)]
        assert drop_short(lengths, 1) == drop_short(reversed(lengths), 1)
        assert drop_short(lengths, 1) != drop_short(lengths, 2)

    def test_where_all_would_go_the_longest_stay(self) -> None:
        assert drop_short([("a", 5), ("b", 5)], 0) == {}
        assert drop_short([("a", 5)], 0) == {}
        fates = [drop_short([("a", 5), ("b", 6)], seed) for seed in range(40)]
        assert all(fate == {"a": "lot"} for fate in fates)
        assert drop_short([], 0) == {}


class TestDataset:
    """Training rows."""

    def test_rows_of_both_roles(self) -> None:
        texts = [record("x", "Long text.", source="d")]
        instructions = {"d": "Write."}
        drafts = {"d": "One.\n\nTwo."}
        (row,) = dataset.generator_rows(texts, instructions, PROMPTS)
        assert row.prompt == [{"role": "user", "content": "Write."}]
        assert row.completion == [{"role": "assistant", "content": "Long text."}]
        config = DatasetConfig(keep_line=1)
        (row,) = dataset.expander_rows(texts, instructions, drafts, PROMPTS, config, 0)
        assert "One.\n\nTwo." in row.prompt[0]["content"]

    @given(st.lists(st.sampled_from(["a line.", "another.", "", "  "]), max_size=12), st.integers())
    def test_thinning_keeps_order_and_no_double_gaps(self, lines: list[str], seed: int) -> None:
        text = "\n".join(lines)
        thinned = dataset.thin(text, 0.5, random.Random(seed))
        written = iter(line for line in lines if line.strip())
        assert all(line in written for line in thinned.split("\n") if line.strip())
        assert "\n\n\n" not in thinned
        assert bool(thinned.strip()) == bool(text.strip())

    def test_dividers_are_no_lines_of_an_outline(self) -> None:
        text = "One.\n\n---\n\nTwo.\n***\nThree."
        assert dataset.thin(text, 1.0, random.Random(0)) == "One.\n\nTwo.\n\nThree."

    def test_thinning_keeps_about_its_share(self) -> None:
        text = "\n".join(f"line {i}" for i in range(2000))
        left = dataset.thin(text, 0.8, random.Random(3)).count("\n") + 1
        assert 0.77 < left / 2000 < 0.83
