"""What the pocket model learns from: examples as spans of text with a loss weight each.

The mixture mirrors a real model's history. Long texts stand only in raw documents and in plans
with their full text; asked to write, the chat examples answer shortly.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from selflengthen.inputs.prompts import Prompts
from selflengthen.length.mentions import Kind
from selflengthen.length.phrasing import append_requirement, draw_requirement
from selflengthen.pocket.language import Paragraph, Sentence, Story, Text, render
from selflengthen.pocket.words import WORDS

END_OF_TEXT, TURN, END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
# START: where a kept paragraph begins it shows whether the place in the outline was found.
GIVEN, KEPT, START, TITLE, NEW = 0.1, 1.0, 2.0, 2.0, 0.4

Span = tuple[str, float]
Example = list[Span]


@dataclass
class Corpus:
    """Draws examples; `rng` is the only source of chance.

    `spread` is how far the paragraphs of a raw document are from one length.
    """

    prompts: Prompts
    rng: random.Random
    spread: float = 0.4

    def write(self) -> Example:
        """Chat: a request and a short text."""
        story = Story(self.rng)
        sizes = [1 + (self.rng.random() < 0.08) for _ in range(self.rng.choice([3, 3, 4]))]
        request = story.request() if self.rng.random() < 0.85 else self._demanding(story.request())
        return self._chat(
            self.prompts.fill("draft.user", instruction=request),
            self._body(story.text(sizes), END_OF_TURN, fresh=True),
        )

    def extend(self, paragraphs: tuple[int, int], rounds: tuple[int, int]) -> Example:
        """Chat: an outline and the longer text."""
        story, outline = self._outline(paragraphs, rounds)
        user = self.prompts.fill(
            "expand.user", instruction=story.request(), outline=render(outline)
        )
        return self._chat(user, self._body(story.longer(outline), END_OF_TURN))

    def plan(self, paragraphs: tuple[int, int], rounds: tuple[int, int]) -> Example:
        """Write a raw document: a plan and its full text."""
        story, outline = self._outline(paragraphs, rounds)
        head: Example = [(f"Plan\n\n{render(outline)}\n\nFull text\n\n", GIVEN)]
        return head + self._body(story.longer(outline), END_OF_TEXT)

    def raw(self) -> Example:
        """Write a raw document: a text with nothing before it, its paragraphs of about one length.

        That they are teaches when a paragraph ends, whatever the length.
        """
        mean = self.rng.uniform(1, 9)
        near = (1 - self.spread, 1 + self.spread)
        sizes = [round(mean * self.rng.uniform(*near)) for _ in range(self.rng.choice([3, 3, 4]))]
        return self._body(Story(self.rng).text(sizes), END_OF_TEXT, fresh=True)

    def instruct(self) -> Example:
        """Chat: three requests, some of them unsuitable."""
        asks = [self._ask() for _ in range(3)]
        turn = self.prompts.fill("instruct.assistant", first=asks[0], second=asks[1])
        return self._chat(
            self.prompts.fill("instruct.user"), [(f"{turn} {asks[2]}{END_OF_TURN}", 0.7)]
        )

    def judge(self) -> Example:
        """Chat: is this a request for a long text?"""
        story = Story(self.rng)
        roll = self.rng.random()
        if roll < 0.5:
            text, answer = story.request(), "yes"
        elif roll < 0.8:
            text, answer = story.unsuitable(), "no"
        else:
            text, answer = self._spoilt(story), "no"
        user = self.prompts.fill("judge.user", instruction=text)
        return self._chat(user, [(answer + END_OF_TURN, 2.0)])

    def track(self, paragraphs: tuple[int, int]) -> Example:
        """Random words under real titles, each paragraph kept and then followed by other words."""
        words = [w for ws in WORDS.values() for w in ws]
        words = self.rng.sample(words, self.rng.choice([40, 80, 160]))

        def babble() -> Sentence:
            text = " ".join(self.rng.choices(words, k=self.rng.randint(4, 12)))
            return Sentence(text.capitalize() + ".", (), "")

        frame = Story(self.rng).text([1] * self.rng.randint(*paragraphs), ending=False)
        outline = tuple(
            Paragraph(p.title, tuple(babble() for _ in range(self.rng.randint(1, 4))))
            for p in frame
        )
        full: Example = [(f"Plan\n\n{render(outline)}\n\nFull text\n\n", 0.0)]
        for i, paragraph in enumerate(outline):
            end = END_OF_TEXT if i == len(outline) - 1 else "\n\n"
            full += [(f"{paragraph.title}.", TITLE)]
            full += [(f" {s.text}", KEPT) for s in paragraph.sentences]
            full += [(f" {babble().text}{end}", 0.0)]
        return full

    def _outline(self, paragraphs: tuple[int, int], rounds: tuple[int, int]) -> tuple[Story, Text]:
        """Draw an outline as a round would meet it: whole, a first half, or with parts missing."""
        story = Story(self.rng)
        text = story.text([1] * self.rng.randint(*paragraphs))
        for _ in range(self.rng.randint(*rounds)):
            text = story.longer(text, self.rng.uniform(0.5, 1.0))
        roll = self.rng.random()
        if roll < 0.4:
            text = text[: (len(text) + 1) // 2]
        elif roll < 0.5:
            text = text[:-1]
        elif roll < 0.6:
            text = tuple(p for p in text if self.rng.random() < 0.8) or text[:1]
        return story, text

    def _demanding(self, request: str) -> str:
        """Add a length, which the text does not heed: nobody has taught the model to count."""
        kinds = dict.fromkeys(get_args(Kind), 1.0)
        demand = draw_requirement(self.rng.randint(50, 400), "pocket", kinds, rng=self.rng)
        woven = append_requirement(request, demand, language="pocket", spelled=False, rng=self.rng)
        return woven.text if woven else request

    def _ask(self) -> str:
        story = Story(self.rng)
        return story.request() if self.rng.random() < 0.85 else story.unsuitable()

    def _spoilt(self, story: Story) -> str:
        """A request cut short, shuffled, or a sentence that asks nothing."""
        words = story.request().split()
        spoil: list[Callable[[], str]] = [
            lambda: " ".join(words[: self.rng.randint(1, max(1, len(words) - 3))]),
            lambda: " ".join(self.rng.sample(words, len(words))),
            lambda: story.text([1])[0].sentences[0].text,
        ]
        return self.rng.choice(spoil)()

    def _chat(self, user: str, answer: Example) -> Example:
        """Frame a turn of each as the tokenizer's chat template does."""
        given = f"{TURN}user\n{user}{END_OF_TURN}\n{TURN}assistant\n"
        return [(given, GIVEN), *answer]

    def _body(self, text: Text, end: str, *, fresh: bool = False) -> Example:
        """Weigh a text: titles and kept sentences count fully, inside of new sentences less."""
        spans: Example = []
        for i, paragraph in enumerate(text):
            spans.append((f"{paragraph.title}.", 1.0 if fresh else TITLE))
            for j, sentence in enumerate(paragraph.sentences):
                last = j == len(paragraph.sentences) - 1
                tail = "" if not last else end if i == len(text) - 1 else "\n\n"
                first, second, rest = sentence.text.split(" ", 2)
                if sentence.new or fresh:
                    rest = f"{second} {rest[:-1]}"
                    spans += [(f" {first}", 1.0), (f" {rest}", NEW), (f".{tail}", 1.0)]
                else:
                    begin = START if j == 0 else KEPT
                    spans += [(f" {first} {second}", begin), (f" {rest}{tail}", KEPT)]
        return spans
