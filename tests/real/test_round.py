"""A real round: the pocket model through vLLM and TRL, stopped in every stage, then finished.

It is one run, because an engine takes half a minute to start. What it leaves is then looked at.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from selflengthen.inputs import models

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

MARK = "SELFLENGTHEN_TEST"
INSTRUCTIONS, HELD = 20, 6
OPTIONS = (
    f"--iterations 1 --instruct.per-round {INSTRUCTIONS} --instruct.wave 8 --train.min-rows 2 "
    f"--held-out.texts {HELD} --train.save-every 2 --engine.kind vllm"
).split()


def lines(path: Path) -> int:
    """Count the whole lines of a file that may not be there yet."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def moments(run: Path) -> list[tuple[str, signal.Signals, Callable[[], bool]]]:
    """Return when to stop it, and how: in each stage once something stands there, and in training.

    Engine and trainer are other processes: what ends them after SIGTERM is not what a kill tests.
    """
    rounds = run / "rounds"
    one = rounds / "01"
    trained = one / "5-train"
    kill, ask = signal.SIGKILL, signal.SIGTERM
    return [
        ("engine start", kill, lambda: (rounds / "00" / "6-held-out" / "stage.json").exists()),
        ("instruct", kill, lambda: lines(one / "1-instruct" / "records.jsonl") > 0),
        ("draft", kill, lambda: (one / "2-draft" / "stage.json").exists()),
        ("expand", kill, lambda: (one / "3-expand" / "stage.json").exists()),
        ("training", kill, lambda: lines(trained / "generator" / "metrics.jsonl") > 2),
        ("the other training", ask, lambda: lines(trained / "expander" / "metrics.jsonl") > 0),
        ("engine start again", ask, lambda: (one / "6-held-out" / "stage.json").exists()),
        ("held-out", kill, lambda: (one / "6-held-out" / "stage.json").exists()),
    ]


def marked(mark: str) -> list[psutil.Process]:
    """Return the living processes that were started with the mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def start(run: Path, mark: str) -> subprocess.Popen[bytes]:
    """Start the command; it is the same one every time."""
    command = [sys.executable, "-m", "selflengthen", "run", *OPTIONS, "--run-dir", str(run)]
    run.parent.mkdir(parents=True, exist_ok=True)
    with open(run.with_suffix(".out"), "ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | {MARK: mark})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Stop a run in every stage, then let it end."""
    if not models.POCKET.is_dir():
        pytest.fail("the pocket model's weights are not there")
    folder = tmp_path_factory.mktemp("real") / "run"
    for name, how, reached in moments(folder):
        mark = uuid.uuid4().hex
        child = start(folder, mark)
        while not reached():
            if child.poll() is not None:
                pytest.fail(
                    f"ended before {name}: {folder.with_suffix('.out').read_text()[-2000:]}"
                )
            time.sleep(0.01)
        child.send_signal(how)
        assert child.wait(timeout=20) == (-how if how == signal.SIGKILL else 143), name
        deadline = time.monotonic() + 20
        while (left := marked(mark)) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not left, f"stopped in {name}, and left behind: {[p.cmdline() for p in left]}"
    child = start(folder, uuid.uuid4().hex)
    assert child.wait() == 0, folder.with_suffix(".out").read_text()[-2000:]
    yield folder


def records(run: Path, stage: str) -> list[dict[str, Any]]:
    """Return the records of a stage."""
    return [json.loads(line) for line in (run / stage / "records.jsonl").read_text().splitlines()]


def test_no_id_stands_twice_and_none_is_missing(run: Path) -> None:
    rounds = run / "rounds"
    for stage in ("01/1-instruct", "01/2-draft", "01/3-expand", "00/6-held-out", "01/6-held-out"):
        done = json.loads((rounds / stage / "DONE.json").read_text())
        ids = Counter(r["id"] for r in records(rounds, stage))
        refused = [
            json.loads(line)
            for line in (rounds / stage / "rejected.jsonl").read_text().splitlines()
        ]
        ended = {r["id"] for r in refused if r["last"]}
        assert max(ids.values()) == 1, stage
        assert not ended & ids.keys(), stage
        assert len(ids) + len(ended) == done["items"], stage
        assert max(Counter((r["id"], r["attempt"]) for r in refused).values(), default=1) == 1


def test_every_training_row_leads_back_to_an_instruction(run: Path) -> None:
    one = run / "rounds" / "01"
    source = {
        r["id"]: r["source"]
        for stage in ("1-instruct", "2-draft", "3-expand")
        for r in records(one, stage)
    }
    rows = [
        json.loads(line)
        for line in (one / "4-dataset" / "generator.jsonl").read_text().splitlines()
    ]
    assert len(rows) >= 2
    assert all("-instruct-" in source[source[row["id"]]] for row in rows)


def test_the_adapters_load_in_peft(run: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    for role in ("generator", "expander"):
        base = AutoModelForCausalLM.from_pretrained(models.POCKET, trust_remote_code=False)
        adapter = run / "rounds" / "01" / "5-train" / role
        assert (adapter / "adapter_model.safetensors").is_file()
        tuned = PeftModel.from_pretrained(base, adapter)
        changed = [
            p for name, p in tuned.named_parameters() if "lora_B" in name and p.abs().max() > 0
        ]
        assert changed


def test_the_training_went_on_from_its_checkpoint(run: Path) -> None:
    result = json.loads((run / "rounds/01/5-train/generator/result.json").read_text())
    assert result["resumed_from"] > 0


def test_status_tells_of_it(run: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "selflengthen", "status", str(run), "--json"],
        capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    standing = json.loads(said)
    assert set(standing["base"]) >= {"held_out_words", "held_out_ends", "held_out_repeats"}
    (made,) = standing["rounds"]
    assert made["round"] == 1
    assert made["expansion_words"] > 1.2 * standing["base"]["held_out_words"]
    assert 0 < made["acceptance"] <= 1
    assert made["held_out_ends"] > 0.5


def test_the_same_command_says_that_it_is_complete(run: Path) -> None:
    before = time.monotonic()
    said = subprocess.run(
        [sys.executable, "-m", "selflengthen", "run", *OPTIONS, "--run-dir", str(run)],
        capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    assert "Complete: 1 of 1 rounds" in said
    assert time.monotonic() - before < 20
