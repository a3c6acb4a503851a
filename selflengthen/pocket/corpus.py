"""The pocket model's training data: examples as spans of text, each with a loss weight.

The mixture mirrors the history of a real model. Only raw documents, and plans with their full text,
have long texts; in the chats, a request to write gets a short answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from selflengthen.inputs.prompts import Prompts
from selflengthen.length.mentions import KINDS
from selflengthen.length.phrasing import append_requirement, draw_requirement
from selflengthen.pocket.language import Paragraph, Sentence, Story, Text, render
from selflengthen.pocket.words import WORDS

END_OF_TEXT = "<|endoftext|>"
TURN = "<|im_start|>"
END_OF_TURN = "<|im_end|>"

# Loss weights.
_CONTEXT = 0.1  # the prompt, or the plan of a document
_COPIED = 1.0  # a sentence of the outline
_START = 2.0  # the start of a copied paragraph: it shows whether the model has kept its place
_TITLE = 2.0
_NEW = 0.4  # the inside of a new sentence

Span = tuple[str, float]
Example = list[Span]


@dataclass
class Corpus:
    """Draws examples; `rng` is the only source of randomness.

    `spread` is how far the lengths of a raw document's paragraphs are from their mean, as a share.
    """

    prompts: Prompts
    rng: random.Random
    spread: float = 0.4

    def write(self) -> Example:
        """Chat: a request and a short text."""
        story = Story(self.rng)
        sizes = [1 + (self.rng.random() < 0.08) for _ in range(self.rng.choice([3, 3, 4]))]
        request = (
            story.request() if self.rng.random() < 0.85 else self._with_length(story.request())
        )
        return self._chat(
            self.prompts.fill("draft.user", instruction=request),
            self._body(story.text(sizes), END_OF_TURN, fresh=True),
        )

    def extend(self, paragraphs: tuple[int, int], rounds: tuple[int, int]) -> Example:
        """Chat: an outline and a longer text."""
        story, outline = self._outline(paragraphs, rounds)
        user = self.prompts.fill(
            "expand.user", instruction=story.request(), outline=render(outline)
        )
        return self._chat(user, self._body(story.longer(outline), END_OF_TURN))

    def plan(self, paragraphs: tuple[int, int], rounds: tuple[int, int]) -> Example:
        """Raw document: a plan and its full text."""
        story, outline = self._outline(paragraphs, rounds)
        head: Example = [(f"Plan\n\n{render(outline)}\n\nFull text\n\n", _CONTEXT)]
        return head + self._body(story.longer(outline), END_OF_TEXT)

    def raw(self) -> Example:
        """Raw document: a text alone, with paragraphs of about the same length.

        This teaches the model when to end a paragraph, whatever the length.
        """
        mean = self.rng.uniform(1, 9)
        near = (1 - self.spread, 1 + self.spread)
        sizes = [round(mean * self.rng.uniform(*near)) for _ in range(self.rng.choice([3, 3, 4]))]
        return self._body(Story(self.rng).text(sizes), END_OF_TEXT, fresh=True)

    def instruct(self) -> Example:
        """Chat: three requests, some of them unsuitable."""
        first, second, third = (self._request() for _ in range(3))
        turn = self.prompts.fill("instruct.assistant", first=first, second=second)
        return self._chat(
            self.prompts.fill("instruct.user"), [(f"{turn} {third}{END_OF_TURN}", 0.7)]
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
            text, answer = self._spoiled(story), "no"
        user = self.prompts.fill("judge.user", instruction=text)
        return self._chat(user, [(answer + END_OF_TURN, 2.0)])

    def track(self, paragraphs: tuple[int, int]) -> Example:
        """Random words under real titles: each paragraph is copied, then continued with others."""
        words = [w for ws in WORDS.values() for w in ws]
        words = self.rng.sample(words, self.rng.choice([40, 80, 160]))

        def babble() -> Sentence:
            text = " ".join(self.rng.choices(words, k=self.rng.randint(4, 12)))
            return Sentence(text.capitalize() + ".", (), "")

        frame = Story(self.rng).text([1] * self.rng.randint(*paragraphs), with_ending=False)
        outline = tuple(
            Paragraph(p.title, tuple(babble() for _ in range(self.rng.randint(1, 4))))
            for p in frame
        )
        full: Example = [(f"Plan\n\n{render(outline)}\n\nFull text\n\n", 0.0)]
        for i, paragraph in enumerate(outline):
            end = END_OF_TEXT if i == len(outline) - 1 else "\n\n"
            full += [(f"{paragraph.title}.", _TITLE)]
            full += [(f" {s.text}", _COPIED) for s in paragraph.sentences]
            full += [(f" {babble().text}{end}", 0.0)]
        return full

    def _outline(self, paragraphs: tuple[int, int], rounds: tuple[int, int]) -> tuple[Story, Text]:
        """Draw an outline as in a round: complete, the first half, or with parts missing."""
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

    def _with_length(self, request: str) -> str:
        """Add a length requirement, which the text ignores: the model is not taught to count."""
        shares = dict.fromkeys(KINDS, 1.0)
        requirement = draw_requirement(self.rng.randint(50, 400), "pocket", shares, rng=self.rng)
        phrased = append_requirement(
            request, requirement, language="pocket", spelled=False, rng=self.rng
        )
        return phrased.text if phrased else request

    def _request(self) -> str:
        story = Story(self.rng)
        return story.request() if self.rng.random() < 0.85 else story.unsuitable()

    def _spoiled(self, story: Story) -> str:
        """Return a truncated or shuffled request, or a sentence that is no request."""
        words = story.request().split()
        variants: list[Callable[[], str]] = [
            lambda: " ".join(words[: self.rng.randint(1, max(1, len(words) - 3))]),
            lambda: " ".join(self.rng.sample(words, len(words))),
            lambda: story.text([1])[0].sentences[0].text,
        ]
        return self.rng.choice(variants)()

    def _chat(self, user: str, answer: Example) -> Example:
        """Format both turns as the tokenizer's chat template does."""
        prompt = f"{TURN}user\n{user}{END_OF_TURN}\n{TURN}assistant\n"
        return [(prompt, _CONTEXT), *answer]

    def _body(self, text: Text, end: str, *, fresh: bool = False) -> Example:
        """Weight a text: titles most, copied sentences fully, the inside of new sentences less."""
        spans: Example = []
        for i, paragraph in enumerate(text):
            spans.append((f"{paragraph.title}.", 1.0 if fresh else _TITLE))
            for j, sentence in enumerate(paragraph.sentences):
                last = j == len(paragraph.sentences) - 1
                tail = "" if not last else end if i == len(text) - 1 else "\n\n"
                first, second, rest = sentence.text.split(" ", 2)
                if sentence.new or fresh:
                    rest = f"{second} {rest[:-1]}"
                    spans += [(f" {first}", 1.0), (f" {rest}", _NEW), (f".{tail}", 1.0)]
                else:
                    begin = _START if j == 0 else _COPIED
                    spans += [(f" {first} {second}", begin), (f" {rest}{tail}", _COPIED)]
        return spans
