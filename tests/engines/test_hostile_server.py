"""A server that answers anything at all: a completion, or one printable line, never a traceback."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from selflengthen.config import EngineConfig
from selflengthen.engines import chat
from selflengthen.engines.base import Completion, Request
from selflengthen.engines.openai import OpenAIEngine, most_bytes
from selflengthen.errors import EngineError, UserError
from selflengthen.text.checks import Checks
from tests.engines.conftest import request
from tests.engines.hostile import MODELS, Answer, Hostile, completion, of_json
from tests.engines.random_answers import FORMS, MODEL_LISTS, answers
from tests.soak import fuzz, many

NOWHERE = Path("/nonexistent/pocket")
ONE_MORE = 0.001  # seconds of patience: enough for one or two tries, without a wait


async def open_engine(url: str, patience: float = ONE_MORE) -> OpenAIEngine:
    config = EngineConfig(kind="openai", url=url, context=512, patience=patience)
    return await OpenAIEngine.open(
        config, NOWHERE, {}, name="pocket", on_note=lambda line: None, seconds=lambda tokens: 10
    )


async def answer_to(
    answer: Answer, asked: Request | None = None, models: Answer = MODELS
) -> Completion | Exception:
    """Return what becomes of a request that the server answers so; only our errors are caught."""
    async with Hostile(models, answer) as server:
        try:
            engine = await open_engine(server.url)
            try:
                return await engine.complete(asked or request())
            finally:
                await engine.close()
        except (EngineError, UserError) as error:
            return error


def is_quiet(line: str) -> bool:
    """Whether a line gives a terminal no orders, by Unicode's own tables."""
    orders = {"Cc", "Cs", "Zl", "Zp"}
    directions = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return not any(
        unicodedata.category(c) in orders or unicodedata.bidirectional(c) in directions
        for c in line
    )


