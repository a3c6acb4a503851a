"""CONTRIBUTING's lists, followed to the letter on a copy of the package."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG, make_model

ROOT = Path(__file__).parents[1]
_STEP = re.compile(
    r"<!-- (?P<file>[\w/.]+)(?:, (?P<how>before|after|instead of): (?P<where>.+?))? -->\s*"
    r"```python\n(?P<code>.*?)\n *```",
    re.DOTALL,
)


def follow(section: str, package: Path) -> int:
    """Make the changes of a section of CONTRIBUTING.md below `package`; return how many."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    text = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    steps = list(_STEP.finditer(text))
    for step in steps:
        path, code = package / step["file"], textwrap.dedent(step["code"])
        if step["how"] is None:
            path.write_text(code + "\n")
            continue
        lines = path.read_text().splitlines()
        (place,) = (n for n, line in enumerate(lines) if line.strip().startswith(step["where"]))
        indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
        if step["how"] == "instead of":
            lines[place] = lines[place].replace(step["where"], code)
        else:
            at = place + (step["how"] == "after")
            lines[at:at] = textwrap.indent(code, indent).splitlines()
        path.write_text("\n".join(lines) + "\n")
    return len(steps)


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package to change, and a run's configuration to try it with."""
    hidden = shutil.ignore_patterns("__pycache__", "weights")
    shutil.copytree(ROOT / "selflengthen", tmp_path / "selflengthen", ignore=hidden)
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")
    make_model(tmp_path / "tiny")
    (tmp_path / "small.yaml").write_text(CONFIG.format(model="tiny") + "  in_flight: 2\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(copy: Path, *words: str) -> subprocess.Popen[str]:
    """Start a command of the changed package, with the training double."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cli.double", *words],
        env=os.environ | {"PYTHONPATH": f"{copy}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told(copy: Path, *words: str) -> str:
    """Run a command to its good end; return what it printed."""
    process = command(copy, *words)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_a_stage(copy: Path) -> None:
    """It runs, resumes after a kill, is shown, checked and made again."""
    assert follow("Add a stage", copy) == 6
    stage = copy / "runs/small/rounds/01/3b-title"
    words = ["run", "small.yaml", "--iterations", "1"]
    process = command(copy, *words, "--engine.latency", "0.1")
    while not (stage / "stage.json").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (stage / "DONE.json").exists()
    assert "Complete: 1 of 1 rounds." in told(copy, *words, "--engine.latency", "0")
    done = json.loads((stage / "DONE.json").read_text())
    expansions = json.loads((stage.parent / "3-expand/DONE.json").read_text())
    assert done["accepted"] == expansions["accepted"] - sum(expansions["dropped"].values()) > 0
    stages = json.loads(told(copy, "status", "small", "--json"))["stages"]
    assert "01/3b-title" in [each["stage"] for each in stages]
    listed = json.loads(told(copy, "show", "small", "--stage", "title", "--json"))
    assert all("\n" not in record["text"] for record in listed)
    shown = told(copy, "show", "small", "--id", listed[0]["id"])
    assert listed[0]["text"].split()[0] in shown
    assert "01/3b-title" in told(copy, "check", "small")
    told(copy, *words, "--redo", "1/title")
    assert len(list((copy / "runs/small/superseded").glob("*/01/3b-title"))) == 1


def test_a_check(copy: Path) -> None:
    assert follow("Add a check", copy) == 4
    told(copy, "run", "small.yaml", "--iterations", "1", "--checks.shouting", "true")
    code = (
        "from selflengthen.text.checks import Checks; "
        "print(Checks(shouting=True).reject('ALL IS LOUD.', 'stop', 'Write.'), "
        "Checks().reject('ALL IS LOUD.', 'stop', 'Write.'))"
    )
    python = [sys.executable, "-c", code]
    env = os.environ | {"PYTHONPATH": str(copy)}
    out = subprocess.run(python, env=env, check=True, capture_output=True, text=True).stdout
    assert out.split() == ["shouting", "None"]


def test_an_engine(copy: Path) -> None:
    assert follow("Add an engine", copy) == 4
    process = command(copy, "run", "small.yaml", "--engine.kind", "echo", "--iterations", "1")
    _, err = process.communicate(timeout=120)
    # It answers the held-out instructions; its instructions are all alike, so the round ends there.
    held_out = copy / "runs/small/rounds/00/6-held-out/records.jsonl"
    records = [json.loads(line) for line in held_out.read_text().splitlines()]
    assert len(records) == 6 and all(record["finish_reason"] == "stop" for record in records)
    assert process.returncode == 1 and "no text was accepted" in err
