"""`gate` in a configuration: what it needs, and how a gated run is shown, checked and redone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from selflengthen.cli import main
from selflengthen.inputs import prompts
from tests.cli.test_bad_input import refused

RUN = ["run", "small.yaml", "--iterations", "1"]


def test_its_prompt_is_needed_only_for_a_judge(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(prompts.shipped("en"), work / "mine"))
    (folder / "gate.user.md").unlink()
    mine = [*RUN, "--prompts", "mine"]
    said = refused(work, capsys, *mine, "--gate.by", "judge")
    assert "mine/gate.user.md: is missing, and gate.by judge needs it" in said
    assert main(mine) == 0


def test_a_gated_run_from_the_command_line(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*RUN, "--gate.by", "judge"]
    assert main(words) == 0
    capsys.readouterr()
    assert main(["status", "small"]) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("01/3b-gate")]
    assert "dropped: " in line and " worse" in line
    assert main(["show", "small", "--stage", "gate", "--json"]) == 0
    aside = [r for r in json.loads(capsys.readouterr().out) if r["dropped"]]
    assert main(["show", "small", "--id", aside[0]["source"]]) == 0
    assert "left out of training: gate, worse" in capsys.readouterr().out
    assert main(["show", "small", "--id", aside[0]["id"]]) == 0
    assert "dropped: worse" in capsys.readouterr().out
    assert main(["check", "small"]) == 0
    assert "01/3b-gate" in capsys.readouterr().out
    assert main([*words, "--redo", "1/gate"]) == 0
    (old,) = Path("runs/small/superseded").glob("*/01/3b-gate/records.jsonl")
    new = Path("runs/small/rounds/01/3b-gate/records.jsonl")
    assert [json.loads(line)["text"] for line in old.read_text().splitlines()] == [
        json.loads(line)["text"] for line in new.read_text().splitlines()
    ]
    assert not list(Path("runs/small/superseded").glob("*/01/3-expand"))
    said = refused(work, capsys, *RUN, "--gate.by", "off")
    assert "01/3b-gate was made with other settings (gate.by: judge" in said


def test_a_gate_that_is_not_used_is_not_asked_for(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(RUN) == 0
    assert main(["status", "small"]) == 0
    assert "3b-gate" not in capsys.readouterr().out
