"""Stage 4: the rows that both roles learn from (paper section 3.4).

The generator learns instruction → expansion. The expander learns instruction and a thinned draft →
expansion, so that it does more than repeat what it is given.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping

from selflengthen.config import DatasetConfig
from selflengthen.inputs.prompts import Prompts
from selflengthen.storage.records import Record, Row, derive_seed


def generator_rows(
    expansions: Iterable[Record], instruction_of: Mapping[str, str], prompts: Prompts
) -> Iterator[Row]:
    """Yield instruction → expansion; `instruction_of` is an instruction's text by draft id."""
    for expansion in expansions:
        user = prompts.fill("draft.user", instruction=instruction_of[expansion.source or ""])
        yield _row(expansion, user)


def expander_rows(
    expansions: Iterable[Record],
    instruction_of: Mapping[str, str],
    draft_of: Mapping[str, str],
    prompts: Prompts,
    config: DatasetConfig,
    seed: int,
) -> Iterator[Row]:
    """Yield instruction and thinned draft → expansion; both mappings are texts by draft id."""
    for expansion in expansions:
        draft = expansion.source or ""
        chance = random.Random(derive_seed(seed, expansion.id, "outline"))
        user = prompts.fill(
            "expand.user",
            instruction=instruction_of[draft],
            outline=thin(draft_of[draft], config.keep_line, chance),
        )
        yield _row(expansion, user)


def thin(text: str, keep: float, chance: random.Random) -> str:
    """Keep each line that is not blank with probability `keep`, and at least one."""
    lines = text.split("\n")
    written = [i for i, line in enumerate(lines) if line.strip()]
    kept = {i for i in written if chance.random() < keep} or set(written[:1])
    thinned: list[str] = []
    for i, line in enumerate(lines):
        blank = not line.strip()
        if i in kept or (blank and thinned and thinned[-1].strip()):
            thinned.append(line)
    return "\n".join(thinned).strip()


def _row(expansion: Record, user: str) -> Row:
    return Row(
        id=expansion.id,
        prompt=[{"role": "user", "content": user}],
        completion=[{"role": "assistant", "content": expansion.text}],
    )
