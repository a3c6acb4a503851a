"""The shipped double: a function from request to completion.

Tests and dry runs drive the whole loop with it. The reply that comes with it writes nonsense of the
right form: instructions, drafts of titled paragraphs, longer versions of a text it is shown, and
now and then each of the faults that real models have. A reply depends on the request alone.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from selflengthen.engines.base import Completion, Request

Reply = Callable[[Request], Completion]


class Scripted:
    """An engine that answers with `reply`, after `latency` seconds."""

    def __init__(self, reply: Reply | None = None, latency: float = 0) -> None:
        """Answer with `reply`, by default with `nonsense`."""
        self._reply, self._latency = reply or nonsense, latency

    async def complete(self, request: Request) -> Completion:
        """Answer one request; gives way to other coroutines at least once."""
        await asyncio.sleep(self._latency)
        return self._reply(request)

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""


@dataclass(frozen=True)
class _Tongue:
    """What nonsense is made of: words of a language, and how they are put together."""

    words: tuple[str, ...]
    titles: tuple[str, ...]
    space: str  # between words
    comma: str  # between the two clauses of a sentence
    stop: str
    gap: str  # between sentences
    clause: tuple[int, int]  # fewest and most words; short enough that one may stand twice
    ask: str

    @cached_property
    def clauses(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Beginnings and ends of sentences; a quarter of a million sentences in all."""
        rng = random.Random(0)
        made = [
            self.space.join(rng.choices(self.words, k=rng.randint(*self.clause)))
            for _ in range(1024)
        ]
        return tuple(c[0].upper() + c[1:] for c in made[:512]), tuple(made[512:])

    def sentences(self, rng: random.Random, count: int) -> str:
        begin, end = self.clauses
        return self.gap.join(
            f"{begin[int(rng.random() * 512)]}{self.comma}{end[int(rng.random() * 512)]}{self.stop}"
            for _ in range(count)
        )

    def titled(self, text: str) -> list[str]:
        """Return the paragraphs of `text` that this tongue wrote."""
        paragraphs = [p.strip() for p in text.split("\n\n")]
        return [p for p in paragraphs if p.partition("\n")[0] in self.titles and "\n" in p]


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ENGLISH = _Tongue(
    words=_list(
        "the a his her every old new quiet bright heavy small open river harbour garden window "
        "road morning winter letter baker sailor teacher stranger family village market bridge "
        "light story table promise question answer song bread stone field water mountain night "
        "walked carried opened watched remembered followed crossed built found kept told gave "
        "brought painted listened waited and but while because before after under over beside "
        "through with without slowly again never always almost often"
    ),
    titles=tuple(f"Chapter {n}" for n in _list("One Two Three Four Five Six Seven")),
    space=" ",
    comma=", ",
    stop=".",
    gap=" ",
    clause=(5, 7),
    ask="Write a long text about this: ",
)
_CHINESE = _Tongue(
    words=_list(
        "清晨 河流 村庄 老人 孩子 故事 春天 远方 书信 灯火 山路 花园 集市 桥边 雨水 梦想 朋友 "
        "时间 声音 慢慢 走过 看见 记得 带来 打开 穿过 等待 安静 明亮 古老 他们 我们 因为 所以 "
        "然后 仍然 一直 终于"
    ),
    titles=tuple(f"第{number}章" for number in "一二三四五六七"),
    space="",
    comma="，",
    stop="。",
    gap="",
    clause=(3, 5),
    ask="请写一篇长文：",
)
_CJK = re.compile("[\u4e00-\u9fff]")
_FAULTS, _YES = 0.15, 0.9


def nonsense(request: Request) -> Completion:
    """Answer a request with nonsense of the form that it asks for.

    A closed list of answers gets the first of them nine times in ten; a schema gets an object with
    a value for each property, or one time in seven a faulty one; a begun turn that ends in a colon
    gets an instruction; a message that holds titled paragraphs gets them back longer, going on
    after those that stand in the begun turn; all else gets a draft. One text in seven or so is
    faulty: cut off, without an end, or repeating itself.
    """
    rng = random.Random(request.seed)
    if request.choices:
        rest = request.choices[1:] or request.choices
        return _said(request, request.choices[0] if rng.random() < _YES else rng.choice(rest))
    if request.schema:
        return _said(request, _object(request.schema, rng))
    asked = request.messages[-1].content
    tongue = _CHINESE if _CJK.search(asked[:400] + request.prefix[:400]) else _ENGLISH
    if request.prefix.rstrip().endswith((":", "：")):
        return _said(request, f"{tongue.gap}{tongue.ask}{tongue.sentences(rng, 1)}")
    outline = tongue.titled(asked)
    if outline:
        done = len(tongue.titled(request.prefix))
        grown = [p + tongue.gap + tongue.sentences(rng, rng.randint(1, 3)) for p in outline]
        text = "\n\n".join(grown[done:]) or tongue.sentences(rng, 2)
        text = ("\n\n" if request.prefix else "") + text
    else:
        count = rng.randint(3, 6)
        text = "\n\n".join(f"{t}\n{tongue.sentences(rng, 2)}" for t in tongue.titles[:count])
    if rng.random() < _FAULTS:
        return _faulty(request, text, rng)
    return _said(request, text)


def _object(schema: Mapping[str, Any], rng: random.Random) -> str:
    """Write an object of numbers and sentences by a flat schema; a faulty one lacks its end."""
    made = {
        name: rng.choice(kind["enum"]) if "enum" in kind else _ENGLISH.sentences(rng, 1)
        for name, kind in schema["properties"].items()
    }
    text = json.dumps(made)
    return text[:-1] if rng.random() < _FAULTS else text


def _faulty(request: Request, text: str, rng: random.Random) -> Completion:
    fault = rng.randrange(3)
    if fault == 0:
        return _said(request, text[: len(text) * 2 // 3], "length")
    if fault == 1:
        return _said(request, text[:-1])
    return _said(request, f"{text}\n\n{text}")


def _said(request: Request, text: str, reason: str = "stop") -> Completion:
    """Count about a token for four characters, and cut what is over `max_tokens`."""
    most = request.sampling.max_tokens * 4
    if len(text) > most:
        text, reason = text[:most], "length"
    prompt = sum(len(m.content) for m in request.messages) + len(request.prefix)
    return Completion(text, reason, prompt // 4 + 1, len(text) // 4 + 1)
