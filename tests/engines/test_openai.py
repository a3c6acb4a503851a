"""The openai engine against a real `vllm serve`, with a proxy between them that breaks things."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from selflengthen.config import Config, EngineConfig
from selflengthen.engines.base import Adapters, Engine, Request
from selflengthen.engines.guard import Guard
from selflengthen.engines.openai import OpenAIEngine, time_limit
from selflengthen.errors import EngineError, RequestRefused
from selflengthen.inputs import models, prompts, seeds
from selflengthen.pipeline.rounds import Rounds
from selflengthen.runner.context import RunContext
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import TextsDone
from tests.engines.proxy import KINDS, Plan, Proxy
from tests.loop.scripted_run import services

pytestmark = pytest.mark.slow

Ask = Callable[..., Request]


@pytest.fixture(scope="module")
def server(pocket_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start `vllm serve` with the pocket model; give its address."""
    pytest.importorskip("vllm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    guard = Guard()
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]  # what `vllm serve` runs
    command += ["--model", str(pocket_model)]
    command += ["--served-model-name", "pocket", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--enable-lora", "--max-loras", "2", "--max-lora-rank", "8", "--enforce-eager"]
    command += ["--max-model-len", "512", "--max-num-seqs", "32"]
    settings = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_NO_USAGE_STATS": "1"}
    import torch

    if not torch.cuda.is_available():
        command += ["--dtype", "float32", "--distributed-executor-backend", "uni"]
        # See `engines.vllm_arguments._cpu_options`: a prompt prefilled in chunks ends the server.
        command += ["--no-enable-chunked-prefill", "--max-num-batched-tokens", "8192"]
        settings |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
        settings |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env=os.environ | settings | dict(guard.environment)
        )
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()[-3000:]
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        guard.close()
        process.wait(10)


def config(url: str, **fields: Any) -> EngineConfig:
    return EngineConfig(kind="openai", url=url, context=512, **({"in_flight": 16} | fields))


def two_faults() -> Plan:
    """Order two faults for every request, of kinds that its seed decides, a hang only once."""
    tries: Counter[int] = Counter()

    def plan(body: dict[str, Any]) -> str:
        seed = body["seed"]
        tries[seed] += 1
        if tries[seed] == 1:
            return KINDS[seed % len(KINDS)]
        rest = [kind for kind in KINDS if kind != "hang"]
        return rest[seed % len(rest)] if tries[seed] == 2 else ""

    return plan


async def served(server: str) -> list[str]:
    """Return the names of what a server serves, adapters last."""
    async with httpx.AsyncClient() as client:
        cards = (await client.get(f"{server}/v1/models")).json()["data"]
    return [card["id"] for card in cards]


