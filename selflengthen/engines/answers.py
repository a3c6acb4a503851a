"""What an OpenAI-compatible server answers, read with no trust in its form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from selflengthen.engines.base import Completion
from selflengthen.engines.wire import Away
from selflengthen.text.printable import one_line

_A_REASON = re.compile(r"[A-Za-z_]{1,40}")
_HALVES = re.compile("[\ud800-\udfff]")  # two of them in order have become one character


def models(answer: Any) -> dict[str, dict[str, Any]]:
    """Return the cards of a list of models by their ids; raise Away where there is no list."""
    cards = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(cards, list):
        raise Away("a list of models that is none")
    named = [card for card in cards if isinstance(card, dict)]
    return {card["id"]: card for card in named if isinstance(card.get("id"), str)}


def completion(answer: Any) -> Completion:
    """Return the completion of an answer; raise Away where it has none.

    A text with half a character in it cannot be written to a file as it is. It gets U+FFFD in that
    place and the finish reason `broken text`, which no check lets pass.
    """
    try:
        choice, usage = answer["choices"][0], answer.get("usage")
        text, reason = choice["message"].get("content"), choice["finish_reason"]
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise Away("an answer without a completion") from error
    text = "" if text is None else text
    if not isinstance(text, str) or not isinstance(reason, str):
        raise Away("an answer without a completion")
    if not _A_REASON.fullmatch(reason):
        reason = "unknown"
    if _HALVES.search(text):
        text, reason = _HALVES.sub("\ufffd", text), "broken text"
    return Completion(
        text, reason, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    )


def _count(usage: Any, name: str) -> int:
    """Return a count of tokens; 0, as from a server that does not count, where it is none."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and 0 <= count < 2**31 else 0


def listed(names: Iterable[str], most: int = 20) -> str:
    """Write the names that a server gives its models."""
    shown = [one_line(name, 100) for name in names]
    rest = [f"and {len(shown) - most:,} more"] if len(shown) > most else []
    return ", ".join([*shown[:most], *rest]) or "none"


def chosen(text: str, choices: tuple[str, ...]) -> str | None:
    """Return the choice that a text gives: as it is, or as its first words."""
    answer = text.strip().strip("*\"'`").casefold()
    for choice in sorted(choices, key=len, reverse=True):
        if re.match(rf"{re.escape(choice.casefold())}(?!\w)", answer):
            return choice
    return None
