"""Fits and searches with instant tunings: killed at any write, they end the same."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from selflengthen.cli.options.settings import resolve
from selflengthen.config import TrainConfig
from selflengthen.curate.indicators.models import Models
from selflengthen.curate.indicators.registry import Measured, measure
from selflengthen.curate.io.load import open_rows
from selflengthen.curate.rule import fit as table_of
from selflengthen.curate.rule import rules
from selflengthen.curate.rule.curve import SearchResult, double_descent, figures, plot
from selflengthen.curate.rule.search import Searching, SizeRange
from selflengthen.curate.rule.subsets import Fitting, SubsetPlan, draw
from selflengthen.curate.rule.tuner import perform
from selflengthen.curate.rule.tuning import Loss, Tune, Tuning, TuningSetup
from selflengthen.errors import DamagedFile, TrainingError, UserError
from selflengthen.inputs import models
from selflengthen.inputs.models import Model
from selflengthen.storage.run_dir import RunFolder
from tests.curate.conftest import lines, read
from tests.curate.tuner import Tuner, tune
from tests.loop.scripted_run import survives

Command = Callable[..., str]
NAMES = ("output_length", "mtld")
MODEL = Model("scripted", Path("scripted"), {}, "0" * 64)


def text(rng: random.Random) -> str:
    """Return a text whose length and variety vary freely of each other."""
    pool = [f"word{n}" for n in range(rng.randint(3, 60))]
    return " ".join(rng.choices(pool, k=rng.randint(4, 40)))


@pytest.fixture
def work(work: Path) -> Path:
    """The folder to work in, with 120 rows in `data.jsonl` and an evaluation set."""
    rng = random.Random(1)
    Path("data.jsonl").write_text(
        lines({"prompt": f"Write {n}.", "response": text(rng)} for n in range(120))
    )
    Path("held.jsonl").write_text(
        lines({"instruction": f"Tell {n}.", "output": text(rng)} for n in range(5))
    )
    return work


def setup(model: Model = MODEL, train: TrainConfig | None = None, **changes: Any) -> TuningSetup:
    return TuningSetup(model, train or TrainConfig(), open_rows("held.jsonl"), **changes)


def fitting(subsets: int = 9, rows: int = 20, **changes: Any) -> Fitting:
    data = open_rows("data.jsonl")
    return Fitting(
        data, measure(data, NAMES, Models()), SubsetPlan(subsets, rows), setup(**changes)
    )


def searching(trials: int = 10, least: int = 4, most: int = 120, **changes: Any) -> Searching:
    data = open_rows("data.jsonl")
    predicted = -measure(data, NAMES, Models()).values[:, 0]
    return Searching(data, predicted, SizeRange(least, most, 16), trials, setup(**changes))


def run(job: Any, folder: str, how: Tune = tune) -> Any:
    return asyncio.run(perform(job, Path(folder), tune=how))


def on_file(folder: str | Path) -> dict[str, Any]:
    """Return a series' files by path, without what may differ between equal series."""
    files: dict[str, Any] = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and path.name not in ("lock", "stage.json"):
            name = str(path.relative_to(folder))
            if path.name == "tuned.json":
                files[name] = json.loads(path.read_text()) | {"seconds": 0}
            else:
                files[name] = path.read_bytes()
    return files


@pytest.mark.parametrize("make", [fitting, searching], ids=["fit", "search"])
def test_killed_at_any_write_it_ends_like_an_uninterrupted_one(
    make: Callable[[], Any], work: Path
) -> None:
    def plain(result: Any) -> Any:
        return figures(result) if isinstance(result, SearchResult) else msgspec.to_builtins(result)

    expected = plain(run(make(), "whole"))
    expected_files = on_file("whole")
    assert any("tuned.json" in name for name in expected_files)
    kills, rng = 0, random.Random(3)
    while not survives(partial(run, make(), "killed"), rng.randint(1, 25)):
        kills += 1
    assert kills > 3
    assert on_file("killed") == expected_files
    assert plain(run(make(), "killed", never)) == expected


async def never(tuning: Tuning) -> Loss:
    raise AssertionError(f"{tuning.job.output} was tuned already")


def test_what_was_tuned_is_never_tuned_again_and_counts_may_grow(work: Path) -> None:
    tuned: list[str] = []

    async def counted(tuning: Tuning) -> Loss:
        tuned.append(Path(tuning.job.output).parent.name)
        return await tune(tuning)

    run(fitting(subsets=6), "fit", counted)
    grown = run(fitting(subsets=9), "fit", counted)
    assert tuned == [f"{n:03d}" for n in range(1, 10)]
    assert grown == run(fitting(subsets=9), "other")
    tuned.clear()
    few = run(searching(5), "search", counted)
    more = run(searching(10), "search", counted)
    assert len(tuned) == len(set(tuned)) == 10
    assert few.curve.items() <= more.curve.items()
    assert more.curve == run(searching(10), "again").curve


