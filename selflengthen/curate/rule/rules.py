"""Rules: they predict, from the indicators of rows, the loss of a model tuned on such rows.

A rule is a YAML file with `intercept` and `weights`; one written by `fit` has its statistics, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import yaml

from selflengthen.errors import UserError
from selflengthen.inputs import user_yaml
from selflengthen.inputs.user_files import check_regular, looked_in
from selflengthen.storage.atomic import rewrite

if TYPE_CHECKING:
    from selflengthen.curate.io.rows import Floats


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The standard error of one weight, and its two-sided p-value by Student's t."""

    standard_error: float
    p_value: float


class Statistics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well a rule fits the subsets that it was fitted to."""

    subsets: int
    r_squared: float
    adjusted_r_squared: float
    intercept: Term
    weights: dict[str, Term]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A linear rule: intercept + Σ weight · indicator predicts the target; lower is better."""

    intercept: float
    weights: dict[str, float]
    target: Literal["log loss", "loss"] = "log loss"
    fit: Statistics | None = None

    def predict(self, names: Sequence[str], values: Floats) -> Floats:
        """Return the predicted target of each row.

        `values` is (rows, indicators) with the columns `names`. Raises UserError if an indicator
        of the rule is missing.
        """
        import numpy as np

        missing = [name for name in self.weights if name not in names]
        if missing:
            raise UserError(
                f"the rule needs {', '.join(missing)}, which was not measured; measured: "
                f"{', '.join(names) or 'nothing'}."
            )
        columns = [list(names).index(name) for name in self.weights]
        weights = np.array(list(self.weights.values()))
        predicted: Floats = self.intercept + values[:, columns] @ weights
        return predicted


def shipped() -> dict[str, Path]:
    """Return the files of the shipped rules, by name."""
    folder = Path(str(resources.files("selflengthen"))) / "curate" / "rule"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(name: str) -> Rule:
    """Read a rule, a YAML file or a shipped one by name; raises UserError."""
    path = Path(name)
    check_regular(path)
    if not path.is_file():
        rules = shipped()
        if name not in rules:
            raise UserError(
                f"{name}: no such rule{looked_in(name)}; give a YAML file or one of "
                f"{', '.join(rules)}."
            )
        path = rules[name]
    values, _ = user_yaml.read(path, str(path))
    try:
        rule = msgspec.convert(values, Rule)
    except msgspec.ValidationError as error:
        raise UserError(
            f"{path}: is not a rule ({error}); a rule has `intercept` and `weights`."
        ) from error
    if not rule.weights:
        raise UserError(f"{path}: has no weights; under `weights:` write one indicator per line.")
    return rule


def save(rule: Rule, path: Path) -> None:
    """Write a rule as YAML."""
    plain = msgspec.to_builtins(rule)
    if rule.fit is None:
        del plain["fit"]
    rewrite(path, [yaml.safe_dump(plain, sort_keys=False).encode()])
