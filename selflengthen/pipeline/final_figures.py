"""How well length demands are followed: held-out instructions with demands, before and after.

`LengthRequest` is all that a text is measured against. A benchmark with instructions of its own
gives a list of them to `items`, and the records that come of it to `measure`.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selflengthen.config import Config
from selflengthen.inputs.seeds import Seed
from selflengthen.length.mentions import KINDS
from selflengthen.length.requirement import LengthRequirement, read_requirement
from selflengthen.length.scores import longen
from selflengthen.stages.contract import Item
from selflengthen.stages.demand import draw_demand
from selflengthen.storage.records import Record, derive_seed
from selflengthen.text.statistics import spread


@dataclass(frozen=True)
class LengthRequest:
    """An instruction with a demand that is not trained on; `id` is that of the held-out one."""

    id: str
    text: str
    demand: LengthRequirement


def ask(held: Iterable[Seed], lengths: Sequence[int], config: Config) -> list[LengthRequest]:
    """Give each held-out instruction a demand, by template, around one of `lengths` (words).

    One that asks for a length already keeps it. One that no wording fits is left out.
    """
    asked = []
    for seed in held:
        own = read_requirement(seed.instruction)
        if own is not None:
            asked.append(LengthRequest(seed.id, seed.instruction, own))
            continue
        chance = derive_seed(config.seed, seed.id, "held-out demand")
        words = random.Random(chance).choice(lengths)
        made = draw_demand(seed.instruction, words, config.finish, config.language, chance)
        if made is not None:
            asked.append(LengthRequest(seed.id, made[1].text, made[0]))
    return asked


def items(name: str, asked: Iterable[LengthRequest]) -> Iterator[Item[str]]:
    """Yield the texts that the model `name` owes."""
    for one in asked:
        yield Item(f"final-held-out-{name}-{one.id}", one.id, one.text)


def compare(
    asked: Sequence[LengthRequest], before: Iterable[Record], after: Iterable[Record]
) -> dict[str, Any]:
    """Return the figures of the base model and of the finished one, and those of every text."""
    texts = [{r.source: r for r in records} for records in (before, after)]
    return {
        "base": measure(asked, texts[0]),
        "final": measure(asked, texts[1]),
        "texts": [
            {
                "id": one.id,
                "instruction": one.text,
                "kind": one.demand.kind,
                "low": one.demand.low,
                "high": one.demand.high,
                "unit": one.demand.unit,
                **{
                    name: {
                        "words": made[one.id].words,
                        "score": round(longen(made[one.id].words, one.demand), 4),
                    }
                    for name, made in zip(("base", "final"), texts, strict=True)
                    if one.id in made
                },
            }
            for one in asked
        ],
    }


def measure(asked: Iterable[LengthRequest], texts: Mapping[str | None, Record]) -> dict[str, Any]:
    """Return LonGen's mean score over all and by kind, the share satisfied, lengths and ends."""
    made = [(one.demand, texts[one.id]) for one in asked if one.id in texts]
    by_kind = {kind: [longen(r.words, d) for d, r in made if d.kind == kind] for kind in KINDS}
    count = max(1, len(made))
    return {
        "texts": len(made),
        "score": _mean([longen(r.words, d) for d, r in made]),
        "by_kind": {
            kind: {"texts": len(found), "score": _mean(found)} for kind, found in by_kind.items()
        },
        "satisfied": round(sum(d.satisfied(r.words) for d, r in made) / count, 4),
        "words": spread([r.words for _, r in made]),
        "ends": round(sum(r.finish_reason == "stop" for _, r in made) / count, 4),
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(statistics.fmean(values), 4) if values else None
