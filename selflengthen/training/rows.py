"""Rows to tokens: the prompt exactly as the engine shows it to the model, then the completion.

`engines.chat` renders the prompt, special tokens in an instruction included. The completion is
tokenized by itself, as the model generates it: no token spans the start of its turn. This is not
left to TRL, which cuts rows that are too long, and a cut row teaches the model never to stop.
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
    """Tokenized rows, an int32 array each; `labels` is `IGNORED` over the prompt.

    `dropped` rows had too many tokens. `longest` is the longest row, dropped ones included.
    """

    input_ids: list[NDArray[np.int32]]
    labels: list[NDArray[np.int32]]
    dropped: int
    longest: int


def read(path: Path) -> list[TrainingRow]:
    """Read rows; raise TrainingError with file and line of a malformed one."""
    rows = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                rows.append(msgspec.json.decode(line, type=TrainingRow))
            except msgspec.DecodeError as error:
                raise TrainingError(f"{path}:{number}: not a training row: {error}.") from error
    return rows


def tokenize(
    rows: list[TrainingRow],
    tokenizer: PreTrainedTokenizerBase,
    stop_tokens: set[int],
    max_length: int,
) -> TokenRows:
    """Tokenize rows and drop those with more than `max_length` tokens.

    Each row ends in one of `stop_tokens`, which end generation, and that token is trained too.
    """
    if tokenizer.chat_template is None:
        raise TrainingError("The model has no chat template; use an instruction-tuned model.")
    chat = Chat(tokenizer, max_length)
    end = _end_of_turn(chat.end_of_turn(), tokenizer, stop_tokens)
    input_ids, labels, longest = [], [], 0
    for row in rows:
        prompt = chat.render([_message(turn) for turn in row.prompt])
        # Markup in a text stays text: the model must not learn to end its turn in the middle.
        completion = chat.tokens(row.completion[-1]["content"]) + end
        longest = max(longest, len(prompt) + len(completion))
        if len(prompt) + len(completion) <= max_length:
            # Lists of ints would take several times the memory, and data sets can be large.
            input_ids.append(np.array(prompt + completion, np.int32))
            labels.append(np.array([IGNORED] * len(prompt) + completion, np.int32))
    return TokenRows(input_ids, labels, len(rows) - len(input_ids), longest)


def _message(turn: dict[str, str]) -> Message:
    return Message(turn["role"], turn["content"])  # type: ignore[arg-type]


def _end_of_turn(text: str, tokenizer: PreTrainedTokenizerBase, stop_tokens: set[int]) -> list[int]:
    """Return the tokens of the template's end of turn, up to the first that ends generation.

    The end of turn of many base models' templates does not end generation; then the token that does
    is added.
    """
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    for index, token in enumerate(ids):
        if token in stop_tokens:
            return ids[: index + 1]
    if tokenizer.eos_token_id is None:
        raise TrainingError("The model's tokenizer has no end-of-sequence token; texts cannot end.")
    end: list[int] = tokenizer.encode(text.rstrip(), add_special_tokens=False)
    return [*end, int(tokenizer.eos_token_id)]
