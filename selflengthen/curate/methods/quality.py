"""Keep the best rows by a rule over quality indicators (InstructMining, arXiv 2307.06290)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from selflengthen.curate.indicators.models import Models
from selflengthen.curate.indicators.registry import Measured, measure
from selflengthen.curate.io.rows import Choice, Dropped, Rows, count_text
from selflengthen.curate.rule.rules import Rule
from selflengthen.errors import UserError

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Bools, Floats, Ints


def quality(rows: Rows, k: int, rule: Rule, models: Models) -> Choice:
    """Keep the k rows with the lowest predicted loss; ties go to the earlier row.

    The kept rows stay in order. Raises UserError if k exceeds the number of rows, a model is
    missing, or an indicator of a row is not a number.
    """
    import numpy as np

    if k > len(rows):
        raise UserError(
            f"quality: k is {k:,}, but {rows.name} has {count_text(rows)}; ask for {len(rows):,} "
            "at most."
        )
    measured = measure(rows, list(rule.weights), models)
    losses = rule.predict(measured.names, measured.values)
    keep = np.zeros(len(rows), bool)
    keep[ranking(losses)[:k]] = True
    dropped = Dropped("predicted loss", rows.numbers[~keep], "predicted", losses[~keep])
    return Choice(rows.only(keep), (dropped,), _figures(measured, losses, keep))


def ranking(losses: Floats) -> Ints:
    """Return the rows' positions from the lowest predicted loss to the highest, ties in order."""
    import numpy as np

    return np.argsort(losses, kind="stable")


def _figures(measured: Measured, losses: Floats, keep: Bools) -> Mapping[str, Any]:
    """Return means over all rows and over those kept, and how many texts a model truncated."""
    columns = dict(zip(measured.names, measured.values.T, strict=True)) | {"predicted": losses}
    return {
        "mean": {name: round(float(column.mean()), 4) for name, column in columns.items()},
        "mean_kept": {
            name: round(float(column[keep].mean()), 4) for name, column in columns.items()
        },
        "cut": {name: count for name, count in measured.cut.items() if count},
    }
