"""`curate:` in a configuration: refused in one line where it is wrong, seen where a run stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selflengthen.cli import main
from tests.cli.test_bad_input import refused


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ("[longest]", "curate, step 1: is not of the form `METHOD: {OPTION: VALUE}`."),
        ("[{longst: {k: 2}}]", "curate, step 1: no method 'longst'; there are longest, "),
        ("[{longest: {k: 2}}, {mix: {}}]", "curate, step 2: mix: lacks the required field"),
        ("[{longest: {k: 2, l: 3}}]", "curate, step 1: longest: has an unknown field `l`"),
        ("[{longest: {k: 0}}]", "curate, step 1: longest: k: expected `int` >= 1"),
        ("[{mix: {general: gone.jsonl}}]", "curate, step 1: mix: gone.jsonl: no such data set"),
        ("[{quality: {k: 2}}]", "curate, step 1: quality: reward: needs a model"),
        ("4", "curate: 4 is not allowed; it takes a list of steps."),
    ],
)
def test_wrong_steps(work: Path, capsys: pytest.CaptureFixture[str], steps: str, says: str) -> None:
    text = Path("small.yaml").read_text()
    Path("small.yaml").write_text(f"{text}curate: {steps}\n")
    assert says in refused(work, capsys, "run", "small.yaml")


def test_a_missing_file_is_named_with_the_folder_it_was_looked_up_in(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Relative names in a configuration are relative to the working folder, not to the file."""
    Path("configs").mkdir()
    Path("configs/general.jsonl").write_text('{"prompt": "p", "response": "r"}\n')
    Path("configs/rule.yaml").write_text("intercept: 0\nweights: {mtld: 1}\n")
    text = Path("small.yaml").read_text()
    for step, fault in (
        ("mix: {general: general.jsonl}", f"general.jsonl: no such data set in {Path.cwd()}; "),
        ("mix: {general: /gone.jsonl}", "/gone.jsonl: no such data set; "),
        ("quality: {k: 2, rule: rule.yaml}", f"rule.yaml: no such rule in {Path.cwd()}; "),
    ):
        Path("configs/run.yaml").write_text(f"{text}curate:\n- {step}\n")
        error = refused(work, capsys, "run", "configs/run.yaml")
        assert f"curate, step 1: {step.partition(':')[0]}: {fault}" in error


def test_the_place_is_named(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--curate, step 1: no method 'x'" in refused(
        work, capsys, "run", "small.yaml", "--curate", "[{x: {}}]"
    )
    text = Path("small.yaml").read_text()
    Path("small.yaml").write_text(f"{text}curate:\n- x: {{}}\n")
    line = text.count("\n") + 1
    assert f"small.yaml, line {line}: curate, step 1: no method 'x'" in refused(
        work, capsys, "run", "small.yaml"
    )


def test_status_and_show_know_of_it(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "small.yaml", "--iterations", "1", "--curate", "[{longest: {k: 2}}]"]) == 0
    capsys.readouterr()
    assert main(["status", "small"]) == 0
    whole = Path("runs/small/rounds/01/4-dataset/generator.jsonl").read_text().count("\n")
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("01/4b-curate")]
    assert f"dropped: short {whole - 2}" in line and f"2 of {whole} rows" in line
    dropped = Path("runs/small/rounds/01/4b-curate/generator.dropped.jsonl").read_text()
    name = json.loads(dropped.splitlines()[0])["id"]
    assert main(["show", "small", "--id", name]) == 0
    assert "left out of training: longest, short" in capsys.readouterr().out
    assert main(["show", "small", "--id", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["left_out"]["reason"] == "short"
    again = ["run", "small.yaml", "--iterations", "1", "--redo", "1/curate"]
    assert main([*again, "--curate", "[]"]) == 0
    assert not Path("runs/small/rounds/01/4b-curate").exists()
