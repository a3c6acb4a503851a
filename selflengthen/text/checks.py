"""Checks: pure tests of a text. Each passes (None) or gives its reason of one word or two.

What they stand against: a text that was cut off, that runs in circles, that declines the task or
talks about it in place of doing it, that is an assistant's talk with its user, or that slips into
another language. Training on any of these teaches it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from selflengthen.text.assistant_talk import is_assistant_talk
from selflengthen.text.endings import ends, ends_in_title
from selflengthen.text.language import is_foreign
from selflengthen.text.meta_talk import about_task
from selflengthen.text.near_repeats import has_any_repeat
from selflengthen.text.refusals import is_refusal
from selflengthen.text.repeats import has_repeat
from selflengthen.text.talk_inside import talks_inside


@dataclass(frozen=True)
class Checks:
    """Which checks are made, and how long a repeat is (see `repeats.has_repeat`).

    `version` 1 knows the task talk and the endings that version 0.1.0 knew.
    """

    repeat_words: int = 10
    repeat_chars: int = 13
    task_talk: bool = True
    language: bool = True
    ending: bool = True
    refusal: bool = True
    assistant_talk: bool = True
    near_repeats: bool = True
    version: int = 2

    def reject(self, text: str, finish_reason: str, instruction: str) -> str | None:
        """Return the first reason to reject the text, the cheap checks first; None: it passes."""
        return (
            finish(finish_reason)
            or empty(text)
            or (ending(text, self.version) if self.ending else None)
            or (refusal(text) if self.refusal else None)
            or (task_talk(text, self.version) if self.task_talk else None)
            or (assistant_talk(text) if self.assistant_talk else None)
            or (language(text, instruction) if self.language else None)
            or repeats(text, self.repeat_words, self.repeat_chars, near=self.near_repeats)
        )


def finish(reason: str) -> str | None:
    """Pass what the engine ended by itself; reject what ran into a limit or a repetition."""
    if reason == "stop":
        return None
    return reason if reason in ("length", "repetition") else "unfinished"


def empty(text: str) -> str | None:
    """Reject a text without a letter or a digit."""
    return None if _SOMETHING.search(text) else "empty"


def ending(text: str, version: int = 2) -> str | None:
    """Reject a text that was cut off, or whose last line is a heading (see `endings.ends`)."""
    whole = ends(text) and not (version > 1 and ends_in_title(text))
    return None if whole else "no ending"


def refusal(text: str) -> str | None:
    """Reject a text in which the model declines (see `refusals.is_refusal`)."""
    return "refusal" if is_refusal(text) else None


def task_talk(text: str, version: int = 2) -> str | None:
    """Reject thinking aloud, and talk about the task.

    It is looked for in the first and last lines (`meta_talk.about_task`), and from version 2 on
    where any paragraph opens (`talk_inside.talks_inside`).
    """
    talk = "</think>" in text or about_task(text) or (version > 1 and talks_inside(text))
    return "task talk" if talk else None


def assistant_talk(text: str) -> str | None:
    """Reject a chat assistant's talk with its user (see `assistant_talk.is_assistant_talk`)."""
    return "assistant talk" if is_assistant_talk(text) else None


def language(text: str, instruction: str) -> str | None:
    """Reject a text that is not in the instruction's language or in one that it names."""
    return "language" if is_foreign(text, instruction) else None


def repeats(text: str, words: int = 10, chars: int = 13, *, near: bool = True) -> str | None:
    """Reject a text that says the same n-gram twice; `near`: or nearly (see `near_repeats`)."""
    has = has_any_repeat if near else has_repeat
    return "repeats" if has(text, words, chars) else None


_SOMETHING = re.compile(r"[^\W_]")
