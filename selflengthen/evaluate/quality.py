"""The quality of a set of texts as far as it can be counted, whole and by decile of position.

Where a text begins to repeat itself shows in the deciles: `rep_4` there counts n-grams that stood
anywhere before in the text, and `first_repeat` says in how many texts the first repeat (as the
checks have it: 10 words, 13 CJK characters) ends there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from selflengthen.evaluate.responses import Row
from selflengthen.text.checks import ending
from selflengthen.text.measures import distinct, gzip_ratio, has_repeat, mtld, tokens, word_count
from selflengthen.text.statistics import mean, spread, variety

DECILES = 10
LONG = 100  # words from which on a text has deciles, and a text or a decile an MTLD


def read_quality(rows: Iterable[Row]) -> dict[str, Any]:
    """Return the quality of the field `response`; `finish_reason` is read where it is there."""
    texts, reasons = [], []
    for row in rows:
        texts.append(row.text("response"))
        reasons.append(row.optional_text("finish_reason"))
    return quality(texts, reasons)


def quality(texts: Sequence[str], finish_reasons: Sequence[str | None] = ()) -> dict[str, Any]:
    """Return lengths, variety, and the shares that are cut off and that ended by themselves.

    `truncated` is the share that does not end (`checks.ending`), `ends` the share of finish reasons
    that are `stop` (None where no reason is known). All is the mean over the texts that are not
    empty, but for the shares, where an empty text is truncated.
    """
    written = [text for text in texts if text.strip()]
    reasons = [reason for reason in finish_reasons if reason is not None]
    long = [text for text in written if word_count(text) >= LONG]
    return {
        "responses": len(texts),
        "empty": len(texts) - len(written),
        "words": spread([word_count(text) for text in texts]),
        "truncated": mean(ending(text) is not None for text in texts),
        "ends": mean(reason == "stop" for reason in reasons) if reasons else None,
        **variety(written),
        "mtld": mean(mtld(text) for text in long) if long else None,
        "long": len(long),
        "by_decile": by_decile(long),
    }


@dataclass(slots=True)
class _Decile:
    """What is counted in one tenth of the texts; a list has a value a text."""

    rep_4: list[float] = field(default_factory=list)
    distinct_2: list[float] = field(default_factory=list)
    distinct_3: list[float] = field(default_factory=list)
    gzip_ratio: list[float] = field(default_factory=list)
    mtld: list[float] = field(default_factory=list)
    first_repeats: int = 0


def by_decile(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return the variety of each tenth of the texts, from the first to the last.

    Tenths are of the characters. `first_repeat` is a share of the texts; all ten together are the
    share that repeats itself at all.
    """
    deciles = [_Decile() for _ in range(DECILES)]
    for text in texts:
        for decile, (part, again) in zip(deciles, _parts(text), strict=True):
            decile.rep_4.append(again)
            decile.distinct_2.append(distinct(part, 2))
            decile.distinct_3.append(distinct(part, 3))
            decile.gzip_ratio.append(gzip_ratio(part))
            if word_count(part) >= LONG:
                decile.mtld.append(mtld(part))
        if has_repeat(text):
            deciles[_first_repeat(text)].first_repeats += 1
    return [
        {
            "decile": number,
            "rep_4": mean(decile.rep_4),
            "distinct_2": mean(decile.distinct_2),
            "distinct_3": mean(decile.distinct_3),
            "gzip_ratio": mean(decile.gzip_ratio),
            "mtld": mean(decile.mtld) if decile.mtld else None,
            "first_repeat": round(decile.first_repeats / len(texts), 4),
        }
        for number, decile in enumerate(deciles, 1)
        if texts
    ]


def _parts(text: str) -> Iterator[tuple[str, float]]:
    """Yield each tenth, and what share of the 4-grams that end in it stood before."""
    seen = set[tuple[str, ...]]()
    before: list[str] = []
    for i in range(DECILES):
        part = text[_place(text, i) : _place(text, i + 1)]
        split = [*before, *tokens(part)]
        before = split[-3:]
        count = again = 0
        for gram in zip(*(split[skip:] for skip in range(4)), strict=False):
            count += 1
            again += gram in seen
            seen.add(gram)
        yield part, again / count if count else 0.0


def _first_repeat(text: str) -> int:
    """Return the decile, from 0, in which a repeat is first there; one has to be."""
    return bisect_left(
        range(DECILES - 1), True, key=lambda i: has_repeat(text[: _place(text, i + 1)])
    )


def _place(text: str, decile: int) -> int:
    return len(text) * decile // DECILES
