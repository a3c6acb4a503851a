"""The scripted engine: a function from request to completion, in place of a model.

Tests and dry runs drive the whole loop with it. Its default function writes nonsense of the right
form: instructions, drafts of titled paragraphs, longer versions of a text, and now and then each of
the faults that real models have. A reply depends on the request alone.
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
        self._reply = reply or nonsense
        self._latency = latency

    async def complete(self, request: Request) -> Completion:
        """Answer one request; other coroutines get to run at least once."""
        await asyncio.sleep(self._latency)
        return self._reply(request)

    async def close(self) -> None:
        """Do nothing; there is nothing to free."""


@dataclass(frozen=True)
class _Language:
    """The words of a language, and how sentences are put together."""

    words: tuple[str, ...]
    titles: tuple[str, ...]
    space: str  # between words
    comma: str  # between the two clauses of a sentence
    stop: str
    gap: str  # between sentences
    clause: tuple[int, int]  # fewest and most words; so few that a clause may occur twice
    request: str  # starts an instruction

    @cached_property
    def clauses(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Starts and ends of sentences, 512 each: a quarter of a million sentences."""
        rng = random.Random(0)
        clauses = [
            self.space.join(rng.choices(self.words, k=rng.randint(*self.clause)))
            for _ in range(1024)
        ]
        return tuple(c[0].upper() + c[1:] for c in clauses[:512]), tuple(clauses[512:])

    def sentences(self, rng: random.Random, count: int) -> str:
        return self.gap.join(self._sentence(rng) for _ in range(count))

    def _sentence(self, rng: random.Random) -> str:
        starts, ends = self.clauses
        start = starts[int(rng.random() * 512)]  # faster than rng.choice
        return f"{start}{self.comma}{ends[int(rng.random() * 512)]}{self.stop}"

    def titled(self, text: str) -> list[str]:
        """Return the paragraphs of `text` that begin with one of the titles."""
        paragraphs = [p.strip() for p in text.split("\n\n")]
        return [p for p in paragraphs if p.partition("\n")[0] in self.titles and "\n" in p]


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ENGLISH = _Language(
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
    request="Write a long text about this: ",
)
_CHINESE = _Language(
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
    request="请写一篇长文：",
)
_CJK = re.compile("[\u4e00-\u9fff]")
_FAULT_RATE = 0.15
_FIRST_CHOICE_RATE = 0.9


def nonsense(request: Request) -> Completion:
    """Answer a request with nonsense of the requested form.

    Of a list of choices, it takes the first nine times in ten. For a schema, it writes an object
    with a value for each property. After a prefix that ends in a colon, it writes an instruction.
    It lengthens the titled paragraphs of a message and continues after those in the prefix. For
    anything else, it writes a draft. About one text in seven is faulty: cut off, without an end,
    or repeating itself.
    """
    rng = random.Random(request.seed)
    if request.choices:
        rest = request.choices[1:] or request.choices
        first = rng.random() < _FIRST_CHOICE_RATE
        return _completion(request, request.choices[0] if first else rng.choice(rest))
    if request.schema:
        return _completion(request, _object(request.schema, rng))
    message = request.messages[-1].content
    language = _CHINESE if _CJK.search(message[:400] + request.prefix[:400]) else _ENGLISH
    if request.prefix.rstrip().endswith((":", "：")):
        return _completion(request, f"{language.gap}{language.request}{language.sentences(rng, 1)}")
    paragraphs = language.titled(message)
    if paragraphs:
        done = len(language.titled(request.prefix))
        longer = [p + language.gap + language.sentences(rng, rng.randint(1, 3)) for p in paragraphs]
        text = "\n\n".join(longer[done:]) or language.sentences(rng, 2)
        text = ("\n\n" if request.prefix else "") + text
    else:
        count = rng.randint(3, 6)
        text = "\n\n".join(f"{t}\n{language.sentences(rng, 2)}" for t in language.titles[:count])
    if rng.random() < _FAULT_RATE:
        return _faulty(request, text, rng)
    return _completion(request, text)


def _object(schema: Mapping[str, Any], rng: random.Random) -> str:
    """Write a JSON object for a flat schema; a faulty one lacks its end."""
    values = {
        name: rng.choice(kind["enum"]) if "enum" in kind else _ENGLISH.sentences(rng, 1)
        for name, kind in schema["properties"].items()
    }
    text = json.dumps(values)
    return text[:-1] if rng.random() < _FAULT_RATE else text


def _faulty(request: Request, text: str, rng: random.Random) -> Completion:
    fault = rng.randrange(3)
    if fault == 0:
        return _completion(request, text[: len(text) * 2 // 3], "length")
    if fault == 1:
        return _completion(request, text[:-1])
    return _completion(request, f"{text}\n\n{text}")


def _completion(request: Request, text: str, reason: str = "stop") -> Completion:
    """Cut `text` to `max_tokens` and count its tokens, about one for four characters."""
    limit = request.sampling.max_tokens * 4
    if len(text) > limit:
        text, reason = text[:limit], "length"
    prompt = sum(len(m.content) for m in request.messages) + len(request.prefix)
    return Completion(text, reason, prompt // 4 + 1, len(text) // 4 + 1)
