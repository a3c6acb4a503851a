"""Mix rows of a general data set into the others, against forgetting (arXiv 2410.10210)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from selflengthen.curate.io.rows import Choice, Rows, count_text
from selflengthen.errors import UserError
from selflengthen.storage.records import derive_seed

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Ints


def mix(rows: Rows, general: Rows, share: float, seed: int = 0) -> Choice:
    """Add `share` general rows per row, drawn without replacement, at random places.

    At least one is added. Rows of each set stay in their order. General rows whose fields differ
    are rewritten with the fields of the first source. Raises UserError if the general set has too
    few rows.
    """
    import numpy as np

    count = max(1, round(len(rows) * share))
    if count > len(general):
        raise UserError(
            f"mix: {count_text(rows)} need {count:,} general ones, but {general.name} has "
            f"{count_text(general)}; use a larger set or another ratio."
        )
    before = sum(len(source) for source in rows.sources)
    drawn = general.numbers[_draw(seed, "rows", len(general), count)] + before
    total = len(rows) + count
    added = np.zeros(total, bool)
    added[_draw(seed, "places", total, count)] = True
    numbers = np.zeros(total, np.int64)
    numbers[added] = drawn
    numbers[~added] = rows.numbers
    mixed = Rows(rows.sources + general.sources, numbers)
    return Choice(mixed, (), {"added": count, "general": general.name})


def _draw(seed: int, what: str, among: int, count: int) -> Ints:
    """Return `count` different numbers below `among`, ascending."""
    import numpy as np

    rng = random.Random(derive_seed(seed, "mix", what))
    return np.array(sorted(rng.sample(range(among), count)), np.int64)
