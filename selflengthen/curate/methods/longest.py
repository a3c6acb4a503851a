"""Keep the longest responses (Long Is More for Alignment, arXiv 2402.04833)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from selflengthen.curate.io.rows import Choice, Dropped, Rows, count_text, digest
from selflengthen.errors import UserError
from selflengthen.inputs import pretrained
from selflengthen.text.measures import word_count

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Bools, Ints

Unit = Literal["words", "nltk"]

_BATCH = 512


@dataclass(frozen=True)
class LengthCounter:
    """Counts the lengths of texts.

    Attributes:
        name: the unit, as in the report's keys.
        count: yields the length of each text.
        figures: what else the report says of the unit.
    """

    name: str
    count: Callable[[Iterator[str]], Iterator[int]]
    figures: Mapping[str, str] = field(default_factory=dict)


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

    counter = _counter(tokenizer, unit)
    lengths, first = _measure(rows, counter)
    unique = np.flatnonzero(first < 0)
    if k > len(unique):
        duplicates = len(rows) - len(unique)
        left = f" and {len(unique):,} without exact duplicates" if duplicates else ""
        raise UserError(
            f"longest: k is {k:,}, but {rows.name} has {count_text(rows)}{left}; ask for at most "
            f"{len(unique):,}."
        )
    keep = np.zeros(len(rows), bool)
    keep[unique[np.argsort(-lengths[unique], kind="stable")[:k]]] = True
    short = ~keep & (first < 0)
    dropped = (
        Dropped("duplicate", rows.numbers[first >= 0], "duplicate_of", first[first >= 0]),
        Dropped("short", rows.numbers[short], counter.name, lengths[short]),
    )
    return Choice(rows.only(keep), dropped, _figures(counter, lengths, keep))


def _figures(counter: LengthCounter, lengths: Ints, keep: Bools) -> Mapping[str, float | str]:
    """Return the mean length of all rows and of the kept ones, and the shortest one kept."""
    name = counter.name
    return {
        f"mean_{name}": round(float(lengths.mean()), 1),
        f"mean_{name}_kept": round(float(lengths[keep].mean()), 1),
        f"least_{name}_kept": int(lengths[keep].min()),
        **counter.figures,
    }


def _counter(tokenizer: str | None, unit: Unit) -> LengthCounter:
    if tokenizer is not None:
        return LengthCounter("tokens", partial(token_counts, tokenizer=tokenizer))
    if unit == "nltk":
        from selflengthen.curate.nltk_words import NltkWords

        words = NltkWords()
        return LengthCounter("nltk_words", words.counts, {"sentences_by": words.sentences})
    return LengthCounter("words", partial(map, word_count))


def _measure(rows: Rows, counter: LengthCounter) -> tuple[Ints, Ints]:
    """Return the lengths, and for each row the number of an equal earlier row, or -1."""
    import numpy as np

    first = np.full(len(rows), -1)
    seen: dict[bytes, int] = {}

    def responses() -> Iterator[str]:
        for place, row in enumerate(rows):
            before = seen.setdefault(digest(row), row.number)
            if before != row.number:
                first[place] = before
            yield row.response

    return np.fromiter(counter.count(responses()), np.int64, len(rows)), first


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