def check(outcome: Completion | Exception) -> None:
    """Assert that what came back can be written to a file, or shown as one short line."""
    if isinstance(outcome, Completion):
        outcome.text.encode()
        assert is_quiet(outcome.finish_reason) and len(outcome.finish_reason) <= 40
        assert 0 <= outcome.tokens < 2**31 and 0 <= outcome.prompt_tokens < 2**31
        assert type(outcome.tokens) is type(outcome.prompt_tokens) is int
    else:
        line = str(outcome)
        assert line and is_quiet(line) and len(line) < 3500, line


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Import what looks for a tokenizer; neither its time nor its memory belongs to a test."""
    with pytest.raises(UserError):
        chat.load(NOWHERE, 512)


# What is too long.


def bomb(size: int) -> bytes:
    return gzip.compress(b'{"choices":[' + b" " * size, 9)


@pytest.mark.parametrize("place", ["completion", "models", "error"])
async def test_a_bomb_is_not_unpacked(place: str) -> None:
    packed = (("Content-Encoding", b"gzip"),)
    hostile = Answer(500 if place == "error" else 200, packed, bomb(100_000_000))
    tracemalloc.start()
    try:
        outcome = await answer_to(hostile, models=hostile if place == "models" else MODELS)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert isinstance(outcome, EngineError)
    check(outcome)
    assert "engine.url http://127.0.0.1:" in str(outcome)
    assert ("HTTP 500" if place == "error" else "gzip") in str(outcome)


@pytest.mark.parametrize("place", ["completion", "models", "error"])
async def test_a_body_without_end_is_not_read_to_the_end(place: str) -> None:
    hostile = Answer(500 if place == "error" else 200, body=(b" " * 1_000_000,) * 100)
    async with Hostile(hostile if place == "models" else MODELS, hostile) as server:
        with pytest.raises(EngineError, match=r"engine\.url http://127\.0\.0\.1:") as caught:
            engine = await open_engine(server.url)
            try:
                await engine.complete(request())
            finally:
                await engine.close()
        assert server.sent < 20_000_000
    check(caught.value)
    if place != "error":
        assert "longer than" in str(caught.value)


async def test_the_longest_text_that_was_asked_for_has_room() -> None:
    """A token of CJK takes up to six bytes a character where a server escapes it."""
    text = "永" * 4 * 2000
    body = json.dumps(completion(text)).encode()
    outcome = await answer_to(Answer(body=body), request(max_tokens=400))
    assert isinstance(outcome, Completion) and outcome.text == text
    assert len(body) < most_bytes(400)


async def test_a_model_that_writes_spaces_until_it_is_stopped_ends_no_run() -> None:
    """Vocabularies have tokens of up to 128 spaces."""
    text = " " * 128 * 16_384
    hostile = of_json(completion(text, finish_reason="length"))
    outcome = await answer_to(hostile, request(max_tokens=16_384))
    assert isinstance(outcome, Completion) and outcome.text == text


# What has no form.

DEEP = b"[" * 200_000 + b"]" * 200_000
SOUND = completion()
OTHERS: list[Any] = [
    None,
    True,
    5,
    -1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    [],
    [1],
    {},
    {"a": 1},
]


def swapped(value: Any, found: Callable[[Any], None], whole: Any = None) -> None:
    """Call `found` with copies of `value` in which one place each holds another thing."""
    put = whole or (lambda other: other)
    for other in OTHERS:
        found(put(other))
    if isinstance(value, dict):
        for name in value:
            found(put({k: v for k, v in value.items() if k != name}))
            swapped(value[name], found, lambda o, name=name: put(value | {name: o}))
    elif isinstance(value, list):
        for place in range(len(value)):
            swapped(
                value[place],
                found,
                lambda o, place=place: put([*value[:place], o, *value[place + 1 :]]),
            )


async def test_any_type_in_any_place() -> None:
    answers: list[Any] = []
    swapped(SOUND, answers.append)
    assert len(answers) > 90
    whole = 0
    for value in answers:
        outcome = await answer_to(of_json(value))
        check(outcome)
        whole += isinstance(outcome, Completion)
    assert whole > 20  # a server need not count tokens
    cards: list[Any] = []
    swapped({"data": [{"id": "pocket", "root": "pocket", "max_model_len": 512}]}, cards.append)
    for value in cards:
        check(await answer_to(of_json(SOUND), models=of_json(value)))


@pytest.mark.parametrize("place", ["completion", "models", "error"])
async def test_what_is_nested_too_deep(place: str) -> None:
    hostile = Answer(400 if place == "error" else 200, body=DEEP)
    outcome = await answer_to(hostile, models=hostile if place == "models" else MODELS)
    assert isinstance(outcome, EngineError)
    check(outcome)


async def test_counts_that_are_none() -> None:
    for count in ("1e400", "-1e400", "NaN", "-5", "9" * 4000, '"many"', "null"):
        body = json.dumps(SOUND).replace("2}", f"{count}}}").encode()
        outcome = await answer_to(Answer(body=body))
        assert isinstance(outcome, Completion), outcome
        assert outcome.tokens == 0


# What no file and no terminal takes.


async def test_half_a_character_is_a_rejected_attempt() -> None:
    outcome = await answer_to(of_json(completion("The end \ud83d of it.")))
    assert outcome == Completion("The end \ufffd of it.", "broken text", 3, 2)
    assert Checks().reject(outcome.text, outcome.finish_reason, "Write a text.") == "unfinished"
    whole = await answer_to(of_json(completion("The end \ud83d\ude00 of it.")))
    assert whole == Completion("The end 😀 of it.", "stop", 3, 2)


ORDERS = "\x1b]52;c;cm0gLXJmIH4=\x07\x1b[2J\x9b31m\u202e\u2066\r\n\x00\ud800"


@pytest.mark.parametrize("status", [302, 400, 401, 404, 418, 429, 500, 999])
async def test_a_servers_words_are_shown_and_not_sent(status: int) -> None:
    answer = of_json({"error": {"message": f"words {ORDERS} more"}}, status)
    answer = Answer(status, (("Location", b"/\x9b31m"),), answer.body)
    for models in (MODELS, answer):
        outcome = await answer_to(answer, models=models)
        assert isinstance(outcome, EngineError)
        check(outcome)


async def test_a_servers_names_are_shown_and_not_sent() -> None:
    models = of_json({"data": [{"id": f"{n}{ORDERS}"} for n in range(500)]})
    outcome = await answer_to(of_json(SOUND), models=models)
    assert isinstance(outcome, EngineError) and "has no model pocket" in str(outcome)
    check(outcome)


# What answers, but is no such server.


@pytest.mark.parametrize("status", [400, 404, 405, 422, 451])
async def test_an_address_without_v1(status: int) -> None:
    async with Hostile(Answer(status, body=b"404 page not found")) as server:
        with pytest.raises(EngineError, match=r"lacks /v1: http://127.0.0.1:\d+/v1\.") as caught:
            await open_engine(server.url.removesuffix("/v1"))
        with pytest.raises(EngineError, match=f"no list of models .HTTP {status}: 404 page"):
            await open_engine(server.url)
    check(caught.value)


async def test_a_server_that_sends_elsewhere_is_not_followed() -> None:
    moved = Answer(301, (("Location", b"http://elsewhere.example/v1/models"),))
    outcome = await answer_to(Answer(), models=moved)
    assert isinstance(outcome, EngineError) and "http://elsewhere.example" in str(outcome)


# Anything.


@pytest.mark.soak
@pytest.mark.timeout(many(900, 7200))
@fuzz(500, 20_000)
@given(models=MODEL_LISTS, answer=answers(), form=FORMS)
async def test_whatever_a_server_answers(models: Answer, answer: Answer, form: Any) -> None:
    """Over a real socket, with the real client."""
    check(await answer_to(answer, request(**form), models))
