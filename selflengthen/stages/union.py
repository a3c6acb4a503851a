"""After the last round: the texts of all rounds and those collected as one data set.

One instruction can have several texts: each round makes drafts and expansions of it. Instructions
that are equal but for white space count as one. Of its texts the longest stay, and of equal texts
one does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from selflengthen.storage.records import Pair, Record, fingerprint


def pairs(
    number: int | None, texts: Iterable[Record], asked: Mapping[str, tuple[str, str]]
) -> Iterator[Pair]:
    """Yield the texts of a round (None: those collected after the last) with what they answer.

    `asked` is the id and the text of an instruction, by the id that a text has as its source.
    """
    for record in texts:
        name, instruction = asked[record.source or ""]
        yield Pair(
            id=record.id, round=number, instruction_id=name, instruction=instruction,
            response=record.text, words=record.words,
        )  # fmt: skip


def set_aside(made: Iterable[Pair], keep: int) -> dict[str, str]:
    """Return the ids that do not stay, with the reason: `duplicate`, or `over keep`.

    Only digests are held: the texts of a run may not fit into memory together.
    """
    texts: dict[bytes, list[tuple[int, str]]] = defaultdict(list)
    seen, dropped = set(), {}
    for pair in made:
        asked = fingerprint(" ".join(pair.instruction.split()))
        said = fingerprint([asked.hex(), pair.response])
        if said in seen:
            dropped[pair.id] = "duplicate"
        else:
            seen.add(said)
            texts[asked].append((-pair.words, pair.id))
    for found in texts.values():
        dropped |= dict.fromkeys((name for _, name in sorted(found)[keep:]), "over keep")
    return dropped