async def test_every_request_is_answered_whatever_breaks(
    server: str, pocket_model: Path, adapters: Adapters, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    notes: list[str] = []
    async with Proxy(server) as proxy:
        proxy.plan = two_faults()
        engine = await OpenAIEngine.open(
            config(proxy.url, patience=120),
            pocket_model,
            adapters,
            on_note=notes.append,
            seconds=lambda tokens: 20,
        )
        roles = ("base", "generator", "expander")
        requests = [ask(seed=i, role=roles[i % 3], max_tokens=12) for i in range(36)]
        done = await asyncio.gather(*[engine.complete(r) for r in requests])
        assert set(KINDS) <= set(proxy.done)
        assert all(0 < c.tokens <= 12 and c.finish_reason in ("stop", "length") for c in done)
        proxy.plan = lambda body: ""
        assert await engine.complete(requests[4]) == done[4]
        assert done[0].text != (await engine.complete(ask(role="expander", max_tokens=12))).text
        await engine.close()
        assert await served(server) == ["pocket"]
    assert proxy.authorization == {"Bearer s3cret"}
    assert "s3cret" not in repr(notes) + repr(vars(engine)) + repr(vars(engine._wire))


async def test_a_round_through_faults_brings_every_item_to_a_verdict(
    server: str, pocket_model: Path, tmp_path: Path
) -> None:
    """Instruct, draft and expand; each request meets two faults before it is answered."""
    async with Proxy(server) as proxy:
        proxy.plan = two_faults()

        async def opened(adapters: Adapters) -> Engine:
            return await OpenAIEngine.open(
                config(proxy.url, patience=120), pocket_model, adapters,
                on_note=lambda line: None, seconds=lambda tokens: 20,
            )  # fmt: skip

        rounds = pocket_rounds(tmp_path, opened)
        made = await rounds.instruct(1)
        drafts = await rounds.draft(1, made)
        expansions = await rounds.expand(1, made, drafts)
        await rounds.services.engines.close()
        assert set(KINDS) <= set(proxy.done)
    for stage in (made, drafts, expansions):
        done = stage.done_as(TextsDone)
        assert done
        assert done.items == len(stage.finished()), stage.title
    assert made.count() > 0


def pocket_rounds(folder: Path, opened: Callable[[Adapters], Awaitable[Engine]]) -> Rounds:
    """Return a small run of the pocket model."""
    config = Config.model_validate(
        {
            "language": "pocket",
            "sampling": {"temperature": 0.9, "max_tokens": 200, "top_k": 0},
            "instruct": {"per_round": 6, "attempts": 2, "similarity": 1.0},
            "draft": {"per_instruction": 1, "attempts": 2, "drop_short": False},
            "expand": {"per_draft": 1, "attempts": 2, "passes": 1},
            "engine": {"in_flight": 16},
        }
    )
    context = RunContext(
        config=config,
        model=models.find(str(models.POCKET)),
        run=RunFolder(folder),
        prompts=prompts.load(prompts.shipped("pocket")),
        seeds=seeds.load("pocket"),
        held_out=seeds.load("held-out-pocket")[: config.held_out.texts],
    )
    return Rounds(context, services(opened))


async def test_forms_of_request(
    server: str, pocket_model: Path, adapters: Adapters, ask: Ask
) -> None:
    async with Proxy(server) as proxy:
        engine = await OpenAIEngine.open(
            config(proxy.url, patience=60), pocket_model, adapters, on_note=lambda note: None
        )
        choice = {"choices": ("yes", "no"), "temperature": 2.0, "top_p": 1.0, "top_k": 0}
        judged = [engine.complete(ask(seed=i, **choice)) for i in range(16)]
        assert {c.text for c in await asyncio.gather(*judged)} == {"yes", "no"}
        schema = {
            "type": "object", "properties": {"worth": {"type": "integer", "enum": [1, 2, 3]}},
            "required": ["worth"], "additionalProperties": False,
        }  # fmt: skip
        graded = [engine.complete(ask(seed=i, schema=schema, max_tokens=200)) for i in range(8)]
        whole_ones = [c.text for c in await asyncio.gather(*graded) if c.finish_reason == "stop"]
        assert all(json.loads(text)["worth"] in (1, 2, 3) for text in whole_ones)
        begun = await engine.complete(ask(prefix="The bread was"))
        assert begun.prompt_tokens > (await engine.complete(ask())).prompt_tokens
        whole = await engine.complete(ask(seed=3))
        stop = whole.text[len(whole.text) // 2 :][:2]
        cut = await engine.complete(ask(seed=3, stop=(stop,)))
        assert (cut.text, cut.finish_reason) == (whole.text[: whole.text.index(stop)], "stop")
        with pytest.raises(RequestRefused, match=r"^too long$"):
            await engine.complete(ask("bread " * 2000))
        markup = await engine.complete(ask("<|im_end|>\n<|im_start|>assistant\n\x00\ud800"))
        assert markup.tokens > 0

        # A server that was started anew has lost the adapters; they are given to it again.
        generated = await engine.complete(ask(role="generator"))
        async with httpx.AsyncClient() as client:
            for name in (await served(server))[1:]:
                gone = f"{server}/v1/unload_lora_adapter"
                (await client.post(gone, json={"lora_name": name})).raise_for_status()
        assert await engine.complete(ask(role="generator")) == generated
        await engine.close()


async def test_without_a_tokenizer_the_server_refuses_what_is_too_long(
    server: str, ask: Ask, tmp_path: Path
) -> None:
    notes: list[str] = []
    engine = await OpenAIEngine.open(
        config(f"{server}/v1", patience=60), tmp_path, {}, on_note=notes.append
    )
    assert notes == [
        "engine: no tokenizer for this model here; the server counts the tokens.",
        f"engine: {server}/v1 serves one model, pocket; using it as {tmp_path}",
    ]
    with pytest.raises(RequestRefused, match=r"^too long$"):
        await engine.complete(ask("bread " * 2000))
    assert (await engine.complete(ask())).tokens > 0
    await engine.close()


async def test_which_model_answers(server: str, pocket_model: Path) -> None:
    """The one that is asked for, by name or by folder; another one only for a folder."""
    notes: list[str] = []

    async def opened(model: str | Path, name: str) -> OpenAIEngine:
        asked = config(f"{server}/v1", patience=60)
        return await OpenAIEngine.open(asked, model, {}, name=name, on_note=notes.append)

    for name in ("pocket", str(pocket_model), "lab/small"):
        engine = await opened(pocket_model, name)
        assert engine._names == {"base": "pocket"}
        assert engine._chat and engine._chat.context == 512  # what the server says it holds
        await engine.close()
    assert notes == []
    with pytest.raises(EngineError, match="has no model lab/other, only: pocket;"):
        await opened("/cache/lab-other", "lab/other")


async def test_a_server_that_writes_less_than_is_asked_for(server: str, ask: Ask) -> None:
    async with Proxy(server) as proxy:
        proxy.plan = lambda body: "few"
        engine = await OpenAIEngine.open(
            config(proxy.url, patience=60), "pocket", {}, on_note=lambda note: None
        )
        with pytest.raises(
            EngineError, match=r"at most 900 .*; set sampling.max_tokens to that number"
        ):
            await engine.complete(ask())
        await engine.close()


async def test_servers_that_know_only_openais_fields(server: str, ask: Ask) -> None:
    notes: list[str] = []
    async with Proxy(server) as proxy:
        proxy.plan = lambda body: "unknown" if "top_k" in body else ""
        engine = await OpenAIEngine.open(
            config(proxy.url, patience=60), "pocket", {}, on_note=notes.append
        )
        done = await asyncio.gather(*[engine.complete(ask(seed=i)) for i in range(4)])
        assert all(c.tokens > 0 for c in done)
        assert "supports only OpenAI's own fields" in notes[-1]
        proxy.plan = lambda body: "unknown"
        with pytest.raises(RequestRefused, match="HTTP 400: Unrecognized request argument"):
            await engine.complete(ask())
        assert len(notes) == 2
        await engine.close()


async def test_servers_that_take_no_schema(server: str, ask: Ask) -> None:
    notes: list[str] = []
    async with Proxy(server) as proxy:
        proxy.plan = lambda body: "no schema" if "response_format" in body else ""
        engine = await OpenAIEngine.open(
            config(proxy.url, patience=60), "pocket", {}, on_note=notes.append
        )
        schema = {"type": "object", "properties": {}, "required": []}
        done = await asyncio.gather(
            *[engine.complete(ask(seed=i, schema=schema)) for i in range(4)]
        )
        assert all(c.tokens > 0 for c in done)
        assert sum("supports no JSON schema" in note for note in notes) == 1
        await engine.close()


async def test_patience_ends() -> None:
    begun = time.monotonic()
    with pytest.raises(
        EngineError, match=r"no usable answer for 2 s \(engine.patience\)"
    ) as caught:
        await OpenAIEngine.open(
            config("http://127.0.0.1:9/v1", patience=2), "none", {}, on_note=lambda note: None
        )
    assert "\n" not in str(caught.value)
    assert time.monotonic() - begun < 30


async def test_one_request_that_always_fails_does_not_end_the_run(server: str, ask: Ask) -> None:
    async with Proxy(server) as proxy:
        proxy.plan = lambda body: "500" if "poison" in str(body["messages"]) else ""
        engine = await OpenAIEngine.open(
            config(proxy.url, patience=2), "pocket", {}, on_note=lambda note: None
        )

        async def others() -> None:
            while True:
                await engine.complete(ask(max_tokens=2))
                await asyncio.sleep(0.2)

        rest = asyncio.create_task(others())
        with pytest.raises(RequestRefused, match="never answers this request: HTTP 500"):
            await engine.complete(ask("poison"))
        assert not rest.done()
        rest.cancel()
        await asyncio.wait([rest])
        await engine.close()


def test_time_grows_with_the_tokens() -> None:
    assert time_limit(16_384) > 20 * 60 > time_limit(100)
