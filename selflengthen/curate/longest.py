"""The longest responses (Long Is More for Alignment, arXiv 2402.04833)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from selflengthen import pretrained
from selflengthen.curate.rows import Choice, Dropped, Rows, counted, digest
from selflengthen.errors import UserError
from selflengthen.text import word_count

if TYPE_CHECKING:
    from selflengthen.curate.rows import Ints

_BATCH = 512


def longest(rows: Rows, k: int, tokenizer: str | None = None) -> Choice:
    """Keep the k longest responses, in words or in tokens of a tokenizer (a folder or hub id).

    Of rows with the same prompt and the same response the first counts; of responses of the same
    length the first is taken. The order of the rows stays. Raises UserError where fewer than k
    rows are left without duplicates.
    """
    import numpy as np

    lengths, first = _in_tokens(rows, tokenizer) if tokenizer else _in_words(rows)
    unique = np.flatnonzero(first < 0)
    if k > len(unique):
        twice = len(rows) - len(unique)
        left = f" and {len(unique):,} without exact duplicates" if twice else ""
        raise UserError(
            f"longest: k is {k:,}, but {rows.name} has {counted(rows)}{left}; ask for "
            f"{len(unique):,} at most."
        )
    chosen = unique[np.argsort(-lengths[unique], kind="stable")[:k]]
    keep = np.zeros(len(rows), bool)
    keep[chosen] = True
    short = ~keep & (first < 0)
    unit = "tokens" if tokenizer else "words"
    return Choice(
        rows.only(keep),
        (
            Dropped("duplicate", rows.numbers[first >= 0], "duplicate_of", first[first >= 0]),
            Dropped("short", rows.numbers[short], unit, lengths[short]),
        ),
        {
            f"mean_{unit}": round(float(lengths.mean()), 1),
            f"mean_{unit}_kept": round(float(lengths[keep].mean()), 1),
            f"least_{unit}_kept": int(lengths[keep].min()),
        },
    )


def _in_words(rows: Rows) -> tuple[Ints, Ints]:
    """Return the responses' words, and for each row the number of the equal one before it or -1."""
    import numpy as np

    lengths, first = np.zeros(len(rows), np.int64), np.full(len(rows), -1)
    seen: dict[bytes, int] = {}
    for place, row in enumerate(rows):
        before = seen.setdefault(digest(row), row.number)
        if before != row.number:
            first[place] = before
        lengths[place] = word_count(row.response)
    return lengths, first


def _in_tokens(rows: Rows, tokenizer: str) -> tuple[Ints, Ints]:
    import numpy as np

    first = np.full(len(rows), -1)
    seen: dict[bytes, int] = {}

    def responses() -> Iterator[str]:
        for place, row in enumerate(rows):
            before = seen.setdefault(digest(row), row.number)
            if before != row.number:
                first[place] = before
            yield row.response

    counts = np.fromiter(token_counts(responses(), tokenizer), np.int64, len(rows))
    return counts, first


def token_counts(texts: Iterator[str], tokenizer: str) -> Iterator[int]:
    """Count tokens by a model's tokenizer, special ones left out."""
    from itertools import islice

    encode = pretrained.tokenizer(tokenizer)
    while batch := list(islice(texts, _BATCH)):
        found = encode(batch, add_special_tokens=False, return_attention_mask=False, verbose=False)
        yield from map(len, found["input_ids"])
