"""After the last round: the texts of all rounds and the collected ones, as one data set.

One instruction can have several texts, because each round drafts and expands it. Instructions that
differ only in white space count as one. The longest texts of each stay; of equal texts, one stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from selflengthen.storage.records import Pair, Record, fingerprint


def pairs(
    number: int | None, texts: Iterable[Record], instructions: Mapping[str, tuple[str, str]]
) -> Iterator[Pair]:
    """Yield the texts of round `number` (None: the collected ones) with their instructions.

    `instructions` maps the id that a text names as its source to the instruction's id and text.
    """
    for record in texts:
        name, instruction = instructions[record.source or ""]
        yield Pair(
            id=record.id,
            round=number,
            instruction_id=name,
            instruction=instruction,
            response=record.text,
            words=record.words,
        )


def find_surplus(candidates: Iterable[Pair], keep: int) -> dict[str, str]:
    """Return the ids to leave out with the reason: `duplicate`, or `over keep`.

    At most `keep` texts per instruction stay. Only digests are in memory at once: the texts of a
    run may not fit.
    """
    texts: dict[bytes, list[tuple[int, str]]] = defaultdict(list)
    seen: set[bytes] = set()
    surplus: dict[str, str] = {}
    for pair in candidates:
        instruction = fingerprint(" ".join(pair.instruction.split()))
        text = fingerprint([instruction.hex(), pair.response])
        if text in seen:
            surplus[pair.id] = "duplicate"
        else:
            seen.add(text)
            texts[instruction].append((-pair.words, pair.id))
    for ranked in texts.values():
        surplus |= {name: "over keep" for _, name in sorted(ranked)[keep:]}
    return surplus
