"""Keep the longest responses (Long Is More for Alignment, arXiv 2402.04833)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from selflengthen.curate.io.rows import Choice, Dropped, Rows, counted, digest
from selflengthen.errors import UserError
from selflengthen.text.measures import word_count

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Ints

_BATCH = 512


def longest(rows: Rows, k: int, tokenizer: str | None = None) -> Choice:
    """Keep the k longest responses, in words or in tokens of a tokenizer (a folder or hub id).

    Of rows with equal prompts and equal responses only the first counts. Ties in length go to the
    earlier row. The kept rows stay in order. Raises UserError if fewer than k distinct rows exist.
    """
    import numpy as np

    lengths, first = _in_tokens(rows, tokenizer) if tokenizer else _in_words(rows)
    unique = np.flatnonzero(first < 0)
    if k > len(unique):
        duplicates = len(rows) - len(unique)
        left = f" and {len(unique):,} without exact duplicates" if duplicates else ""
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
    """Return the words of each response, and the number of the first equal row before it or -1."""
    import numpy as np

    lengths = np.zeros(len(rows), np.int64)
    first = np.full(len(rows), -1)
    seen: dict[bytes, int] = {}
    for place, row in enumerate(rows):
        before = seen.setdefault(digest(row), row.number)
        if before != row.number:
            first[place] = before
        lengths[place] = word_count(row.response)
    return lengths, first


def _in_tokens(rows: Rows, tokenizer: str) -> tuple[Ints, Ints]:
    """Return the same in tokens; the rows are read once, since a set may not fit into memory."""
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
    """Yield each text's number of tokens, without special ones.

    Raises UserError if the tokenizer cannot be loaded.
    """
    from itertools import islice

    from transformers import AutoTokenizer

    try:
        tokenize = AutoTokenizer.from_pretrained(tokenizer)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"tokenizer {tokenizer}: cannot be loaded ({reason:.200}); give a folder that "
            "contains a tokenizer, or a hub id."
        ) from error
    while batch := list(islice(texts, _BATCH)):
        encoded = tokenize(
            batch, add_special_tokens=False, return_attention_mask=False, verbose=False
        )
        yield from map(len, encoded["input_ids"])
