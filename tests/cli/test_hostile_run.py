"""A whole run on a server of which every few answers are broken; and one that wants to command."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from selflengthen.cli import main
from selflengthen.engines.base import Message, Request, Sampling
from selflengthen.engines.scripted import nonsense
from tests.cli.test_printable import BAD, orders
from tests.engines.hostile import Answer, Hostile, completion, of_json


@contextmanager
def served(answer: Callable[[bytes], Answer]) -> Iterator[str]:
    """Run a server in a thread; give its address."""
    ready, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    urls: list[str] = []

    async def serve() -> None:
        async with Hostile(answer=answer) as server:
            urls.append(server.url)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait(10)
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


def reply(body: dict[str, Any]) -> str:
    """Answer as the scripted engine would."""
    turns = [Message(turn["role"], turn["content"]) for turn in body["messages"]]
    prefix = turns.pop().content if turns[-1].role == "assistant" else ""
    choices = tuple(body.get("structured_outputs", {}).get("choice", ()))
    sampling = Sampling(0.7, 0.8, 20, 1.1, body["max_tokens"])
    return nonsense(Request(tuple(turns), "base", sampling, body["seed"], prefix, choices)).text


def test_a_run_goes_on_through_broken_answers(
    work: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Halves of characters, orders to the terminal, odd counts and reasons in every few texts."""
    asked = 0

    def answer(sent: bytes) -> Answer:
        nonlocal asked
        asked += 1
        body = json.loads(sent)
        if "messages" not in body:
            return Answer(body=b"Success: LoRA adapter")
        text = reply(body)
        if "structured_outputs" in body:
            return of_json(completion(text))
        if asked % 5 == 0:
            return of_json(completion(f"{text} \ud83d"))
        if asked % 7 == 0:
            return of_json({"error": {"message": f"no {BAD}"}}, 400)
        if asked % 11 == 0:
            return of_json(completion(text, finish_reason=BAD))
        return of_json(completion(text) | {"usage": {"completion_tokens": float("inf")}})

    with served(answer) as url:
        words = ["--iterations", "1", "--engine.kind", "openai", "--engine.url", url]
        assert main(["run", "small.yaml", *words]) == 0
    out, err = capfd.readouterr()
    assert "Complete: 1 of 1 rounds." in out
    assert not orders(out) and not orders(err)
    rejected = [
        json.loads(line)
        for path in Path("runs/small").rglob("rejected.jsonl")
        for line in path.read_text("utf-8").split("\n")
        if line
    ]
    reasons = {line["finish_reason"] for line in rejected}
    assert {"broken text", "unknown", "refused"} <= reasons
    assert any("HTTP 400: no ␛]52" in line["reason"] for line in rejected)
    for path in Path("runs/small").rglob("*"):
        if path.is_file() and path.suffix in (".jsonl", ".log", ".yaml"):
            assert not orders(path.read_text("utf-8")), path


def test_what_a_server_says_at_last(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The error that ends a run is one line at the terminal and in the log."""
    with served(lambda sent: of_json({"error": {"message": f"gone {BAD}"}}, 404)) as url:
        words = ["--iterations", "1", "--engine.kind", "openai", "--engine.url", url]
        assert main(["run", "small.yaml", *words]) == 1
    out, err = capfd.readouterr()
    assert not out
    assert not orders(err)
    assert "gone ␛]52;c;cm0=␇" in err.splitlines()[-1]
    assert not orders(Path("runs/small/logs/attempt-01.log").read_text("utf-8"))
