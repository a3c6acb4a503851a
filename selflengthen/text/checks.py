"""Checks: pure tests of a text. Each passes (None) or gives its reason of one word or two.

What they stand against: a text that was cut off, that runs in circles, that talks about the task
in place of doing it, or that slips into another language. Training on any of these teaches it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from selflengthen.text.endings import ends
from selflengthen.text.language import is_foreign
from selflengthen.text.measures import has_repeat
from selflengthen.text.meta_talk import about_task


@dataclass(frozen=True)
class Checks:
    """Which checks are made, and how long a repeat is (see `measures.has_repeat`)."""

    repeat_words: int = 10
    repeat_chars: int = 13
    task_talk: bool = True
    language: bool = True
    ending: bool = True

    def reject(self, text: str, finish_reason: str, instruction: str) -> str | None:
        """Return the first reason to refuse the text, the cheap checks first; None: it passes."""
        return (
            finish(finish_reason)
            or empty(text)
            or (ending(text) if self.ending else None)
            or (task_talk(text) if self.task_talk else None)
            or (language(text, instruction) if self.language else None)
            or repeats(text, self.repeat_words, self.repeat_chars)
        )


def finish(reason: str) -> str | None:
    """Pass what the engine ended by itself; refuse what ran into a limit or a repetition."""
    if reason == "stop":
        return None
    return reason if reason in ("length", "repetition") else "unfinished"


def empty(text: str) -> str | None:
    """Refuse a text without a letter or a digit."""
    return None if _SOMETHING.search(text) else "empty"


def ending(text: str) -> str | None:
    """Refuse a text that was cut off, or whose last line is a heading (see `endings.ends`)."""
    return None if ends(text) else "no ending"


def task_talk(text: str) -> str | None:
    """Refuse thinking aloud, and first or last lines about the task (`meta_talk.about_task`)."""
    return "task talk" if "</think>" in text or about_task(text) else None


def language(text: str, instruction: str) -> str | None:
    """Refuse a text that is not in the instruction's language or in one that it names."""
    return "language" if is_foreign(text, instruction) else None


def repeats(text: str, words: int = 10, chars: int = 13) -> str | None:
    """Refuse a text that says the same n-gram twice."""
    return "repeats" if has_repeat(text, words, chars) else None


_SOMETHING = re.compile(r"[^\W_]")
