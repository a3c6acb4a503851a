"""Training rows for the experiments, made by the pocket model's grammar."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from selflengthen.inputs import prompts
from selflengthen.length.mentions import KINDS as REQUIREMENT_KINDS
from selflengthen.length.phrasing import append_requirement, draw_requirement
from selflengthen.pocket.language import Story, Text, render

PROMPTS = prompts.load(prompts.shipped("pocket"))
TrainingRow = dict[str, Any]
"""A row with `id`, `prompt` and `completion`, and fields of its own."""


def mixed_rows(rng: random.Random, count: int) -> list[TrainingRow]:
    """Return `count` rows of each kind of `KINDS`, shuffled."""
    rows = []
    for kind, make in KINDS.items():
        for number in range(count):
            story = Story(rng)
            rows.append(_row(f"{kind}-{number}", story.request(), make(story, rng), kind=kind))
    rng.shuffle(rows)
    return rows


def long_rows(rng: random.Random, count: int) -> list[TrainingRow]:
    """Return rows with long, complete texts."""
    stories = [Story(rng) for _ in range(count)]
    return [_row(str(n), s.request(), render(_grown(s, 2))) for n, s in enumerate(stories)]


def rows_with_lengths(rng: random.Random, count: int) -> Iterator[TrainingRow]:
    """Yield rows that ask for a length; about a third of the texts are meant to have it."""
    for number in range(count):
        story = Story(rng)
        text = render(_grown(story, number % 4))
        faithful = rng.random() < 1 / 3
        words = len(text.split()) if faithful else rng.randint(50, 400)
        shares = dict.fromkeys(REQUIREMENT_KINDS, 1.0)
        requirement = draw_requirement(words, "pocket", shares, rng=rng)
        phrased = append_requirement(
            story.request(), requirement, language="pocket", spelled=False, rng=rng
        )
        if phrased:
            yield _row(str(number), phrased.text, text)


def _grown(story: Story, times: int) -> Text:
    text = story.text([1] * story.rng.choice([3, 3, 4]))
    for _ in range(times):
        text = story.longer(text)
    return text


def _cut(story: Story, rng: random.Random) -> str:
    words = render(_grown(story, 2)).split(" ")
    return " ".join(words[: rng.randint(len(words) // 3, len(words) - 3)])


def _repeated(story: Story, _: random.Random) -> str:
    text = _grown(story, 1)
    return render([*text[:-1], *text[:-1], *text[-1:]])


def _shuffled(story: Story, rng: random.Random) -> str:
    words = render(_grown(story, 2)).split(" ")
    return " ".join(rng.sample(words, len(words)))


KINDS: dict[str, Callable[[Story, random.Random], str]] = {
    "long": lambda story, rng: render(_grown(story, 2)),
    "short": lambda story, rng: render(_grown(story, 0)),
    "of another request": lambda story, rng: render(_grown(Story(rng), 2)),
    "cut off": _cut,
    "said twice": _repeated,
    "words shuffled": _shuffled,
}
"""How the text of each kind is made. The names are keys of experiments.json."""


def _row(name: str, request: str, text: str, **fields: str) -> TrainingRow:
    prompt = PROMPTS.fill("draft.user", instruction=request)
    return {
        "id": name,
        **fields,
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": text}],
    }
