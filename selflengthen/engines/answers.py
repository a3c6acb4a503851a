"""The answers of an OpenAI-compatible server, parsed without trusting their form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from selflengthen.engines.base import Completion
from selflengthen.engines.wire import Unavailable
from selflengthen.text.printable import one_line

_FINISH_REASON = re.compile(r"[A-Za-z_]{1,40}")
_SURROGATES = re.compile("[\ud800-\udfff]")  # lone ones; pairs have become one character


@dataclass(frozen=True)
class ServedModel:
    """A model or an adapter that a server lists.

    Attributes:
        root: what it was loaded from.
        is_adapter: whether another model is its parent.
        context: most tokens of prompt and completion; None if the server does not say.
    """

    root: str | None
    is_adapter: bool
    context: int | None


def models(answer: Any) -> dict[str, ServedModel]:
    """Return the models of a list by their ids; raise Unavailable if the answer is no such list."""
    cards = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(cards, list):
        raise Unavailable("its list of models is malformed")
    served = {}
    for card in cards:
        if isinstance(card, dict) and isinstance(card.get("id"), str):
            root, context = card.get("root"), card.get("max_model_len")
            served[card["id"]] = ServedModel(
                root if isinstance(root, str) else None,
                bool(card.get("parent")),
                context if type(context) is int and context > 0 else None,
            )
    return served


def completion(answer: Any) -> Completion:
    """Return the completion of an answer; raise Unavailable if it has none.

    A text with a lone surrogate cannot be written to a file. The surrogate becomes U+FFFD, and the
    finish reason `broken text`, which every check rejects.
    """
    try:
        choice = answer["choices"][0]
        usage = answer.get("usage")
        text, reason = choice["message"].get("content"), choice["finish_reason"]
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise Unavailable("its answer has no completion") from error
    text = "" if text is None else text
    if not isinstance(text, str) or not isinstance(reason, str):
        raise Unavailable("its answer has no completion")
    if not _FINISH_REASON.fullmatch(reason):
        reason = "unknown"
    if _SURROGATES.search(text):
        text = _SURROGATES.sub("\ufffd", text)
        reason = "broken text"
    return Completion(
        text, reason, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    )


def _count(usage: Any, name: str) -> int:
    """Return a count of tokens; 0 if it is missing or makes no sense."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and 0 <= count < 2**31 else 0


def listed(names: Iterable[str], most: int = 20) -> str:
    """Return the first `most` names of models, safe to print, or `none`."""
    printable = [one_line(name, 100) for name in names]
    rest = [f"and {len(printable) - most:,} more"] if len(printable) > most else []
    return ", ".join([*printable[:most], *rest]) or "none"


def chosen(text: str, choices: tuple[str, ...]) -> str | None:
    """Return the choice that a text consists of or starts with, else None."""
    answer = text.strip().strip("*\"'`").casefold()
    for choice in sorted(choices, key=len, reverse=True):
        if re.match(rf"{re.escape(choice.casefold())}(?!\w)", answer):
            return choice
    return None
