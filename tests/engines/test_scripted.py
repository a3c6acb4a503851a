"""The shipped double."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter

import pytest

from selflengthen.engines import choose
from selflengthen.engines.base import Completion
from selflengthen.engines.scripted import Scripted, nonsense
from selflengthen.errors import UserError
from selflengthen.text.measures import word_count
from selflengthen.text.repeats import has_repeat


def _good(ask, **changes):  # type: ignore[no-untyped-def]
    """Return the first faultless answer."""
    for seed in range(50):
        done = nonsense(ask(seed=seed, max_tokens=16_384, **changes))
        faulty = has_repeat(done.text) or not done.text.endswith((".", "。"))
        if done.finish_reason == "stop" and not faulty:
            return done.text
    raise AssertionError("no faultless answer in fifty")


def test_a_reply_depends_on_the_request_alone(ask) -> None:  # type: ignore[no-untyped-def]
    first, second = Scripted(), Scripted()
    requests = [ask(seed=seed) for seed in range(20)]

    async def all_of(engine: Scripted, order: list[int]) -> dict[int, Completion]:
        done = await asyncio.gather(*[engine.complete(requests[i]) for i in order])
        return dict(zip(order, done, strict=True))

    order = list(range(20))
    there = asyncio.run(all_of(first, order))
    back = asyncio.run(all_of(second, order[::-1]))
    assert there == back
    assert len({c.text for c in there.values()}) == 20


def test_instructions(ask) -> None:  # type: ignore[no-untyped-def]
    text = _good(ask, prefix="Instruction 1: a.\nInstruction 3:")
    assert 3 < word_count(text) < 500
    assert "\n" not in text


def test_first_choice_nine_times_in_ten(ask) -> None:  # type: ignore[no-untyped-def]
    said = Counter(nonsense(ask(seed=i, choices=("yes", "no"))).text for i in range(2000))
    assert set(said) == {"yes", "no"}
    assert 0.87 < said["yes"] / 2000 < 0.93


@pytest.mark.parametrize(
    "text", ["Make it longer: Write of bread.\n\n{}", "写长一些：写面包。\n\n{}"]
)
def test_two_stages_lengthen_a_draft(ask, text: str) -> None:  # type: ignore[no-untyped-def]
    draft = _good(ask, text=text.format(""))
    paragraphs = draft.split("\n\n")
    half = "\n\n".join(paragraphs[: (len(paragraphs) + 1) // 2])
    stage1 = _good(ask, text=text.format(half)).split("\n\n")
    former = "\n\n".join(stage1[: max(1, len(stage1) * 2 // 3)])
    latter = _good(ask, text=text.format(draft), prefix=former)
    longer = former + latter
    assert [p.split("\n")[0] for p in longer.split("\n\n")] == [
        p.split("\n")[0] for p in paragraphs
    ]
    assert len(longer) > 1.2 * len(draft)
    assert not has_repeat(longer)


def test_faults_of_every_kind(ask) -> None:  # type: ignore[no-untyped-def]
    done = [nonsense(ask(seed=seed, max_tokens=16_384)) for seed in range(500)]
    cut = sum(c.finish_reason == "length" for c in done)
    repeats = sum(has_repeat(c.text) for c in done)
    endless = sum(c.finish_reason == "stop" and not c.text.endswith(".") for c in done)
    assert min(cut, repeats, endless) > 5
    assert cut + repeats + endless < 150


def test_schemas_get_an_object_or_a_faulty_one(ask) -> None:  # type: ignore[no-untyped-def]
    grade = {"type": "integer", "enum": [1, 2, 3, 4, 5]}
    schema = {"type": "object", "properties": {"said": {"type": "string"}, "worth": grade}}
    texts = [nonsense(ask(seed=i, schema=schema, max_tokens=200)).text for i in range(400)]
    whole = [json.loads(text) for text in texts if text.endswith("}")]
    assert {one["worth"] for one in whole} == {1, 2, 3, 4, 5}
    assert all(isinstance(one["said"], str) for one in whole)
    assert 0.05 < 1 - len(whole) / len(texts) < 0.3


def test_max_tokens_cuts(ask) -> None:  # type: ignore[no-untyped-def]
    done = nonsense(ask(seed=1, max_tokens=5))
    assert (done.finish_reason, len(done.text)) == ("length", 20)


def test_latency(ask) -> None:  # type: ignore[no-untyped-def]
    async def timed() -> float:
        engine = Scripted(latency=0.2)
        begun = time.monotonic()
        await asyncio.gather(*[engine.complete(ask(seed=i)) for i in range(100)])
        return time.monotonic() - begun

    assert 0.2 <= asyncio.run(timed()) < 2


def test_unknown_installation_is_a_user_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    notes: list[str] = []
    with pytest.raises(
        UserError, match=r"^engine.kind vllm: vllm is not installed; `make install`"
    ):
        choose("vllm", notes.append)
    with pytest.raises(UserError, match=r"^engine.kind openai: httpx is not installed"):
        choose("openai", notes.append)
    assert notes == []
