"""A server is sent the system turn as one, unless the model's own template here has none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from selflengthen.config import EngineConfig
from selflengthen.engines.base import Message, Request, Sampling
from selflengthen.engines.openai import OpenAIEngine
from tests.engines.hostile import Answer, Hostile, completion, of_json

SYSTEM, USER = Message("system", "You write."), Message("user", "A story.")
REQUEST = Request((SYSTEM, USER), "base", Sampling(0.7, 0.8, 20, 1.1, 64), seed=1)
RAISES = "{% if messages[0].role == 'system' %}{{ raise_exception('No system role') }}{% endif %}"


async def sent(model: Path) -> Any:
    """Return the turns that a server is sent by an engine that finds its tokenizer in `model`."""
    bodies: list[bytes] = []

    def answer(body: bytes) -> Answer:
        bodies.append(body)
        return of_json(completion())

    async with Hostile(answer=answer) as server:
        config = EngineConfig(kind="openai", url=server.url, context=512, patience=1)
        engine = await OpenAIEngine.open(
            config, model, {}, name="pocket", on_note=lambda line: None
        )
        try:
            await engine.complete(REQUEST)
        finally:
            await engine.close()
    return json.loads(bodies[-1])["messages"]


@pytest.mark.parametrize("here", [True, False], ids=["a tokenizer", "no tokenizer"])
async def test_the_system_turn_is_sent_as_one(pocket_model: Path, here: bool) -> None:
    assert await sent(pocket_model if here else Path("/nonexistent/pocket")) == [
        {"role": "system", "content": "You write."},
        {"role": "user", "content": "A story."},
    ]


async def test_a_template_without_one_gets_it_in_the_users(
    pocket_model: Path, tmp_path: Path
) -> None:
    for file in pocket_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    template = tmp_path / "chat_template.jinja"
    template.write_text(RAISES + template.read_text())
    assert await sent(tmp_path) == [{"role": "user", "content": "You write.\n\nA story."}]