def test_the_rule_is_that_of_the_subsets_table(work: Path) -> None:
    rule = run(fitting(), "work")
    subsets = table_of.read(Path("work/subsets.jsonl"))
    assert rule == table_of.least_squares(subsets, NAMES) and rule.fit.subsets == 9
    rows = {row["id"] for row in read("work/subsets/001/rows.jsonl")}
    data = list(open_rows("data.jsonl"))
    lengths = [len(row.response.split()) for row in data if str(row.number) in rows]
    assert len(lengths) == 20
    assert subsets[0].indicators["output_length"] == pytest.approx(np.mean(lengths))
    # The double's loss falls by a hundredth and a bit with a word.
    assert rule.weights["output_length"] < -0.01


def test_indicators_spread_more_than_in_plain_samples(work: Path) -> None:
    """Strata of an indicator drawn by lot: in each indicator, over three times the spread."""
    rng = np.random.default_rng(0)
    measured = Measured(("a", "b"), rng.normal(size=(2000, 2)), {})
    means = [measured.values[draw(measured, 100, n, 0).places].mean(0) for n in range(129)]
    assert (np.std(means, axis=0) > 3 / np.sqrt(100)).all()
    assert {draw(measured, 100, n, 0).by for n in range(20)} == {"a", "b"}
    places = draw(measured, 2000, 1, 0).places
    assert places.tolist() == list(range(2000))
    constant = Measured(("c",), np.zeros((50, 1)), {})
    assert len(set(draw(constant, 30, 1, 0).places.tolist())) == 30


def test_adapters_go_unless_they_are_to_stay(work: Path) -> None:
    run(searching(3), "gone")
    assert not list(Path("gone").rglob("adapter_*"))
    run(searching(3, keep=True), "kept")
    assert len(list(Path("kept").rglob("adapter_model.safetensors"))) == 3


def test_a_search_finds_the_lowest_of_all_sizes(work: Path) -> None:
    result = run(searching(16), "all")
    assert list(result.curve) == SizeRange(4, 120, 16).grid()
    assert result.best == min(result.curve, key=lambda size: result.curve[size])
    data = open_rows("data.jsonl")
    lengths = [len(row.response.split()) for row in result.choice.rows]
    left = [
        len(row.response.split())
        for row in data.only(~np.isin(data.numbers, result.choice.rows.numbers))
    ]
    assert len(lengths) == result.best and min(lengths) >= max(left, default=0)
    assert double_descent(result.curve) is not None
    assert plot(result).startswith(b"\x89PNG")
    one = run(searching(4, least=7, most=7), "one")
    assert list(one.curve) == [7] and plot(one).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("losses", "named"),
    [
        ([5, 4, 3, 2], None),
        ([5, 3, 4, 5], None),
        ([3, 4, 2, 1], None),
        ([5, 3, 4, 2], (1, 2, 3, 4)),
        ([5, 3, 4, 3.5], (1, 2, 3, 4)),
        ([5, 3, 3.02, 2], None),
        ([5, 3, 4, 3.99], None),
        ([3.02, 3, 4, 2], None),
        ([5, 4, 4.5, 3, 4.9, 2, 2.5], (1, 4, 5, 6)),
        ([5, 4, 6, 5, 8, 3], (1, 2, 5, 6)),
        ([1], None),
        ([], None),
    ],
)
def test_double_descent_is_a_fall_a_rise_and_a_fall(
    losses: list[float], named: tuple[int, ...] | None
) -> None:
    descent = double_descent(dict(enumerate(losses, 1)))
    shown = descent and (descent.start, descent.valley, descent.peak, descent.end)
    assert shown == named


def test_another_work_is_not_mixed_with_the_first(work: Path) -> None:
    run(fitting(), "work")
    with pytest.raises(UserError, match=r"work: was started with other .*\(seed: 0 → 5\).*--work"):
        run(fitting(seed=5), "work")
    with pytest.raises(UserError, match="rows: 20 → 21"):
        run(fitting(rows=21), "work")
    with pytest.raises(UserError, match="work: fit → search"):
        run(searching(), "work")
    Path("held.jsonl").write_text(Path("held.jsonl").read_text() * 2)
    with pytest.raises(UserError, match="evaluation differs"):
        run(fitting(), "work")
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="mine: contains other files"):
        run(searching(), "mine")
    with RunFolder(Path("busy")).locked(), pytest.raises(UserError, match=r"in use .*--work"):
        run(searching(), "busy")


def test_a_loss_that_is_no_number_ends_it(work: Path) -> None:
    async def lost(tuning: Tuning) -> Loss:
        return Loss(float("nan"), 1, 1)

    with pytest.raises(TrainingError, match=r"subsets/001: the loss on the evaluation set is nan"):
        run(fitting(), "work", lost)
    assert not Path("work/subsets/001/tuned.json").exists()


@pytest.mark.parametrize("content", ["[]", '{"loss": "low"}', '{"loss": 1.0', "7"])
def test_a_damaged_loss_is_named_and_keeps_the_adapter(work: Path, content: str) -> None:
    run(searching(trials=1, keep=True), "search")
    (path,) = Path("search/sizes").glob("*/tuned.json")
    weights = path.parent / "adapter/adapter_model.safetensors"
    weights.touch()
    path.write_text(content)
    with pytest.raises(
        DamagedFile, match=r"tuned\.json: it is not .*; delete it, and run the same"
    ) as e:
        run(searching(trials=1), "search")
    assert "\n" not in str(e.value)
    assert weights.exists()
    path.unlink()
    run(searching(trials=1), "search")


