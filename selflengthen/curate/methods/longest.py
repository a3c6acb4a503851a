"""Keep the longest responses (Long Is More for Alignment, arXiv 2402.04833)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from selflengthen.curate.io.rows import Choice, Dropped, Rows, counted, digest
from selflengthen.errors import UserError
from selflengthen.inputs import pretrained
from selflengthen.text.measures import word_count

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Ints

Unit = Literal["words", "nltk"]
Counts = Callable[[Iterator[str]], Iterator[int]]

_BATCH = 512


def longest(rows: Rows, k: int, tokenizer: str | None = None, unit: Unit = "words") -> Choice:
    """Keep the k longest responses.

    Of rows with equal prompts and equal responses only the first counts. Ties in length go to the
    earlier row. The kept rows stay in order.

    Args:
        rows: the rows to choose from.
        k: how many to keep.
        tokenizer: folder or hub id of a tokenizer whose tokens are counted; None counts `unit`.
        unit: words as everywhere here, or NLTK's word tokens.

    Raises:
        UserError: fewer than k distinct rows exist; the tokenizer cannot be loaded; NLTK is not
            installed.
    """
    import numpy as np

    name, count, figures = _counts(tokenizer, unit)
    lengths, first = _measure(rows, count)
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
    return Choice(
        rows.only(keep),
        (
            Dropped("duplicate", rows.numbers[first >= 0], "duplicate_of", first[first >= 0]),
            Dropped("short", rows.numbers[short], name, lengths[short]),
        ),
        {
            f"mean_{name}": round(float(lengths.mean()), 1),
            f"mean_{name}_kept": round(float(lengths[keep].mean()), 1),
            f"least_{name}_kept": int(lengths[keep].min()),
            **figures,
        },
    )


def _counts(tokenizer: str | None, unit: Unit) -> tuple[str, Counts, dict[str, Any]]:
    """Return what is counted by name, what counts it, and what the report says of that."""
    if tokenizer is not None:
        return "tokens", partial(token_counts, tokenizer=tokenizer), {}
    if unit == "nltk":
        from selflengthen.curate.nltk_words import NltkWords

        words = NltkWords()
        return "nltk_words", words.counts, {"sentences_by": words.sentences}
    return "words", partial(map, word_count), {}


def _measure(rows: Rows, count: Counts) -> tuple[Ints, Ints]:
    """Return the lengths, and for each row the number of the equal one before it or -1."""
    import numpy as np

    first = np.full(len(rows), -1)
    seen: dict[bytes, int] = {}

    def responses() -> Iterator[str]:
        for place, row in enumerate(rows):
            before = seen.setdefault(digest(row), row.number)
            if before != row.number:
                first[place] = before
            yield row.response

    return np.fromiter(count(responses()), np.int64, len(rows)), first


def token_counts(texts: Iterator[str], tokenizer: str) -> Iterator[int]:
    """Yield each text's number of tokens, without special ones.

    Raises UserError if the tokenizer cannot be loaded.
    """
    from itertools import islice

    encode = pretrained.tokenizer(tokenizer)
    while batch := list(islice(texts, _BATCH)):
        encoded = encode(
            batch, add_special_tokens=False, return_attention_mask=False, verbose=False
        )
        yield from map(len, encoded["input_ids"])
