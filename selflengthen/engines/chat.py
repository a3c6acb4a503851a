"""From messages to token ids, by the model's own tokenizer and chat template.

What a user or a model wrote is data. If such text contains one of the tokenizer's special tokens
(an end of turn, say), it is spelled out in ordinary tokens, so it can neither end a turn nor start
one. Text without them goes through the template and the tokenizer in one piece, exactly as in
training. "Mark" is short for the text of a special token below.

Some templates have no system turn, as Gemma's. Then its text stands at the head of the user's first
turn, in requests as in training.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from selflengthen.engines.base import Message, Request
from selflengthen.errors import RequestRefused, UserError
from selflengthen.inputs import models, pretrained

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LONG = 20_000  # characters; tokenizing more would block the event loop for too long
_ANY_CHAT = [{"role": "user", "content": "x"}]
TEMPLATE = {"enable_thinking": False}
"""Variables for every chat template. Many models think aloud first, and thinking is not part of a
text; templates without a switch for it ignore this."""


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
        # Letters and digits pass through any template unchanged.
        self._placeholder = f"q{secrets.token_hex(12)}q"
        self._placeholders = re.compile(f"{self._placeholder}([0-9]+)z")
        self._spelled: dict[str, list[int]] = {}

    async def encode(self, request: Request) -> list[int]:
        """Return the prompt's token ids, with the model's turn started by `request.prefix`.

        Raises RequestRefused if the prompt leaves no room for a completion.
        """
        characters = sum(len(m.content) for m in request.messages) + len(request.prefix)
        if characters > _LONG:
            ids = await asyncio.to_thread(self.render, request.messages, request.prefix)
        else:
            ids = self.render(request.messages, request.prefix)
        if len(ids) >= self.context:
            raise RequestRefused("too long")
        return ids

    def most_tokens(self, request: Request, prompt: list[int]) -> int:
        """Return the request's `max_tokens`, or fewer if the context has no room for them."""
        return min(request.sampling.max_tokens, self.context - len(prompt))

    def render(self, messages: Sequence[Message], prefix: str = "") -> list[int]:
        """Return the token ids of a chat with the model's turn started by `prefix`."""
        marks: list[str] = []
        turns = [
            {"role": m.role, "content": self._shield(m.content, marks)}
            for m in self.fitted(messages)
        ]
        prefix = self._shield(prefix, marks)
        return self._spelled_ids(self.prompt_text(turns) + prefix, marks)

    def fitted(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return the turns as the template takes them: without a system turn where it has none."""
        if messages[0].role != "system" or self._takes_system:
            return messages
        system, user, *others = messages
        return [Message(user.role, f"{system.content}\n\n{user.content}"), *others]

    @cached_property
    def _takes_system(self) -> bool:
        """Whether the template writes a system turn; some raise an error, others drop the text."""
        turns = [{"role": "system", "content": self._placeholder}, *_ANY_CHAT]
        try:
            return self._placeholder in self.prompt_text(turns)
        except TemplateError:
            return False

    def prompt_text(self, turns: list[dict[str, str]]) -> str:
        """Return a chat as the template writes it, with the model's turn started."""
        text: str = self.tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=False, **TEMPLATE
        )
        return text

    def end_of_turn(self) -> str:
        """Return what the template writes after an assistant's text."""
        turns = [*_ANY_CHAT, {"role": "assistant", "content": self._placeholder}]
        text = str(self.tokenizer.apply_chat_template(turns, tokenize=False, **TEMPLATE))
        if self._placeholder not in text:
            raise UserError("The chat template drops the assistant's text; use another model.")
        return text.rpartition(self._placeholder)[2]

    def tokens(self, text: str) -> list[int]:
        """Return the token ids of `text` as data, without a turn around it."""
        marks: list[str] = []
        return self._spelled_ids(self._shield(text, marks), marks)

    def defuse(self, text: str) -> str:
        """Return `text` with a zero-width space in every mark, for servers that take text."""
        text = clean(text)
        if self._marks is None:
            return text
        return self._marks.sub(lambda mark: mark[0][0] + "\u200b" + mark[0][1:], text)

    def _shield(self, text: str, marks: list[str]) -> str:
        """Replace each mark by a placeholder and append the mark to `marks`."""
        text = clean(text)
        if self._marks is None:
            return text

        def replace(mark: re.Match[str]) -> str:
            marks.append(mark[0])
            return f"{self._placeholder}{len(marks) - 1}z"

        return self._marks.sub(replace, text)

    def _spelled_ids(self, text: str, marks: list[str]) -> list[int]:
        """Return the token ids of a shielded text, with its `marks` spelled out."""
        if not marks:
            return self._ids(text)
        ids: list[int] = []
        for index, piece in enumerate(self._placeholders.split(text)):
            ids += self._spell(marks[int(piece)]) if index % 2 else self._ids(piece)
        return ids

    def _spell(self, mark: str) -> list[int]:
        """Return ordinary tokens that read as `mark`."""
        if mark not in self._spelled:
            ids = self._ids(mark[:1]) + self._ids(mark[1:])
            if self._control.intersection(ids):  # a mark inside a mark
                ids = [i for letter in mark for i in self._ids(letter)]
            self._spelled[mark] = [i for i in ids if i not in self._control]
        return self._spelled[mark]

    def _ids(self, text: str) -> list[int]:
        # __call__ spends more time on bookkeeping than on tokenizing.
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids


def clean(text: str) -> str:
    """Return `text` without lone surrogates, which can be neither tokenized nor sent."""
    return text.encode("utf-8", "replace").decode("utf-8")


def load(model: str | Path, context: int) -> Chat:
    """Load a model's tokenizer; raise UserError if it or a usable chat template is missing.

    The context is cut to the model's own positions.
    """
    config, tokenizer = pretrained.config(model), pretrained.tokenizer(model)
    chat = Chat(tokenizer, min(context, positions(config) or context))
    try:
        prompt = chat.prompt_text(_ANY_CHAT)
    except ValueError as error:
        raise UserError(
            f"model {model}: its tokenizer has no chat template; use an instruct model, or add a "
            "chat_template.jinja next to the tokenizer."
        ) from error
    if prompt.rstrip().endswith("<think>"):
        raise UserError(
            f"model {model}: always thinks before it answers; use a model whose chat template has "
            "enable_thinking, or one that does not think."
        )
    return chat


def positions(config: Any) -> int | None:
    """Return how many positions a transformers config allows, whatever the field is called."""
    text = config.get_text_config()
    most = getattr(text, "max_position_embeddings", None)
    return models.positions({**text.to_dict(), "max_position_embeddings": most})


def _is_mark(token: Any) -> bool:
    """Return whether an added token is markup; some tokenizers add runs of spaces as well."""
    return bool(token.content.strip()) and (token.special or not token.content.isalnum())
