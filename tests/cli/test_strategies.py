"""`expand.strategy` in a configuration: what it needs, and a run whose prompts lack it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from selflengthen.cli import main
from selflengthen.inputs import prompts
from tests.cli.test_bad_input import refused


@pytest.fixture
def mine(work: Path) -> Path:
    """The prompts of a user who lengthens in two stages, as all runs did before."""
    folder = Path(shutil.copytree(prompts.shipped("en"), work / "mine"))
    for name in prompts.SECTION:
        (folder / f"{name}.md").unlink()
    return folder


@pytest.mark.parametrize("strategy", ["section", "auto"])
def test_the_prompts_of_sections_are_needed_only_for_them(
    mine: Path, capsys: pytest.CaptureFixture[str], strategy: str
) -> None:
    said = refused(
        mine.parent, capsys, "run", "small.yaml", "--prompts", "mine", "--expand.strategy", strategy
    )
    assert f"mine/expand-part.user.md: is missing, and expand.strategy {strategy} needs" in said
    again = ["run", "small.yaml", "--prompts", "mine", "--iterations", "1"]
    assert main(again) == 0
    assert not Path("runs/small/prompts/expand-part.user.md").exists()
    assert main(again) == 0
    assert main(["finish", "small"]) == 0


def test_a_run_by_section_from_the_command_line(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "small.yaml", "--iterations", "1", "--expand.strategy", "auto"]
    assert main(words) == 0
    capsys.readouterr()
    assert main(["status", "small"]) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("01/2b-strategy")]
    assert "chosen: " in line
    assert main(["check", "small"]) == 0
    assert main([*words, "--redo", "1/2b-strategy"]) == 0
    assert main(["estimate", "small.yaml", "--expand.strategy", "section"]) == 0
