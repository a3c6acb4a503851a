"""A run is the same run however its folder is named, and from wherever a command is given."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from selflengthen.cli import main
from selflengthen.errors import TrainingError
from selflengthen.training import launch
from selflengthen.training.job import TrainingJob
from tests.cli.test_bad_input import tree

WAYS = {
    "here": ("runs/small", "."),
    "from within": ("runs/small/rounds", ".."),
    "beside it": ("runs", "small"),
    "round about": ("tiny", "../runs/../runs/small/"),
    "by a link": (".", "link"),
    "by a link, from within": ("link/rounds", ".."),
    "absolute": ("tiny", "{work}/runs/small"),
}


@pytest.fixture
def run(work: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A run of one round, begun where its configuration is, and a link to it."""
    small = ["--collect.instructions", "3", "--instruct.per_round", "6", "--held_out.texts", "2"]
    assert main(["run", "small.yaml", "--iterations", "1", *small]) == 0
    (work / "link").symlink_to("runs/small")
    capsys.readouterr()
    return work / "runs/small"


@pytest.fixture
def succeed(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return the command, which must succeed; what it printed comes back."""

    def command(*words: str) -> str:
        code = main(list(words))
        out, err = capsys.readouterr()
        assert code == 0, err
        return out

    return command


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_command_takes_any_name_of_a_run(
    run: Path, work: Path, succeed: Callable[..., str], way: tuple[str, str]
) -> None:
    folder, name = work / way[0], way[1].format(work=work)
    outside = {*os.listdir(work), "out.jsonl", "out.dropped.jsonl", "out.report.json"}
    os.chdir(folder)
    assert json.loads(succeed("status", name, "--json"))["complete"]
    assert "instruction" in succeed("show", name)
    assert "r01-draft" in succeed("show", name, "--round", "1", "--stage", "draft")
    config = str(work / "runs/small/config.yaml") if name == "small" else f"{name}/config.yaml"
    assert "1 round of" in succeed("estimate", config)
    assert "Complete: 2 of 2" in succeed("run", config, "--iterations", "2")
    assert "Complete: 2 of 2" in succeed("run", config, "--run-dir", str(Path(config).parent))
    succeed("evaluate", name, "--benchmark", "pocket")
    assert (run / "evaluate/pocket/scores.json").is_file()
    succeed("collect", name)
    assert "Finished." in succeed("finish", name)
    assert "Finished." in succeed("finish", name, "--redo", "train")
    assert (run / "final/adapter/README.md").read_text().count("small")
    rows = f"{Path(config).parent}/rounds/01/4-dataset/generator.jsonl"
    succeed("curate", "longest", rows, "--k", "1", "--out", f"{work}/out.jsonl")
    made = {Path(path).parts[0] for path in tree(work) if "/" not in path}
    assert made <= outside


def test_a_training_that_was_interrupted_keeps_its_checkpoints(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are found by the job's digest, whatever the path of the model is now."""
    digests: list[str] = []

    async def interrupted(job: TrainingJob, **_: object) -> None:
        launch._prepare(job)
        assert Path(job.model).is_dir()
        digests.append(job.digest())
        raise TrainingError("interrupted")

    monkeypatch.setattr("selflengthen.cli.runner.train", interrupted)
    run = str(work / "runs/small")
    assert main(["run", "small.yaml"]) == 1
    for folder in ("runs", "tiny", "."):
        monkeypatch.chdir(work / folder)
        assert main(["run", f"{run}/config.yaml"]) == 1
    monkeypatch.chdir(work)
    (work / "link").symlink_to("tiny")
    assert main(["run", "small.yaml", "--model", "link"]) == 1
    assert len(digests) == 5
    assert len(set(digests)) == 1
