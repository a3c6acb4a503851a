"""The run command: what it leaves on disk, going on, doing again, growing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from selflengthen.cli import main
from selflengthen.cli.run import command
from selflengthen.config import Config
from tests.cli.test_bad_input import tree


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail as soon as an engine is opened."""

    async def opened(*_: object, **__: object) -> None:
        raise AssertionError("an engine was opened")

    monkeypatch.setattr("selflengthen.cli.runner.open_engine", opened)


def test_a_run_is_complete_in_its_folder(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "small.yaml", "--train.lora-r", "4", "--draft.drop_short=false"]) == 0
    out, _ = capsys.readouterr()
    assert "runs/small: Complete: 2 of 2 rounds." in out and "\n2  " in out
    run = Path("runs/small")
    saved = Config.model_validate(yaml.safe_load((run / "config.yaml").read_text()))
    assert (saved.train.lora_r, saved.draft.drop_short, saved.iterations) == (4, False, 2)
    assert saved.expand.former_share == Config().expand.former_share  # 2/3, to the last digit
    assert (run / "logs/latest").resolve().name == "attempt-01.log"
    turns = ("instruct", "judge", "draft", "expand", "expand-part", "expand-plan", "gate", "demand")
    assert {path.name for path in (run / "prompts").iterdir()} == {
        *(f"{name}.user.md" for name in turns),
        "instruct.assistant.md",
        "judge.answers.md",
        "system.md",
    }


def test_complete_again_at_once(
    work: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    assert main(["run", "small.yaml"]) == 0
    first, before = capsys.readouterr().out, tree(work)
    request.getfixturevalue("no_engine")
    assert main(["run", "small.yaml"]) == 0
    assert capsys.readouterr().out == first
    assert tree(work) == before


def test_a_kill_before_the_last_metrics_is_made_good(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "small.yaml"]) == 0
    first, before = capsys.readouterr().out, tree(Path("runs/small/rounds"))
    Path("runs/small/rounds/02/metrics.json").unlink()
    assert main(["run", "small.yaml"]) == 0
    assert tree(Path("runs/small/rounds")) == before
    assert first.splitlines()[-1] == capsys.readouterr().out.splitlines()[-1]


def test_the_saved_config_means_its_run(work: Path, request: pytest.FixtureRequest) -> None:
    assert main(["run", "small.yaml", "--run-dir", "elsewhere/mine"]) == 0
    request.getfixturevalue("no_engine")
    assert main(["run", "elsewhere/mine/config.yaml"]) == 0
    # The prompts that a run kept are prompts to start from, and count by what they say.
    assert main(["run", "elsewhere/mine/config.yaml", "--prompts", "elsewhere/mine/prompts"]) == 0
    assert not Path("runs").exists()


def test_iterations_may_grow(work: Path) -> None:
    assert main(["run", "small.yaml", "--iterations", "1"]) == 0
    before = tree(Path("runs/small/rounds/01"))
    assert main(["run", "small.yaml", "--iterations", "2"]) == 0
    assert Path("runs/small/rounds/02/metrics.json").is_file()
    assert tree(Path("runs/small/rounds/01")) == before


def test_redo_sets_aside_and_makes_again(work: Path) -> None:
    assert main(["run", "small.yaml"]) == 0
    kept = tree(Path("runs/small/rounds/01"))
    words = ["run", "small.yaml", "--expand.growth", "1.1", "--redo", "2/expand"]
    # Round 1 was made with the other growth: it must be asked for, too.
    assert main(words) == 2
    words[-1] = "1/3-expand"
    assert main(words) == 0
    (aside,) = Path("runs/small/superseded").iterdir()
    assert sorted(p.name for p in (aside / "01").iterdir()) == [
        "3-expand",
        "4-dataset",
        "5-train",
        "6-held-out",
        "metrics.json",
    ]
    now = tree(Path("runs/small/rounds/01"))
    assert {n for n in now if n.startswith("2-draft")} <= {n for n in now if now[n] == kept.get(n)}
    assert Path("runs/small/rounds/02/metrics.json").is_file()


def test_another_engine_may_go_on(work: Path) -> None:
    assert main(["run", "small.yaml"]) == 0
    assert main(["run", "small.yaml", "--engine.in_flight", "3", "--engine.kind", "auto"]) == 0


def test_quality_that_falls_stops_the_run(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "small.yaml", "--iterations", "2", "--held_out.texts", "40", "--seed=4"]
    assert main([*words, "--held_out.max_repeats", "0"]) == 0
    out = capsys.readouterr().out
    assert "Stopped after round 1: " in out and "held_out.max_repeats is 0%" in out
    assert main([*words, "--held_out.max_repeats", "0"]) == 0
    assert capsys.readouterr().out == out
    assert main(words) == 0  # the threshold is no stage's identity: the run goes on
    assert "Complete: 2 of 2 rounds." in capsys.readouterr().out


def test_a_broken_promise_shows_its_traceback(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise KeyError("promise")

    monkeypatch.setattr("selflengthen.cli.runner.train", broken)
    with pytest.raises(KeyError):
        main(["run", "small.yaml"])
    assert "Traceback" in Path("runs/small/logs/latest").read_text()


def test_the_command_that_goes_on() -> None:
    words = ["my config.yaml", "--redo", "2/expand", "--iterations", "3", "--redo=1/draft"]
    assert command(words).endswith("run 'my config.yaml' --iterations 3")
