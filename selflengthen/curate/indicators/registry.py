"""Indicators of a row, by name (all but ifd: InstructMining, arXiv 2307.06290, table 1).

    input_length, output_length                    words of prompt and response
    mtld                                           lexical diversity of the response
    reward                                         a reward model's score of the response
    perplexity                                     of the response, to a language model
    ifd                                            how much the prompt helps that model to predict
                                                   the response (arXiv 2308.12032)
    naturalness, coherence, understandability      UniEval's of the response
    knn_I                                          distance to the I-th nearest row

From `reward` on, they need a model; see scorers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selflengthen.curate.indicators.models import KNN, NEEDS, Models, model_option
from selflengthen.curate.io.rows import DataRow, Rows
from selflengthen.errors import UserError
from selflengthen.text import measures

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Floats


def input_length(row: DataRow) -> float:
    """Return the number of words of the prompt (in the paper, tokens)."""
    return measures.word_count(row.prompt)


def output_length(row: DataRow) -> float:
    """Return the number of words of the response (in the paper, tokens)."""
    return measures.word_count(row.response)


def mtld(row: DataRow) -> float:
    """Return the response's measure of textual lexical diversity (see `measures.mtld`)."""
    return measures.mtld(row.response)


PLAIN: Mapping[str, Callable[[DataRow], float]] = {
    "input_length": input_length,
    "output_length": output_length,
    "mtld": mtld,
}


@dataclass(frozen=True)
class Measured:
    """Indicators of rows.

    Attributes:
        names: of the columns.
        values: (rows, names).
        cut: by name, how many rows had texts beyond the model's context.
    """

    names: tuple[str, ...]
    values: Floats
    cut: Mapping[str, int]


def check(names: Iterable[str], models: Models) -> None:
    """Raise UserError for an unknown indicator, and for one whose model is not named."""
    for name in names:
        if name not in PLAIN and not model_option(name):
            listed = ", ".join([*PLAIN, *NEEDS])
            raise UserError(f"{name}: no such indicator; there are {listed}.")
        if name not in PLAIN and models.of(name) is None:
            option = f"--{model_option(name)}".replace("_", "-")
            raise UserError(
                f"{name}: needs a model; name one with {option}, a folder or a hub id, or leave "
                f"{name} out."
            )


def measure(rows: Rows, names: Sequence[str], models: Models) -> Measured:
    """Measure indicators of rows; raises UserError if a value is not finite."""
    import numpy as np

    check(names, models)
    values, cut = np.empty((len(rows), len(names))), {}
    for index, name in enumerate(names):
        if name in PLAIN:
            column = np.fromiter(map(PLAIN[name], rows), np.float64, len(rows))
        else:
            column, cut[name] = _by_model(rows, name, models)
        bad = np.flatnonzero(~np.isfinite(column))
        if len(bad):
            at = rows.where(int(rows.numbers[bad[0]]))
            others = f" and {len(bad) - 1:,} more" if len(bad) > 1 else ""
            raise UserError(
                f"{at}: {name} of this row{others} is not a number ({column[bad[0]]}); is its "
                f"response empty? Remove such rows, or leave {name} out."
            )
        values[:, index] = column
    return Measured(tuple(names), values, cut)


def _by_model(rows: Rows, name: str, models: Models) -> tuple[Floats, int]:
    from selflengthen.curate.indicators.cache import score_rows

    model = models.of(name)
    assert model is not None
    near = KNN.fullmatch(name)
    if not near:
        values, cut = score_rows(rows, name, model, models)
        return values[:, 0].astype("f8"), cut
    from selflengthen.curate.indicators.neighbours import distances

    if len(rows) <= int(near[1]):
        raise UserError(
            f"{name}: {rows.name} has {len(rows):,} rows, too few for {near[1]} neighbours each."
        )
    vectors, cut = score_rows(rows, "embedding", model, models)
    return distances(vectors, int(near[1])), cut
