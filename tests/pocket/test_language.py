"""Pocket English: what the grammar promises to the loop."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from selflengthen.inputs import prompts
from selflengthen.pocket.corpus import END_OF_TURN, Corpus
from selflengthen.pocket.language import Story, render
from selflengthen.pocket.patterns import DETAILS, ENDINGS, EVENTS, TITLES
from selflengthen.pocket.words import WORDS
from selflengthen.text.checks import Checks
from selflengthen.text.measures import word_count
from selflengthen.text.repeats import has_repeat

seeds = st.integers(0, 10**9)


@given(seeds)
def test_longer_keeps_every_sentence_in_its_paragraph_and_order(seed: int) -> None:
    story = Story(random.Random(seed))
    text = story.text([1, 2, 1])
    longer = story.longer(text)
    assert [p.title for p in longer] == [p.title for p in text]
    for before, after in zip(text, longer, strict=True):
        kept = [s.text for s in before.sentences]
        assert [s.text for s in after.sentences][: len(kept)] == kept
    assert longer[-1] == text[-1]


@given(seeds)
def test_titles_stand_once_and_in_order(seed: int) -> None:
    story = Story(random.Random(seed))
    titles = [p.title for p in story.text([1] * 5) if not p.is_ending]
    scheme = next(t for t in TITLES.values() if titles[0] in t)
    places = [scheme.index(title) for title in titles]
    assert places == sorted(set(places))


@given(seeds)
def test_texts_pass_the_checks(seed: int) -> None:
    story = Story(random.Random(seed))
    text = story.longer(story.text([1, 1, 1]))
    assert Checks().reject(render(text), "stop", story.request()) in (None, "repeats")


def test_growth_and_repeats_are_what_the_loop_counts_on() -> None:
    rng = random.Random(1)
    repeats, growth = 0, []
    for _ in range(300):
        story = Story(rng)
        text = story.text([2, 2, 2, 2])
        longer = story.longer(text)
        growth.append(word_count(render(longer)) / word_count(render(text)))
        repeats += has_repeat(render(longer))
    assert 1.4 < sum(growth) / len(growth) < 1.6
    assert repeats == 0


def test_every_slot_has_words() -> None:
    import re

    special = {"it", "they", "their", "main", "other", "person"}
    patterns = [*EVENTS, *ENDINGS, *(p for ps in DETAILS.values() for p in ps)]
    slots = {m for p in patterns for m in re.findall(r"\{([a-z_]+?)\d?\}", p)}
    assert slots - special <= WORDS.keys()


def test_chat_examples_end_the_turn_and_stay_short_when_asked_to_write() -> None:
    corpus = Corpus(prompts.load(prompts.shipped("pocket")), random.Random(0))
    lengths = []
    for _ in range(200):
        text = "".join(part for part, _ in corpus.write())
        assert text.endswith(END_OF_TURN)
        lengths.append(word_count(text))
    assert max(lengths) < 130
