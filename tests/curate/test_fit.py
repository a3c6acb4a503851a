"""Least squares: recovers known weights, has the right statistics, names what is singular."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from selflengthen.curate.rule.fit import Subset, least_squares
from selflengthen.curate.rule.rules import Rule, load, save
from selflengthen.errors import UserError

Command = Callable[..., str]
WEIGHTS = {"reward": -0.0078, "understandability": 0.4421, "naturalness": -0.3212}
SIZES = {"reward": (3.0, 2.0), "understandability": (0.9, 0.02), "naturalness": (0.85, 0.03)}


def subsets(seed: int, count: int = 129, noise: float = 0.003) -> list[Subset]:
    """Draw subsets whose log loss is the known rule of their indicators, and noise."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(count):
        means = {name: float(rng.normal(*size)) for name, size in SIZES.items()}
        log = 0.0274 + sum(WEIGHTS[name] * mean for name, mean in means.items())
        drawn.append(Subset(means, math.exp(log + noise * rng.normal())))
    return drawn


def test_known_weights_are_recovered_within_two_standard_errors() -> None:
    """In 95 of 100 draws, as two standard errors promise; not in all, or they are too large."""
    within = 0
    for seed in range(100):
        rule = least_squares(subsets(seed))
        assert rule.fit is not None
        within += sum(
            abs(rule.weights[name] - weight) < 2 * rule.fit.weights[name].standard_error
            for name, weight in WEIGHTS.items()
        )
    assert 0.91 < within / 300 < 0.985


def test_one_draw() -> None:
    rule = least_squares(subsets(0))
    assert rule.fit is not None and rule.fit.subsets == 129
    for name, weight in WEIGHTS.items():
        assert abs(rule.weights[name] - weight) < 2 * rule.fit.weights[name].standard_error
        assert rule.fit.weights[name].p_value < 1e-3
    assert abs(rule.intercept - 0.0274) < 2 * rule.fit.intercept.standard_error
    assert rule.fit.r_squared > 0.9


def test_the_statistics_are_those_of_the_normal_equations() -> None:
    """By hand, without the scaling of the columns."""
    from scipy.stats import t

    drawn = subsets(3, 12, 0.05)
    rule = least_squares(drawn)
    x = np.array([[1, *s.indicators.values()] for s in drawn])
    y = np.log([s.loss for s in drawn])
    weights = np.linalg.solve(x.T @ x, x.T @ y)
    rest = y - x @ weights
    errors = np.sqrt(np.diag(np.linalg.inv(x.T @ x)) * (rest @ rest) / (12 - 4))
    assert rule.fit is not None
    terms = [rule.fit.intercept, *rule.fit.weights.values()]
    assert [rule.intercept, *rule.weights.values()] == pytest.approx(weights, rel=1e-6)
    assert [term.standard_error for term in terms] == pytest.approx(errors, rel=1e-6)
    p_values = 2 * t.sf(np.abs(weights / errors), 8)
    assert [term.p_value for term in terms] == pytest.approx(p_values, rel=1e-5)
    share = 1 - (rest @ rest) / ((y - y.mean()) @ (y - y.mean()))
    assert rule.fit.r_squared == pytest.approx(share)
    assert rule.fit.adjusted_r_squared == pytest.approx(1 - (1 - share) * 11 / 8)


def test_the_plain_loss() -> None:
    drawn = [Subset({"a": x}, 2 + 0.5 * x) for x in (0.0, 1.0, 2.0, 4.0)]
    rule = least_squares(drawn, target="loss")
    assert rule.intercept == pytest.approx(2) and rule.weights["a"] == pytest.approx(0.5)


def with_columns(**columns: Callable[[Subset], float]) -> list[Subset]:
    """Return drawn subsets with more indicators, made from the others."""
    return [
        Subset({**s.indicators, **{name: derive(s) for name, derive in columns.items()}}, s.loss)
        for s in subsets(1)
    ]


