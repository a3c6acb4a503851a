"""Measures the quality of texts without a judge: overall, and by decile of position.

The deciles show where texts begin to repeat themselves: `rep_4` counts 4-grams that occurred
earlier in the text, and `first_repeat` is the share of texts whose first repeat, as defined by
`has_repeat` (10 words, 13 CJK characters), ends in that decile.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from selflengthen.evaluate.figures import DecileFigures, QualityFigures
from selflengthen.evaluate.responses import ResponseRow
from selflengthen.text.checks import ending
from selflengthen.text.measures import distinct, gzip_ratio, mtld, tokens, word_count
from selflengthen.text.repeats import has_repeat
from selflengthen.text.statistics import mean, spread, variety

DECILES = 10
LONG = 100
"""Words. Shorter texts have no deciles, and shorter texts and parts no MTLD."""


def read_quality(rows: Iterable[ResponseRow]) -> QualityFigures:
    """Measure the field `response` of all rows, and `finish_reason` if it is present."""
    texts: list[str] = []
    reasons: list[str | None] = []
    for row in rows:
        texts.append(row.text("response"))
        reasons.append(row.optional_text("finish_reason"))
    return quality(texts, reasons)


def quality(texts: Sequence[str], finish_reasons: Sequence[str | None] = ()) -> QualityFigures:
    """Measure texts.

    `truncated` is the share without an ending (`checks.ending`), `ends` the share of finish reasons
    that are `stop` (None if no reason is known). Measures of variety are means over the texts that
    are not blank. The other figures include blank texts, which count as truncated.
    """
    written = [text for text in texts if text.strip()]
    reasons = [reason for reason in finish_reasons if reason is not None]
    long = [text for text in written if word_count(text) >= LONG]
    return QualityFigures(
        responses=len(texts),
        empty=len(texts) - len(written),
        words=spread([word_count(text) for text in texts]),
        truncated=mean(ending(text) is not None for text in texts),
        ends=mean(reason == "stop" for reason in reasons) if reasons else None,
        **variety(written),
        mtld=mean(mtld(text) for text in long) if long else None,
        long=len(long),
        by_decile=by_decile(long),
    )


@dataclass(slots=True)
class _DecileValues:
    """The measures of one decile; each list has one value per text."""

    rep_4: list[float] = field(default_factory=list)
    distinct_2: list[float] = field(default_factory=list)
    distinct_3: list[float] = field(default_factory=list)
    gzip_ratio: list[float] = field(default_factory=list)
    mtld: list[float] = field(default_factory=list)
    first_repeats: int = 0


def by_decile(texts: Sequence[str]) -> list[DecileFigures]:
    """Return the variety of each tenth of the texts' characters, first to last; [] without texts.

    The sum of `first_repeat` over the deciles is the share of texts that repeat themselves.
    """
    if not texts:
        return []
    deciles = [_DecileValues() for _ in range(DECILES)]
    for text in texts:
        for decile, (part, repeated) in zip(deciles, _parts(text), strict=True):
            decile.rep_4.append(repeated)
            decile.distinct_2.append(distinct(part, 2))
            decile.distinct_3.append(distinct(part, 3))
            decile.gzip_ratio.append(gzip_ratio(part))
            if word_count(part) >= LONG:
                decile.mtld.append(mtld(part))
        if has_repeat(text):
            deciles[_first_repeat(text)].first_repeats += 1
    return [
        DecileFigures(
            decile=number,
            rep_4=mean(decile.rep_4),
            distinct_2=mean(decile.distinct_2),
            distinct_3=mean(decile.distinct_3),
            gzip_ratio=mean(decile.gzip_ratio),
            mtld=mean(decile.mtld) if decile.mtld else None,
            first_repeat=round(decile.first_repeats / len(texts), 4),
        )
        for number, decile in enumerate(deciles, 1)
    ]


def _parts(text: str) -> Iterator[tuple[str, float]]:
    """Yield each tenth, with the share of the 4-grams ending in it that occurred before."""
    seen = set[tuple[str, ...]]()
    before: list[str] = []
    for i in range(DECILES):
        part = text[_cut(text, i) : _cut(text, i + 1)]
        split = [*before, *tokens(part)]
        before = split[-3:]
        count = 0
        repeated = 0
        for gram in zip(*(split[skip:] for skip in range(4)), strict=False):
            count += 1
            repeated += gram in seen
            seen.add(gram)
        yield part, repeated / count if count else 0.0


def _first_repeat(text: str) -> int:
    """Return the decile, from 0, in which the first repeat ends; the text must have one."""
    return bisect_left(
        range(DECILES - 1), True, key=lambda i: has_repeat(text[: _cut(text, i + 1)])
    )


def _cut(text: str, decile: int) -> int:
    return len(text) * decile // DECILES
