"""A text in parts that a small model can rewrite one at a time, and the parts as a text again.

A part is a paragraph or a few short ones; a long paragraph makes several parts, split at sentences.
A heading, a salutation or a divider stays with what follows it, as the *lead* of that part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from selflengthen.text.endings import ends_sentence
from selflengthen.text.measures import paragraphs, tokens, word_count
from selflengthen.text.token_arrays import CJK

BLANK_LINE = "\n\n"

_SHORT = 3  # a part of less than a third of the most words takes in the next paragraph
_LEAD_WORDS = 15  # more than this is no heading
_ITEM = re.compile(r"\s*(?:[-*•–+]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s")
_MARKED = re.compile(r"\s*(?:#{1,6}\s.*|\*\*[^*\n]+\*\*:?|__[^_\n]+__:?)\s*")
_LETTER = re.compile(r"[^\W_]")
# A full stop and what closes after it, before white space and a capital or a letter without case.
_BORDER = re.compile(
    r"[.!?…][\"'”’)\]*_]*\s+(?=[\"'“‘(\[*_]*[^\W\d_a-zß-ÿ])|[。！？][”’」』）\"]*\s*"
)
# What is no end of a sentence: the number of a list's item, an initial, an abbreviation.
_ABBREVIATED = re.compile(
    r"(?m:^)[\s*_(]*\d{1,3}\.\s+$|\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Mt|vs|No|Jr|Sr|Fig|Vol)\.\s+$"
)
_WORD = re.compile(f"(?![{CJK}])\\w")
_TOKEN = re.compile(f"[{CJK}]|[^{CJK}\\s]+")


@dataclass(frozen=True)
class Part:
    """One part of a text.

    Attributes:
        gap: the white space between this part and the one before it.
        lead: what stands above its body and stays as it is, with the white space between the two:
            a heading, a divider; may be empty.
        body: what can be rewritten; empty where a lead ends the text (a signature).
    """

    gap: str
    lead: str
    body: str

    @property
    def text(self) -> str:
        """The part as it stands in its text."""
        return self.with_body(self.body)

    def with_body(self, body: str) -> str:
        """Return the part's lead above another body."""
        return (self.lead + body).rstrip()


def split_sections(text: str, most: int) -> list[Part]:
    """Split a text into parts of at most about `most` words each (see the module)."""
    split = paragraphs(text, dividers=True)
    least = most // _SHORT
    parts = list(_grouped(_led(split.parts, split.separator), split.separator, least))
    if len(parts) > 1 and not parts[-1].lead and word_count(parts[-1].body) < least:
        last = parts.pop()
        parts[-1] = replace(parts[-1], body=parts[-1].body + last.gap + last.body)
    return list(_divided(parts, most))


def join_sections(parts: Sequence[Part], bodies: Sequence[str]) -> str:
    """Return the text of parts with these bodies.

    White space between two parts stays as it was where both have their own body still; else a
    blank line parts them.
    """
    text = ""
    before_changed = False
    for part, body in zip(parts, bodies, strict=True):
        changed = body != part.body
        gap = BLANK_LINE if changed or before_changed else part.gap
        text += (gap if text else "") + part.with_body(body)
        before_changed = changed
    return text


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, or nothing where it has no other."""
    found = sentences(text)
    return found[0].rstrip() if len(found) > 1 else ""


def go_on(begun: str, text: str) -> str:
    """Return what was begun and how a model went on, with a space where it wrote none."""
    gap = " " if begun and _WORD.match(text) else ""
    return f"{begun}{gap}{text}".strip()


def tail(text: str, words: int) -> str:
    """Return the last whole sentences of a text, about `words` words of them, at least one."""
    chosen = ""
    for sentence in reversed(sentences(text)):
        if chosen and word_count(sentence) + word_count(chosen) > words:
            break
        chosen = sentence + chosen
    return chosen.strip()


def opening(text: str, words: int) -> str:
    """Return the first words of a text on one line, with dots where more follows."""
    line = " ".join(text.split())
    matches = list(_TOKEN.finditer(line))
    return line if len(matches) <= words else f"{line[: matches[words - 1].end()]} …"


def sentences(text: str) -> list[str]:
    """Split a text behind its sentences; put together, they are the text again."""
    split = []
    start = 0
    for border in _BORDER.finditer(text):
        if not _ABBREVIATED.search(text, start, border.end()):
            split.append(text[start : border.end()])
            start = border.end()
    return [*split, text[start:]] if start < len(text) else split


def copied(text: str, other: str, own: str) -> float:
    """Return how much of another part stands in a rewritten one: 0 for nothing, 1 for all.

    It is the share of `other`'s n-grams (5 words, or 9 CJK characters) that `text` has and that
    `own`, the part that was rewritten, does not have.
    """
    theirs, here = _grams(other), _grams(text)
    return len((theirs & here) - _grams(own)) / len(theirs) if theirs else 0.0


def _led(blocks: Iterable[str], separator: str) -> Iterator[tuple[str, str]]:
    """Yield the paragraphs, each with the leads above it; without a paragraph at a text's end."""
    lead = ""
    for block in blocks:
        first, _, rest = block.partition("\n")
        if rest and _MARKED.fullmatch(first):
            yield f"{lead}{first}\n", rest.strip()
        elif _is_lead(block):
            lead += block + separator
            continue
        else:
            yield lead, block
        lead = ""
    if lead:
        yield lead, ""


def _is_lead(block: str) -> bool:
    if not _LETTER.search(block) or _MARKED.fullmatch(block):
        return True
    one_line = "\n" not in block and not _ITEM.match(block)
    return one_line and word_count(block) <= _LEAD_WORDS and not ends_sentence(block)


def _grouped(led: Iterable[tuple[str, str]], separator: str, least: int) -> Iterator[Part]:
    """Yield parts of at least `least` words where there is no lead in between."""
    part: Part | None = None
    for lead, body in led:
        if part and not lead and word_count(part.body) < least:
            part = replace(part, body=part.body + separator + body)
            continue
        if part:
            yield part
        part = Part(separator, lead, body)
    if part:
        yield part


def _divided(parts: Iterable[Part], most: int) -> Iterator[Part]:
    """Yield parts of at most about `most` words, divided where sentences end."""
    for part in parts:
        words = word_count(part.body)
        pieces = -(-words // most)
        share = words / max(1, pieces)
        gap, lead, body = part.gap, part.lead, ""
        for sentence in sentences(part.body):
            if body and word_count(body) + word_count(sentence) / 2 > share:
                stripped = body.rstrip()
                yield Part(gap, lead, stripped)
                gap, lead, body = body[len(stripped) :], "", ""
            body += sentence
        yield Part(gap, lead, body)


def _grams(text: str) -> set[tuple[str, ...]]:
    split = [word for token in tokens(text.casefold()) if (word := token.strip(_MARKS))]
    n = 9 if sum(len(word) == 1 for word in split) * 2 > len(split) else 5
    return set(zip(*(split[i:] for i in range(n)), strict=False))


_MARKS = ".,;:!?\"'()[]{}<>*_“”‘’…-–—。，！？；：、「」『』（）《》"
