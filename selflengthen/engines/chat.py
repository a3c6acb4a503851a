"""From messages to token ids, by the model's own tokenizer and chat template.

What a user or a model wrote is data. Where such text holds one of the tokenizer's own marks (an
end-of-turn string, say), the mark is spelled out in ordinary tokens, so that it can neither end a
turn nor begin one. Text without marks goes through the template and the tokenizer whole, exactly
as in training.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selflengthen.engines.base import Message, Request
from selflengthen.errors import RequestRefused, UserError
from selflengthen.inputs import models, pretrained

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LONG = 20_000  # characters from which tokenising would hold up the event loop
_ANY_CHAT = [{"role": "user", "content": "x"}]
TEMPLATE = {"enable_thinking": False}
"""What a chat template is told. Many models think aloud first, and that is no part of a text;
templates that know nothing of it pay no heed."""


class Chat:
    """A tokenizer with its template; `context` is the most tokens of prompt and completion."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, context: int) -> None:
        """Wrap a tokenizer that has a chat template."""
        self.tokenizer: Any = tokenizer
        self.context = context
        self._control = frozenset(
            index for index, mark in self.tokenizer.added_tokens_decoder.items() if _is_mark(mark)
        )
        marks = [self.tokenizer.added_tokens_decoder[index].content for index in self._control]
        marks.sort(key=len, reverse=True)
        self._marks = re.compile("|".join(map(re.escape, marks))) if marks else None
        # Stand-ins for marks; letters and digits pass through any template unchanged.
        self._stand_in = f"q{secrets.token_hex(12)}q"
        self._stood_in = re.compile(f"{self._stand_in}([0-9]+)z")
        self._plain: dict[str, list[int]] = {}

    async def encode(self, request: Request) -> list[int]:
        """Return the prompt's token ids; raise RequestRefused where no room for an answer is left.

        The model's turn is begun, and `request.prefix` stands at its start.
        """
        size = sum(len(m.content) for m in request.messages) + len(request.prefix)
        if size > _LONG:
            ids = await asyncio.to_thread(self.render, request.messages, request.prefix)
        else:
            ids = self.render(request.messages, request.prefix)
        if len(ids) >= self.context:
            raise RequestRefused("too long")
        return ids

    def most_tokens(self, request: Request, prompt: list[int]) -> int:
        """Return `max_tokens`, cut to what the context leaves."""
        return min(request.sampling.max_tokens, self.context - len(prompt))

    def render(self, messages: Iterable[Message], prefix: str = "") -> list[int]:
        """Return the token ids of a chat with the model's turn begun."""
        met: list[str] = []
        turns = [{"role": m.role, "content": self._shield(m.content, met)} for m in messages]
        prefix = self._shield(prefix, met)
        text = self.begun(turns) + prefix
        if not met:
            return self._ids(text)
        ids: list[int] = []
        for place, piece in enumerate(self._stood_in.split(text)):
            ids += self._spell(met[int(piece)]) if place % 2 else self._ids(piece)
        return ids

    def begun(self, turns: list[dict[str, str]]) -> str:
        """Return a chat as the template writes it, with the model's turn begun."""
        text: str = self.tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=False, **TEMPLATE
        )
        return text

    def closing(self) -> str:
        """Return what the template writes after an assistant's text; it ends the turn."""
        turns = [*_ANY_CHAT, {"role": "assistant", "content": self._stand_in}]
        whole = str(self.tokenizer.apply_chat_template(turns, tokenize=False, **TEMPLATE))
        _, found, after = whole.rpartition(self._stand_in)
        if not found:
            raise UserError("The chat template leaves an assistant's text out; use another model.")
        return after

    def tokens(self, text: str) -> list[int]:
        """Return the ids of `text` as data, without any turn around it."""
        met: list[str] = []
        pieces = self._stood_in.split(self._shield(text, met))
        ids: list[int] = []
        for place, piece in enumerate(pieces):
            ids += self._spell(met[int(piece)]) if place % 2 else self._ids(piece)
        return ids

    def defuse(self, text: str) -> str:
        """Return `text` with a zero-width space inside every mark, for servers that read text."""
        text = clean(text)
        if self._marks is None:
            return text
        return self._marks.sub(lambda mark: mark[0][0] + "\u200b" + mark[0][1:], text)

    def _shield(self, text: str, met: list[str]) -> str:
        """Replace each mark by a stand-in, appending the mark to `met`."""
        text = clean(text)
        if self._marks is None:
            return text

        def note(mark: re.Match[str]) -> str:
            met.append(mark[0])
            return f"{self._stand_in}{len(met) - 1}z"

        return self._marks.sub(note, text)

    def _spell(self, mark: str) -> list[int]:
        """Return ordinary tokens that read as `mark`."""
        if mark not in self._plain:
            ids = self._ids(mark[:1]) + self._ids(mark[1:])
            if self._control.intersection(ids):  # a mark inside a mark
                ids = [i for letter in mark for i in self._ids(letter)]
            self._plain[mark] = [i for i in ids if i not in self._control]
        return self._plain[mark]

    def _ids(self, text: str) -> list[int]:
        # Not through __call__, whose bookkeeping costs more than the tokenising.
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids


def clean(text: str) -> str:
    """Return `text` without lone surrogates, which no tokenizer and no wire can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")


def load(model: str | Path, context: int) -> Chat:
    """Load a model's tokenizer; raise UserError where there is none, or no fit chat template.

    The context is cut to the positions that the model was made for.
    """
    config, tokenizer = pretrained.config(model), pretrained.tokenizer(model)
    chat = Chat(tokenizer, min(context, positions(config) or context))
    try:
        begun = chat.begun(_ANY_CHAT)
    except ValueError as error:
        raise UserError(
            f"model {model}: its tokenizer has no chat template; use an instruct model, or put a "
            "chat_template.jinja beside its tokenizer."
        ) from error
    if begun.rstrip().endswith("<think>"):
        raise UserError(
            f"model {model}: always thinks aloud before it answers; use one whose chat template "
            "has enable_thinking, or that does not think."
        )
    return chat


def positions(config: Any) -> int | None:
    """Return how many positions a transformers config allows, under whatever name it has them."""
    text = config.get_text_config()
    most = getattr(text, "max_position_embeddings", None)
    return models.positions({**text.to_dict(), "max_position_embeddings": most})


def _is_mark(token: Any) -> bool:
    """Say whether an added token is markup; some tokenizers add runs of spaces as well."""
    return bool(token.content.strip()) and (token.special or not token.content.isalnum())
