"""The transformers engine, for real."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selflengthen.config import EngineConfig
from selflengthen.engines import open_engine
from selflengthen.engines.base import Adapters, Completion, Request
from selflengthen.errors import EngineError, RequestRefused

pytestmark = pytest.mark.slow

CONFIG = EngineConfig(kind="transformers", in_flight=16, context=512)
Ask = Callable[..., Request]


@pytest.fixture(scope="module")
def complete(pocket_model: Path, adapters: Adapters) -> Iterator[Callable[..., list[Completion]]]:
    with asyncio.Runner() as runner:
        notes: list[str] = []
        opening = open_engine(CONFIG, pocket_model, adapters, on_note=notes.append)
        engine = runner.run(opening)
        assert notes and notes[0].startswith("engine: transformers on ")

        async def all_of(requests: tuple[Request, ...]) -> list[Completion]:
            return await asyncio.gather(*[engine.complete(r) for r in requests])

        yield lambda *requests: runner.run(all_of(requests))
        runner.run(engine.close())
        with pytest.raises(EngineError, match="closed"):
            from tests.engines.conftest import request

            runner.run(engine.complete(request()))


def test_each_role_writes_in_its_own_way(complete, ask: Ask) -> None:  # type: ignore[no-untyped-def]
    done = complete(*[ask(role=role) for role in ("base", "generator", "expander", "base")])
    assert len({c.text for c in done}) == 3
    assert done[0] == done[3]


async def test_a_models_own_ways_of_sampling_do_not_count(
    complete: Callable[..., list[Completion]], pocket_model: Path, tmp_path: Path, ask: Ask
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(pocket_model, folder)
    own = json.loads((folder / "generation_config.json").read_bytes())
    own |= {"do_sample": True, "repetition_penalty": 3.0, "no_repeat_ngram_size": 1, "top_k": 1}
    (folder / "generation_config.json").write_text(json.dumps(own))
    engine = await open_engine(CONFIG, folder, {}, on_note=lambda note: None)
    done = await engine.complete(ask(seed=7))
    await engine.close()
    assert [done] == await asyncio.to_thread(complete, ask(seed=7))


def test_seeds_decide_whatever_else_is_in_the_batch(complete, ask: Ask) -> None:  # type: ignore[no-untyped-def]
    (alone,) = complete(ask(seed=7))
    crowd = complete(*[ask(seed=s, text="Write " * s) for s in range(2, 12)], ask(seed=7))
    assert crowd[-1] == alone
    assert complete(ask(seed=8))[0].text != alone.text


def test_prefix_begins_the_turn(complete, ask: Ask) -> None:  # type: ignore[no-untyped-def]
    with_prefix, without = complete(ask(prefix="The bread was"), ask())
    assert with_prefix.prompt_tokens > without.prompt_tokens
    assert not with_prefix.text.startswith("The bread was")


def test_choices(complete, ask: Ask) -> None:  # type: ignore[no-untyped-def]
    done = complete(*[ask(seed=i, choices=("yes", "no"), temperature=5.0) for i in range(24)])
    assert {c.text for c in done} == {"yes", "no"}
    greedy = complete(*[ask(seed=i, choices=("yes", "no"), temperature=0) for i in range(4)])
    assert len({c.text for c in greedy}) == 1


def test_stop_strings(complete, ask: Ask) -> None:  # type: ignore[no-untyped-def]
    (whole,) = complete(ask(seed=3))
    stop = whole.text[len(whole.text) // 2 :][:2]
    (cut,) = complete(ask(seed=3, stop=(stop,)))
    assert cut.finish_reason == "stop"
    assert cut.text == whole.text[: whole.text.index(stop)]


def test_finish_reason_is_honest(complete, ask: Ask) -> None:  # type: ignore[no-untyped-def]
    for done in complete(*[ask(seed=seed, max_tokens=12) for seed in range(8)]):
        assert done.tokens <= 12
        assert done.finish_reason == "stop" or done.tokens == 12
    (done,) = complete(ask(seed=1, max_tokens=3))
    assert (done.finish_reason, done.tokens) == ("length", 3)


def test_greedy_ignores_the_seed(complete, ask: Ask) -> None:  # type: ignore[no-untyped-def]
    one, two = complete(ask(seed=1, temperature=0), ask(seed=2, temperature=0))
    assert one.text == two.text


def test_too_long(complete, ask: Ask) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RequestRefused, match=r"^too long$"):
        complete(ask("bread " * 5000))
