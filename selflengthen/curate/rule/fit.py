"""Least squares: a rule from subsets and the losses of the models tuned on them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from selflengthen.curate.rule.rules import Rule, Statistics, Term
from selflengthen.errors import UserError
from selflengthen.inputs.user_files import check_regular, lines_of

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Floats

_NEGLIGIBLE = 1e-10  # of the largest singular value; below it, columns depend on each other
_SHARE = 1e-6  # a column with less than this in a dependence has no part in it


class Subset(msgspec.Struct, frozen=True):
    """A subset: the mean indicators of its rows, and the loss of the model tuned on them (nats)."""

    indicators: dict[str, float]
    loss: float
    name: str = ""


def least_squares(
    subsets: Sequence[Subset],
    names: Sequence[str] = (),
    target: Literal["log loss", "loss"] = "log loss",
) -> Rule:
    """Fit a rule by ordinary least squares (arXiv 2307.06290, section 3).

    `names` chooses the indicators; without it, all of the first subset are used. Standard errors,
    p-values and R² are those of statsmodels' OLS.

    Raises:
        UserError: an indicator is missing or not finite, a loss has no logarithm, there are too few
            subsets, or the fit is singular; the error then names the indicators that depend on each
            other.
    """
    import numpy as np
    from statsmodels.regression.linear_model import OLS

    names = tuple(names or (subsets[0].indicators if subsets else ()))
    values = _values(subsets, names)
    losses = np.array([_target(subset, target) for subset in subsets])
    check(names, values)
    # Indicators differ by orders of magnitude, so fit scaled columns and scale the weights back.
    means = values.mean(0)
    scales = values.std(0)
    design = np.column_stack([np.ones(len(values)), (values - means) / scales])
    fitted = OLS(losses, design).fit()
    back = np.eye(len(names) + 1)  # maps weights of scaled columns to those of the original ones
    back[0, 1:] = -means / scales
    back[np.arange(1, len(scales) + 1), np.arange(1, len(scales) + 1)] = 1 / scales
    weights = back @ fitted.params
    errors = np.sqrt(np.diag(back @ fitted.cov_params() @ back.T))
    return Rule(
        intercept=float(weights[0]),
        weights=dict(zip(names, weights[1:].tolist(), strict=True)),
        target=target,
        fit=_statistics(names, weights, errors, fitted),
    )


def check(names: Sequence[str], values: Floats) -> None:
    """Raise UserError if no losses could be fitted to these indicators, (subsets, indicators)."""
    if not names:
        raise UserError("fit: there are no indicators; give subsets with `indicators`.")
    if len(values) < len(names) + 2:
        raise UserError(
            f"fit: {len(values)} subsets are too few for {len(names)} indicators and their "
            f"standard errors; give at least {len(names) + 2}, or fewer indicators."
        )
    _reject_singular(names, values)


def read(path: Path) -> list[Subset]:
    """Read subsets from JSONL; raises UserError naming the first bad line."""
    decode = msgspec.json.Decoder(Subset).decode
    subsets = []
    check_regular(path)
    try:
        with open(path, "rb") as file:
            lines = list(enumerate(lines_of(path, file), 1))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    for number, line in lines:
        if not line.strip():
            continue
        try:
            subset = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UserError(
                f"{path}, line {number}: not a subset ({error}); each line has `indicators`, an "
                "object of numbers, and `loss`, a number."
            ) from error
        name = subset.name or f"{path}, line {number}"
        subsets.append(msgspec.structs.replace(subset, name=name))
    if not subsets:
        raise UserError(f"{path}: is empty; give one subset per line.")
    return subsets


def _values(subsets: Sequence[Subset], names: Sequence[str]) -> Floats:
    import numpy as np

    values = np.empty((len(subsets), len(names)))
    for line, subset in enumerate(subsets):
        for column, name in enumerate(names):
            value = subset.indicators.get(name)
            if value is None or not math.isfinite(value):
                fault = "is missing" if value is None else f"is not finite ({value})"
                raise UserError(
                    f"{subset.name or f'subset {line}'}: {name} {fault}; measure it, or leave "
                    f"{name} out."
                )
            values[line, column] = value
    return values


def _target(subset: Subset, target: str) -> float:
    if not math.isfinite(subset.loss) or (target == "log loss" and subset.loss <= 0):
        raise UserError(
            f"{subset.name or 'a subset'}: the loss {subset.loss} has no logarithm; remove this "
            "subset."
        )
    return math.log(subset.loss) if target == "log loss" else subset.loss


def _reject_singular(names: Sequence[str], values: Floats) -> None:
    """Raise UserError if columns depend on each other, or one on the intercept."""
    constant = [n for n, column in zip(names, values.T, strict=True) if _constant(column)]
    if constant:
        raise UserError(
            f"fit: is singular: {', '.join(constant)} is the same in every subset; leave it out, "
            "or give subsets that differ in it."
        )
    groups = list(_dependent(values))
    if groups:
        listed = "; ".join(" and ".join(names[i] for i in group) for group in groups)
        raise UserError(
            f"fit: is singular: {listed} are collinear (one follows from the others); leave one "
            "out."
        )


def _constant(column: Any) -> bool:
    return bool(column.std() <= _NEGLIGIBLE * abs(column).max())


def _dependent(values: Floats) -> Iterator[list[int]]:
    """Yield groups of columns in which each column follows from the others.

    Dependences are the null space of the centred, scaled columns. Its reduced echelon form spreads
    each dependence over as few columns as possible.
    """
    import numpy as np

    scaled = (values - values.mean(0)) / values.std(0)
    _, singular, right = np.linalg.svd(scaled, full_matrices=True)
    rank = int((singular > _NEGLIGIBLE * singular[0]).sum())
    null = right[rank:].copy()
    line = 0
    for column in range(null.shape[1]):
        if line == len(null):
            break
        pivot = line + int(np.argmax(np.abs(null[line:, column])))
        if abs(null[pivot, column]) < _SHARE:
            continue
        null[[line, pivot]] = null[[pivot, line]]
        null[line] /= null[line, column]
        others = np.arange(len(null)) != line
        null[others] -= np.outer(null[others, column], null[line])
        line += 1
    for vector in null:
        yield np.flatnonzero(np.abs(vector) > _SHARE).tolist()


def _statistics(names: Sequence[str], weights: Any, errors: Any, fitted: Any) -> Statistics:
    """Return standard errors, two-sided p-values by Student's t, and R²."""
    import numpy as np
    from scipy.stats import t

    # An exact fit has no errors: any weight but 0 then has a p-value of 0.
    scores = np.where(weights == 0, 0.0, np.inf)
    np.divide(np.abs(weights), errors, out=scores, where=errors > 0)
    p_values = 2 * t.sf(scores, fitted.df_resid)
    terms = [Term(float(error), float(p)) for error, p in zip(errors, p_values, strict=True)]
    return Statistics(
        subsets=int(fitted.nobs),
        r_squared=float(fitted.rsquared),
        adjusted_r_squared=float(fitted.rsquared_adj),
        intercept=terms[0],
        weights=dict(zip(names, terms[1:], strict=True)),
    )
