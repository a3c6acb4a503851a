"""Pocket English: a grammar that writes requests, texts, and longer versions of texts.

A text is a list of titled paragraphs. A longer version keeps every sentence; at the end of each
paragraph it adds details about things that the paragraph mentions. It enriches the text instead of
continuing it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from selflengthen.pocket.patterns import (
    DETAILS,
    ENDING_TITLES,
    ENDINGS,
    EVENTS,
    REQUESTS,
    TITLES,
    UNSUITABLE,
)
from selflengthen.pocket.words import WORDS

_SLOT = re.compile(r"\{([a-z_]+)(\d?)\}")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])")


@dataclass(frozen=True)
class Sentence:
    """A sentence, its mentions as (kind, noun) pairs, and the pattern it was generated from."""

    text: str
    mentions: tuple[tuple[str, str], ...]
    pattern: str
    new: bool = False


@dataclass(frozen=True)
class Paragraph:
    """A title and its sentences; an ending is never lengthened."""

    title: str
    sentences: tuple[Sentence, ...]
    is_ending: bool = False

    def __str__(self) -> str:
        return " ".join([f"{self.title}.", *(s.text for s in self.sentences)])


Text = tuple[Paragraph, ...]


def render(text: Sequence[Paragraph]) -> str:
    """Join the paragraphs of a text with blank lines."""
    return "\n\n".join(map(str, text))


@dataclass
class Story:
    """What one text is about; `rng` is the only source of randomness.

    Two paragraphs are rarely about the same thing, and no detail of a thing is repeated: a model
    this small, once it begins a sentence like an earlier one, tends to finish it like that one.
    """

    rng: random.Random
    main: str = field(init=False)
    other: str = field(init=False)
    facts: dict[str, str] = field(init=False)
    kind: str = field(init=False)
    named: set[str] = field(init=False, default_factory=set)
    used_details: set[tuple[str, str]] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        """Draw the people, the facts and the kind of text."""
        people = self.rng.sample(WORDS["woman"] + WORDS["man"], 2)
        self.main, self.other = people
        self.facts = {
            slot: self.rng.choice(WORDS[slot])
            for slot in ("job", "object", "place", "animal", "adj")
        }
        self.kind = self.rng.choices(list(REQUESTS), weights=[4, 2, 3, 2, 1])[0]

    def request(self) -> str:
        """Return a request for this text."""
        return self._fill(self.rng.choice(REQUESTS[self.kind][1]), own=1.0).text

    def unsuitable(self) -> str:
        """Return a request that does not suit a long text."""
        return self._fill(self.rng.choice(UNSUITABLE), own=1.0).text

    def text(self, sizes: Sequence[int], *, with_ending: bool = True) -> Text:
        """Write an ending and, before it, one paragraph per entry of `sizes` (in sentences)."""
        titles = TITLES[self.rng.choice(REQUESTS[self.kind][0])]
        sizes = sizes[: len(titles)]
        if self.rng.random() < 0.7:
            start = self.rng.randrange(min(3, len(titles) - len(sizes) + 1))
            chosen = list(range(start, start + len(sizes)))
        else:
            chosen = sorted(self.rng.sample(range(len(titles)), len(sizes)))
        body = []
        events = self.rng.sample(EVENTS, len(sizes))
        for title, event, size in zip((titles[i] for i in chosen), events, sizes, strict=True):
            sentences = [self._fill(event)]
            while len(sentences) < size:
                sentences.append(self.detail(sentences))
            body.append(Paragraph(title, tuple(sentences)))
        if with_ending:
            last = self._fill(self.rng.choice(ENDINGS), own=1.0)
            body.append(Paragraph(self.rng.choice(ENDING_TITLES), (last,), is_ending=True))
        return tuple(body)

    def detail(self, sentences: Sequence[Sentence]) -> Sentence:
        """Write a sentence about something mentioned in `sentences`."""
        source = sentences[-1] if self.rng.random() < 0.5 else self.rng.choice(sentences)
        kind, noun = self.rng.choice(source.mentions)
        seen = {s.pattern for s in sentences}
        unused = [p for p in DETAILS[kind] if (p, noun) not in self.used_details]
        patterns = [p for p in unused if p not in seen] or unused or list(DETAILS[kind])
        pattern = self.rng.choice(patterns)
        self.used_details.add((pattern, noun))
        return self._fill(pattern, about=noun)

    def longer(self, text: Text, growth: float = 0.62) -> Text:
        """Add about `growth` × its number of sentences to each paragraph except an ending."""
        return tuple(p if p.is_ending else self._enrich(p, growth) for p in text)

    def _enrich(self, paragraph: Paragraph, growth: float) -> Paragraph:
        added = round(len(paragraph.sentences) * growth + self.rng.uniform(-0.5, 0.5))
        sentences = [replace(s, new=False) for s in paragraph.sentences]
        for _ in range(added):
            sentences.append(replace(self.detail(sentences), new=True))
        return replace(paragraph, sentences=tuple(sentences))

    def _fill(self, pattern: str, *, own: float = 0.1, about: str | None = None) -> Sentence:
        """Fill the slots; `own` is the probability of using a fact of this story."""
        used: set[str] = set() if about is None else {about}
        mentions: list[tuple[str, str]] = []
        woman = about in WORDS["woman"]

        def draw(match: re.Match[str]) -> str:
            slot = match[1]
            if slot == "it":
                mentions.append((_kind_of(about or ""), about or ""))
                return about or ""
            if slot in ("they", "their"):
                mentions.append(("person", about or ""))
                return {"they": ("he", "she"), "their": ("his", "her")}[slot][woman]
            noun = self._noun(slot, match[2] == "", own, used)
            used.add(noun)
            kind = "person" if slot in ("main", "other") else slot
            if kind in DETAILS:
                mentions.append((kind, noun))
                self.named.add(noun)
            return noun

        text = _ARTICLE.sub(r"\1n ", _SLOT.sub(draw, pattern))
        return Sentence(text[0].upper() + text[1:], tuple(dict.fromkeys(mentions)), pattern)

    def _noun(self, slot: str, first: bool, own: float, used: set[str]) -> str:
        if slot in ("main", "other"):
            return self.main if slot == "main" else self.other
        if slot == "person":
            roll = self.rng.random()
            known = self.main if roll < 0.45 else self.other if roll < 0.7 else None
            if known and known not in used:
                return known
            choices = WORDS["woman"] + WORDS["man"]
        else:
            if first and slot in self.facts and self.rng.random() < own:
                fact = self.facts[slot]
                if fact not in used:
                    return fact
            choices = WORDS[slot]
        free = [word for word in choices if word not in used]
        return self.rng.choice([word for word in free if word not in self.named] or free)


def _kind_of(noun: str) -> str:
    if noun in WORDS["woman"] or noun in WORDS["man"]:
        return "person"
    return next(kind for kind in ("place", "object", "animal", "food") if noun in WORDS[kind])
