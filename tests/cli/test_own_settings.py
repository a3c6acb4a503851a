"""A run that exists takes what a command does not say from its own configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from selflengthen.cli import main
from selflengthen.cli.options.config_fields import fields
from selflengthen.config import Config, ExpandConfig
from tests.cli.test_bad_input import refused

RUN = Path("runs/small")


@pytest.fixture
def run(work: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A run of one round whose growth and rate nobody named or changed."""
    assert main(["run", "small.yaml", "--iterations", "1", "--engine.in_flight", "16"]) == 0
    capsys.readouterr()
    return RUN


@pytest.fixture
def later_version(run: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A version with another default."""

    def rebuild() -> None:
        ExpandConfig.model_rebuild(force=True)
        Config.model_rebuild(force=True)
        fields.cache_clear()

    with monkeypatch.context() as patch:
        patch.setattr(ExpandConfig.model_fields["growth"], "default", 1.5)
        rebuild()
        assert ExpandConfig().growth == 1.5
        yield
    rebuild()
    assert ExpandConfig().growth == 1.2


def own() -> Config:
    return Config.model_validate(yaml.safe_load((RUN / "config.yaml").read_text()))


@pytest.mark.usefixtures("later_version")
@pytest.mark.parametrize(
    "words",
    [["small.yaml"], ["--run-dir", "runs/small"], ["runs/small/config.yaml"]],
    ids=" ".join,
)
def test_a_default_that_changes_stops_no_run(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["run", *words, "--iterations", "2"]) == 0, capsys.readouterr().err
    assert "Complete: 2 of 2 rounds." in capsys.readouterr().out
    assert own().expand.growth == 1.2
    assert own().engine.in_flight == 16


@pytest.mark.usefixtures("later_version")
def test_a_new_run_has_the_new_default() -> None:
    assert main(["run", "small.yaml", "--iterations", "1", "--run-dir", "runs/new"]) == 0
    assert "growth: 1.5" in Path("runs/new/config.yaml").read_text()


def test_what_a_command_says_goes_before_what_the_run_had(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Command line over file over the run's own; a section keeps what neither mentions."""
    Path("other.yaml").write_text("engine: {patience: 7, latency: 0}\niterations: 2\n")
    words = ["run", "other.yaml", "--run-dir", "runs/small", "--engine.patience", "8"]
    assert main(words) == 0
    now = own()
    assert (now.engine.patience, now.engine.in_flight, now.iterations) == (8, 16, 2)
    assert (now.model, now.engine.kind, now.instruct.per_round) == ("tiny", "scripted", 12)
    capsys.readouterr()


def test_an_identity_that_is_said_is_still_refused(
    run: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other.yaml").write_text("expand: {growth: 1.5}\n")
    words = ["run", "other.yaml", "--run-dir", "runs/small"]
    assert "expand.growth: 1.2 → 1.5" in refused(work, capsys, *words)
    assert "expand.growth: 1.2 → 1.4" in refused(work, capsys, *words, "--expand.growth", "1.4")


def test_estimate_reckons_with_the_runs_own_settings(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["estimate", "--run-dir", "runs/small"]) == 0
    assert "1 round of tiny" in capsys.readouterr().out


def test_a_configuration_of_the_run_that_cannot_be_read_is_named(
    run: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (RUN / "config.yaml").write_text("model: tiny\nseed: [\n")
    error = refused(work, capsys, "run", "small.yaml")
    assert "runs/small/config.yaml, line 3: is not valid YAML" in error


def test_a_models_evaluation_knows_no_run(run: Path, work: Path) -> None:
    """Only a command about a run reads it: here a preset's settings are wanted."""
    from selflengthen.cli.options.settings import resolve

    (work / "runs/small").rename("runs/paper")
    assert resolve(None, {"model": "tiny"}, None).config.engine.in_flight == 256
    assert resolve(None, {"model": "tiny"}, None, resumes=True).config.engine.in_flight == 16


def test_a_judge_in_a_folder_is_found_from_elsewhere(
    run: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from selflengthen.cli.options.settings import resolve

    (work / "judge").symlink_to("tiny")
    assert main(["run", "small.yaml", "--judge.model", "judge"]) == 0
    assert own().judge.model == "judge"
    (work / "elsewhere").mkdir()
    monkeypatch.chdir(work / "elsewhere")
    config = resolve(str(work / RUN / "config.yaml"), {}, None).config
    assert config.judge.model == str(work / "judge")
    assert config.model == str(work / "tiny")
