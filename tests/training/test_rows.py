"""Rows become the tokens that the engine shows the model, and end in a trained end of turn."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from selflengthen.errors import TrainingError
from selflengthen.storage.records import TrainingRow, encode
from selflengthen.training import rows
from tests.training.conftest import story_row


@pytest.fixture(scope="module")
def tokenizer(pocket_model: Path) -> Any:
    """The pocket model's tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(pocket_model, trust_remote_code=False)


def _lists(columns: Iterable[Any]) -> list[list[int]]:
    return [column.tolist() for column in columns]


def _row(text: str, request: str = "Write a story.") -> TrainingRow:
    return TrainingRow(
        id="x",
        prompt=[{"role": "user", "content": request}],
        completion=[{"role": "assistant", "content": text}],
    )


def test_tokens_equal_the_engines_rendering(tokenizer: Any) -> None:
    rng = random.Random(1)
    given = [story_row(str(n), rng, paragraphs=n + 1) for n in range(5)]
    made = rows.tokenize(given, tokenizer, {tokenizer.eos_token_id}, 4096)
    for row, ids, labels in zip(given, _lists(made.input_ids), _lists(made.labels), strict=True):
        asked = tokenizer.apply_chat_template(row.prompt, add_generation_prompt=True)["input_ids"]
        whole = tokenizer.apply_chat_template(row.prompt + row.completion)["input_ids"]
        assert ids[: len(asked)] == asked
        assert ids == whole[: len(ids)]
        assert tokenizer.decode(whole[len(ids) :]).strip() == ""
        assert set(labels[: len(asked)]) == {rows.IGNORED}
        assert labels[len(asked) :] == ids[len(asked) :]


def test_the_end_of_turn_is_trained_once_and_last(tokenizer: Any) -> None:
    stop = tokenizer.eos_token_id
    text = f"A fox said {tokenizer.eos_token} and went on."
    made = rows.tokenize([_row("A fox slept."), _row(text)], tokenizer, {stop}, 4096)
    for labels in _lists(made.labels):
        assert labels[-1] == stop
        assert labels.count(stop) == 1
    written = [token for token in _lists(made.labels)[1] if token != rows.IGNORED]
    assert tokenizer.decode(written[:-1]) == text


def test_a_template_that_does_not_end_generation_gets_the_token_that_does(tokenizer: Any) -> None:
    end_of_text = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    usual, tokenizer.eos_token = tokenizer.eos_token, "<|endoftext|>"
    try:
        made = rows.tokenize([_row("A fox slept.")], tokenizer, {end_of_text}, 4096)
    finally:
        tokenizer.eos_token = usual
    assert _lists(made.labels)[0][-2:] == [tokenizer.eos_token_id, end_of_text]


def test_long_rows_are_dropped_and_counted_and_the_others_whole(tokenizer: Any) -> None:
    stops = {tokenizer.eos_token_id}
    given = [_row("A fox slept. " * n + "The end.") for n in (1, 5, 50)]
    every = rows.tokenize(given, tokenizer, stops, 4096)
    lengths = [len(ids) for ids in every.input_ids]
    kept = rows.tokenize(given, tokenizer, stops, lengths[1])
    assert _lists(kept.input_ids) == _lists(every.input_ids[:2])
    assert (kept.dropped, kept.longest) == (1, lengths[2])
    assert rows.tokenize(given, tokenizer, stops, lengths[1] - 1).dropped == 2


def test_a_model_without_a_chat_template_is_named(tokenizer: Any) -> None:
    usual, tokenizer.chat_template = tokenizer.chat_template, None
    try:
        with pytest.raises(TrainingError, match="no chat template"):
            rows.tokenize([_row("A fox.")], tokenizer, {2}, 100)
    finally:
        tokenizer.chat_template = usual


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(encode(_row("A fox.")) + b'{"id": "y"}\n')
    with pytest.raises(TrainingError, match=r"rows\.jsonl:2: not a training row: .*prompt"):
        rows.read(path)


def test_marks_in_an_instruction_are_text(tokenizer: Any) -> None:
    from selflengthen.engines.base import Message
    from selflengthen.engines.chat import Chat

    asked = "Write about <|im_end|> and <|im_start|>assistant."
    row = TrainingRow(
        id="x",
        prompt=[{"role": "user", "content": asked}],
        completion=[{"role": "assistant", "content": "It is <|im_end|> here."}],
    )
    made = rows.tokenize([row], tokenizer, {tokenizer.eos_token_id}, 4096)
    prompt = Chat(tokenizer, 4096).render([Message("user", asked)])
    (ids,), (labels,) = _lists(made.input_ids), _lists(made.labels)
    assert ids[: len(prompt)] == prompt
    assert [i for i in labels if i == tokenizer.eos_token_id] == [tokenizer.eos_token_id]
    assert ids[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("raises", [False, True])
def test_a_system_turn_is_learnt_as_the_engine_shows_it(tokenizer: Any, raises: bool) -> None:
    from selflengthen.engines.base import Message
    from selflengthen.engines.chat import Chat

    usual = tokenizer.chat_template
    if raises:
        begin = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}"
        tokenizer.chat_template = begin + usual
    try:
        row = _row("A fox slept.")
        row.prompt.insert(0, {"role": "system", "content": "You write."})
        made = rows.tokenize([row], tokenizer, {tokenizer.eos_token_id}, 4096)
        turns = [Message("system", "You write."), Message("user", "Write a story.")]
        shown = Chat(tokenizer, 4096).render(turns)
    finally:
        tokenizer.chat_template = usual
    ids = _lists(made.input_ids)[0]
    assert ids[: len(shown)] == shown
    assert "You write." in tokenizer.decode(shown)
    assert ("You write.\n\nWrite a story." in tokenizer.decode(shown)) == raises
    assert set(_lists(made.labels)[0][: len(shown)]) == {rows.IGNORED}
