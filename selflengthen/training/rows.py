"""Rows to tokens: exactly what the engine shows the model, and then what it should have written.

The prompt is rendered by the engines' own room for it, marks in an instruction included, and the
completion is tokenized by itself, for so it is when the model writes: a token never spans the place
where its turn begins. All this is done here and not by TRL, because TRL cuts what is too long, and
a cut row teaches the model never to stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from selflengthen.engines.base import Message
from selflengthen.engines.chat import Chat
from selflengthen.errors import TrainingError
from selflengthen.storage.records import TrainingRow

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

IGNORED = -100


@dataclass(frozen=True)
class TokenRows:
    """Rows as tokens, an array of int32 each; `labels` is `IGNORED` over the prompt.

    `dropped` rows had more than the allowed tokens; `longest` counts them too.
    """

    input_ids: list[NDArray[np.int32]]
    labels: list[NDArray[np.int32]]
    dropped: int
    longest: int


def read(path: Path) -> list[TrainingRow]:
    """Read rows; raise TrainingError naming the line that is none."""
    rows = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                rows.append(msgspec.json.decode(line, type=TrainingRow))
            except msgspec.DecodeError as error:
                raise TrainingError(f"{path}:{number}: is no training row: {error}.") from error
    return rows


def tokenize(
    rows: list[TrainingRow], tokenizer: PreTrainedTokenizerBase, stops: set[int], max_length: int
) -> TokenRows:
    """Make tokens of rows and leave out those with more than `max_length`.

    `stops` are the tokens that end generation; each row ends in one of them, and it is trained.
    """
    if tokenizer.chat_template is None:
        raise TrainingError("The model has no chat template; use an instruction-tuned model.")
    chat = Chat(tokenizer, max_length)
    ending = _ending(chat.end_of_turn(), tokenizer, stops)
    input_ids, labels, longest = [], [], 0
    for row in rows:
        prompt = chat.render([_message(turn) for turn in row.prompt])
        # Markup inside of a text stays text: a turn that ends in the middle must not be learnt.
        answer = chat.tokens(row.completion[-1]["content"]) + ending
        longest = max(longest, len(prompt) + len(answer))
        if len(prompt) + len(answer) <= max_length:
            # Lists of Python's ints would take several times the memory, and sets can be large.
            input_ids.append(np.array(prompt + answer, np.int32))
            labels.append(np.array([IGNORED] * len(prompt) + answer, np.int32))
    return TokenRows(input_ids, labels, len(rows) - len(input_ids), longest)


def _message(turn: dict[str, str]) -> Message:
    return Message(turn["role"], turn["content"])  # type: ignore[arg-type]


def _ending(tail: str, tokenizer: PreTrainedTokenizerBase, stops: set[int]) -> list[int]:
    """Return the tokens that close a turn, up to and with the first that ends generation.

    Base models often have a chat template whose end of turn does not end generation; then the
    token that does is added.
    """
    ids: list[int] = tokenizer.encode(tail, add_special_tokens=False)
    for place, token in enumerate(ids):
        if token in stops:
            return ids[: place + 1]
    if tokenizer.eos_token_id is None:
        raise TrainingError("The model's tokenizer has no end-of-sequence token; texts cannot end.")
    close: list[int] = tokenizer.encode(tail.rstrip(), add_special_tokens=False)
    return [*close, int(tokenizer.eos_token_id)]
