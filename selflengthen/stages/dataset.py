"""Stage 4: the rows that both roles learn from (paper section 3.4).

The generator learns instruction → expansion. The expander learns (instruction, thinned draft) →
expansion; with lines of the draft missing it must do more than copy its input. Where drafts are
lengthened by section it learns that: each rewritten part of an expansion is a row.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from selflengthen.config import DatasetConfig
from selflengthen.inputs.prompts import Prompts
from selflengthen.stages.expansion import part_message
from selflengthen.storage.records import Record, RewrittenPart, TrainingRow, derive_seed, part_row
from selflengthen.text.measures import is_divider


def generator_rows(
    expansions: Iterable[Record], instruction_of: Mapping[str, str], prompts: Prompts
) -> Iterator[TrainingRow]:
    """Yield instruction → expansion; `instruction_of` maps a draft's id to its instruction."""
    for expansion in expansions:
        user = prompts.fill("draft.user", instruction=instruction_of[expansion.source or ""])
        yield _row(expansion.id, user, expansion.text)


def expander_rows(
    expansions: Iterable[Record],
    instruction_of: Mapping[str, str],
    draft_of: Mapping[str, str],
    prompts: Prompts,
    config: DatasetConfig,
    seed: int,
) -> Iterator[TrainingRow]:
    """Yield (instruction, thinned draft) → expansion; both mappings map a draft's id to a text.

    `seed` is the run's: which lines stay depends on it and the expansion's id alone.
    """
    for expansion in expansions:
        draft = expansion.source or ""
        rng = random.Random(derive_seed(seed, expansion.id, "outline"))
        user = prompts.fill(
            "expand.user",
            instruction=instruction_of[draft],
            outline=thin(draft_of[draft], config.keep_line, rng),
        )
        yield _row(expansion.id, user, expansion.text)


def part_rows(
    expansions: Iterable[Record], instruction_of: Mapping[str, str], prompts: Prompts
) -> Iterator[TrainingRow]:
    """Yield request for a part → the part as it was rewritten, for each part of the expansions."""
    for expansion in expansions:
        instruction = instruction_of[expansion.source or ""]
        parts = msgspec.convert(expansion.details["parts"], list[RewrittenPart])
        for place, part in enumerate(parts, 1):
            user = part_message(prompts, instruction, part)
            yield _row(part_row(expansion.id, place), user, part.text)


def thin(text: str, keep: float, rng: random.Random) -> str:
    """Keep each line that is not blank with probability `keep`, but at least one.

    Dividing lines count as blank, as the expander never sees one (see `measures.paragraphs`).
    """
    lines = ["" if is_divider(line) else line for line in text.split("\n")]
    filled = [i for i, line in enumerate(lines) if line.strip()]
    chosen = {i for i in filled if rng.random() < keep} or set(filled[:1])
    thinned: list[str] = []
    for i, line in enumerate(lines):
        blank = not line.strip()
        # A blank line stays only behind a line of text, so that no gap doubles.
        if i in chosen or (blank and thinned and thinned[-1].strip()):
            thinned.append(line)
    return "\n".join(thinned).strip()


def _row(name: str, user: str, text: str) -> TrainingRow:
    return TrainingRow(
        id=name,
        prompt=[{"role": "user", "content": user}],
        completion=[{"role": "assistant", "content": text}],
    )