def test_what_cannot_be_is_said_before_the_first_tuning(work: Path) -> None:
    with pytest.raises(UserError, match=r"needs 121 rows, but data.jsonl has 120 rows"):
        fitting(rows=121)
    with pytest.raises(UserError, match="3 subsets are too few for 2 indicators"):
        fitting(subsets=3)
    with pytest.raises(UserError, match="singular: output_length, mtld is the same"):
        fitting(rows=120)
    with pytest.raises(UserError, match=r"up to 121, but data.jsonl has 120 rows"):
        searching(most=121)
    with pytest.raises(UserError, match="no sizes from 9 to 8"):
        searching(least=9, most=8)


FIT = "fit data.jsonl --evaluation held.jsonl --indicators output_length,mtld --rows 20".split()
SEARCH = "search data.jsonl --evaluation held.jsonl --rule rule.yaml --trials 6".split()


@pytest.fixture
def doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selflengthen.curate.rule.tuner.Tuner", Tuner)


@pytest.mark.usefixtures("doubled")
def test_the_commands(work: Path, curate: Command, refused: Command) -> None:
    output = curate(*FIT, "--subsets", "8", "--out", "rule.yaml")
    assert "over 8 subsets; the rule is in rule.yaml" in output
    assert rules.load("rule.yaml").fit is not None
    assert len(list(Path("rule.work/subsets").iterdir())) == 8
    error = refused(*FIT, "--subsets", "8", "--out", "two.yaml", "--work", "rule.work", "--seed=2")
    assert "rule.work: was started with other data or settings (seed: 0 → 2)" in error
    output = curate(*SEARCH, "--out", "best.jsonl")
    figures_of_it = json.loads(Path("best.curve.json").read_text())
    assert len(figures_of_it["curve"]) == 6
    best = figures_of_it["best"]
    assert f"{best} of 120 rows in best.jsonl" in output and "lowest" in output
    assert len(Path("best.jsonl").read_text().splitlines()) == best
    assert len(Path("best.dropped.jsonl").read_text().splitlines()) == 120 - best
    (step,) = json.loads(Path("best.report.json").read_text())["steps"]
    assert step["method"] == "search" and step["trials"] == 6
    assert Path("best.curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_signal_saves_and_the_same_command_goes_on(work: Path) -> None:
    words = [*FIT, "--subsets", "9", "--out", "rule.yaml"]

    def start(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.curate.tuner", *words],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    process = start("curate", *words)
    while not Path("rule.work/subsets/003/tuned.json").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 143, err
    done = len(list(Path("rule.work").rglob("tuned.json")))
    assert 3 <= done < 9 and not Path("rule.yaml").exists()
    again = shlex.split(err.strip().splitlines()[-1].partition("To resume: ")[2])
    assert again == ["python", "-m", "selflengthen", "curate", *words]
    process = start(*again[3:])
    out, err = process.communicate()
    assert process.returncode == 0 and "over 9 subsets" in out, err
    assert rules.load("rule.yaml") == run(
        fitting(model=models.find("pocket"), train=pocket_preset()), "whole"
    )


def pocket_preset() -> TrainConfig:
    return resolve(None, {}, None).config.train


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([*FIT, "--out", "r.yaml", "--subsets", "0"], "--subsets: '0' is not a whole number of 1"),
        ([*FIT, "--out", "r.yaml", "--sampling.top_k", "1"], "no such option or config field"),
        ([*FIT, "--out", "r.yaml", "--model", "nowhere"], "model: there is no folder nowhere"),
        ([*FIT, "--out", "no/r.yaml"], "no: no such folder"),
        ([*FIT, "--out", "r.yaml", "--train.per_device_batch", "3"], "takes a multiple of"),
        ([*FIT, "--out", "r.yaml", "--train.max_length", "99999"], "add --train.max_length"),
        ([*FIT[:3], "none.jsonl", *FIT[4:], "--out", "r.yaml"], "none.jsonl: no such data set"),
        ([*FIT[:3], "empty.jsonl", *FIT[4:], "--out", "r.yaml"], "empty.jsonl: is empty"),
        ([*FIT[:-1], "500", "--out", "r.yaml"], "needs 500 rows, but data.jsonl has 120 rows"),
        ([*FIT[:5], "reward", "--out", "r.yaml"], "reward: needs a model; name one with --reward"),
        ([*SEARCH, "--out", "b.jsonl"], "rule.yaml: no such rule"),
        ([*SEARCH[:5], "published", "--out", "b.jsonl"], "needs a model"),
        (["search", "data.jsonl", "--out", "b.jsonl"], "--evaluation, --rule"),
    ],
)
@pytest.mark.usefixtures("doubled")
def test_bad_input_is_one_line(words: list[str], says: str, work: Path, refused: Command) -> None:
    Path("empty.jsonl").write_text("")
    assert says in refused(*words)