def test_collinear_indicators_are_named() -> None:
    """Only those that depend on each other, in as many groups as there are."""
    noise = iter(np.random.default_rng(5).normal(size=129))
    drawn = with_columns(
        words=lambda s: s.indicators["reward"] * 3 - 1,
        free=lambda s: float(next(noise)),
        both=lambda s: s.indicators["naturalness"] + s.indicators["understandability"],
    )
    with pytest.raises(UserError) as caught:
        least_squares(drawn)
    message = str(caught.value)
    assert "fit: is singular: " in message and "collinear" in message
    listed = message.removeprefix("fit: is singular: ").partition(" are collinear")[0]
    groups = {frozenset(group.split(" and ")) for group in listed.split("; ")}
    assert groups == {
        frozenset({"reward", "words"}),
        frozenset({"naturalness", "understandability", "both"}),
    }
    names = ["reward", "naturalness", "understandability", "free"]
    assert list(least_squares(drawn, names).weights) == names


def test_a_constant_indicator_is_named() -> None:
    with pytest.raises(UserError, match="singular: same is the same in every subset"):
        least_squares(with_columns(same=lambda s: 0.1))


@pytest.mark.parametrize(
    ("drawn", "says"),
    [
        (subsets(0, 4), "4 subsets are too few for 3 indicators"),
        ([], "there are no indicators"),
        (
            [*subsets(0), Subset({"reward": 1.0}, 1.0, "t.jsonl, line 9")],
            "t.jsonl, line 9: understandability is missing",
        ),
        (with_columns(odd=lambda s: math.nan), "odd is not finite (nan)"),
        ([*subsets(0), Subset(subsets(0)[0].indicators, 0.0, "s")], "s: the loss 0.0 has no log"),
    ],
)
def test_what_cannot_be_fitted(drawn: list[Subset], says: str) -> None:
    with pytest.raises(UserError) as caught:
        least_squares(drawn)
    assert says in str(caught.value)


def test_the_command_and_the_file(work: Path, curate: Command, refused: Command) -> None:
    table = "".join(
        json.dumps({"indicators": s.indicators, "loss": s.loss}) + "\n" for s in subsets(0)
    )
    Path("table.jsonl").write_text(table)
    output = curate("fit", "table.jsonl", "--out", "mine.yaml")
    assert "R² 0.9" in output and "over 129 subsets" in output
    assert load("mine.yaml") == least_squares(subsets(0))
    Path("bad.jsonl").write_text(table + '{"indicators": {"reward": null}, "loss": 1}\n')
    error = refused("fit", "bad.jsonl", "--out", "other.yaml")
    assert "bad.jsonl, line 130: not a subset" in error
    assert "mine.yaml already exists" in refused("fit", "table.jsonl", "--out", "mine.yaml")
    error = refused("fit", "table.jsonl", "--indicators", "reward,mtld", "--out", "other.yaml")
    assert "table.jsonl, line 1: mtld is missing" in error


def test_a_rule_is_saved_as_it_is(tmp_path: Path) -> None:
    for rule in (Rule(0.0, {"a": 1.5}), load("published"), least_squares(subsets(0))):
        save(rule, tmp_path / "rule.yaml")
        assert load(str(tmp_path / "rule.yaml")) == rule


def test_the_published_rule() -> None:
    rule = load("published")
    names = ["naturalness", "reward", "coherence", "understandability"]
    values = np.array([[0.9, 2.0, 0.8, 0.95], [0.0, 0.0, 0.0, 0.0]])
    expected = 0.0274 - 0.0078 * 2 + 0.4421 * 0.95 - 0.3212 * 0.9 - 0.1520 * 0.8
    assert rule.predict(names, values) == pytest.approx([expected, 0.0274])
    with pytest.raises(UserError, match="needs coherence, which was not measured"):
        rule.predict(["reward", "understandability", "naturalness"], values[:, :3])
