"""How well length requirements are followed: held-out instructions, before and after training.

`LengthRequest` is all that a text is measured against: `items` has the texts written, `measure`
compares their records with it.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from selflengthen.config import Config
from selflengthen.inputs.seeds import Seed
from selflengthen.length.mentions import KINDS
from selflengthen.length.requirement import LengthRequirement, read_requirement
from selflengthen.length.scores import longen
from selflengthen.stages.contract import Item
from selflengthen.stages.demand import draw_demand
from selflengthen.storage.figures import (
    FinalFigures,
    KindScore,
    LengthFollowing,
    RequirementScores,
    TextScore,
)
from selflengthen.storage.records import Record, derive_seed
from selflengthen.storage.schemas import Spread
from selflengthen.text.statistics import spread


@dataclass(frozen=True)
class LengthRequest:
    """A held-out instruction (`id` is its own) with a length requirement; never trained on."""

    id: str
    text: str
    demand: LengthRequirement


def ask(seeds: Iterable[Seed], lengths: Sequence[int], config: Config) -> list[LengthRequest]:
    """Give each held-out instruction a requirement, by template, around one of `lengths` (words).

    One that asks for a length already keeps it. One that no wording fits is left out.
    """
    requests = []
    for seed in seeds:
        own = read_requirement(seed.instruction)
        if own is not None:
            requests.append(LengthRequest(seed.id, seed.instruction, own))
            continue
        drawn_by = derive_seed(config.seed, seed.id, "held-out demand")
        words = random.Random(drawn_by).choice(lengths)
        drawn = draw_demand(seed.instruction, words, config.finish, config.language, drawn_by)
        if drawn is not None:
            requirement, phrased = drawn
            requests.append(LengthRequest(seed.id, phrased.text, requirement))
    return requests


def items(name: str, requests: Iterable[LengthRequest]) -> Iterator[Item[str]]:
    """Yield the texts that the model `name` has to write."""
    for request in requests:
        yield Item(f"final-held-out-{name}-{request.id}", request.id, request.text)


def compare(
    requests: Sequence[LengthRequest], before: Iterable[Record], after: Iterable[Record]
) -> FinalFigures:
    """Return the figures of the base model and of the finished one, and those of every text."""
    base = {record.source: record for record in before}
    final = {record.source: record for record in after}
    return FinalFigures(
        base=measure(requests, base),
        final=measure(requests, final),
        texts=[
            RequirementScores(
                id=request.id,
                instruction=request.text,
                kind=request.demand.kind,
                low=request.demand.low,
                high=request.demand.high,
                unit=request.demand.unit,
                base=_score(request, base),
                final=_score(request, final),
            )
            for request in requests
        ],
    )


def measure(
    requests: Iterable[LengthRequest], texts: Mapping[str | None, Record]
) -> LengthFollowing:
    """Return LonGen's mean score over all and by kind, the share satisfied, lengths and ends."""
    pairs = [(each.demand, texts[each.id]) for each in requests if each.id in texts]
    by_kind = {kind: [longen(r.words, d) for d, r in pairs if d.kind == kind] for kind in KINDS}
    count = max(1, len(pairs))
    return LengthFollowing(
        texts=len(pairs),
        score=_mean([longen(r.words, d) for d, r in pairs]),
        by_kind={kind: KindScore(len(scores), _mean(scores)) for kind, scores in by_kind.items()},
        satisfied=round(sum(d.satisfied(r.words) for d, r in pairs) / count, 4),
        words=Spread(**spread([r.words for _, r in pairs])),
        ends=round(sum(r.finish_reason == "stop" for _, r in pairs) / count, 4),
    )


def _score(request: LengthRequest, texts: Mapping[str | None, Record]) -> TextScore | None:
    if request.id not in texts:
        return None
    words = texts[request.id].words
    return TextScore(words, round(longen(words, request.demand), 4))


def _mean(values: Sequence[float]) -> float | None:
    return round(statistics.fmean(values), 4) if values else None
