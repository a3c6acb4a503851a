"""SIGTERM, Ctrl-C, a full disk: what is finished is saved, and the same command goes on."""

from __future__ import annotations

import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from selflengthen.inputs import prompts

ROOT = Path(__file__).parents[2]


def start(*words: str, room: int = resource.RLIM_INFINITY) -> subprocess.Popen[str]:
    """Start a command whose files may have `room` bytes each."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cli.double", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (room, room)),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a file of records has a line."""
    deadline = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "code", "stage"),
    [
        (signal.SIGTERM, 143, "00/6-held-out"),
        (signal.SIGTERM, 143, "01/1-instruct"),
        (signal.SIGINT, 130, "01/2-draft"),
        (signal.SIGTERM, 143, "01/3-expand"),
    ],
)
def test_a_signal_saves_and_the_same_command_goes_on(
    work: Path, number: signal.Signals, code: int, stage: str
) -> None:
    words = ["--engine.latency", "0.3", "--engine.in_flight", "2", "--iterations", "1"]
    process = start("run", "small.yaml", *words)
    records = Path("runs/small/rounds", stage, "records.jsonl")
    wait_for(records, process)
    began = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 20
    assert process.returncode == code
    saved = records.read_text()
    assert saved.endswith("\n")
    assert not (records.parent / "DONE.json").exists()
    again = shlex.split(err.strip().splitlines()[-1].partition("To resume: ")[2])
    assert again[:3] == ["python", "-m", "selflengthen"]
    assert again[3:] == ["run", "small.yaml", *words]
    latency = again.index("--engine.latency") + 1
    again[latency] = "0"  # a runtime field may change between two starts
    process = start(*again[3:])
    assert "Complete: 1 of 1 rounds." in process.communicate(timeout=60)[0]
    assert (
        set(saved.splitlines()) <= set(records.read_text().splitlines()) or stage != "00/6-held-out"
    )
    assert Path("runs/small/logs/attempt-02.log").exists()


def test_a_run_whose_lock_is_taken_away_saves_and_stops(work: Path) -> None:
    words = ["run", "small.yaml", "--engine.latency", "0.3", "--engine.in_flight", "2"]
    process, lock = start(*words), Path("runs/small/lock")
    records = Path("runs/small/rounds/01/1-instruct/records.jsonl")
    wait_for(records, process)
    lock.unlink()
    _, err = process.communicate(timeout=20)
    line = err.strip().splitlines()[-1]
    assert process.returncode == 1 and "Traceback" not in err
    assert f"selflengthen: {lock}: was removed or replaced" in line and "To resume: " in line
    saved = records.read_text()
    assert saved.endswith("\n") and not (records.parent / "DONE.json").exists()
    process = start("run", "small.yaml", "--iterations", "1")
    assert "Complete: 1 of 1 rounds." in process.communicate(timeout=60)[0]
    assert set(saved.splitlines()) <= set(records.read_text().splitlines())


def test_status_sees_the_controller_and_a_second_one_is_refused(work: Path) -> None:
    words = ["run", "small.yaml", "--engine.latency", "1", "--engine.in_flight", "1"]
    first = start(*words)
    try:
        wait_for(Path("runs/small/rounds/00/6-held-out/records.jsonl"), first)
        out, _ = start("status", "runs/small").communicate(timeout=60)
        assert f"Running (process {first.pid} on " in out
        second = start(*words)
        _, err = second.communicate(timeout=60)
        assert second.returncode == 2
        assert f"in use by process {first.pid} on " in err and err.count("\n") == 1
    finally:
        first.kill()
        first.communicate()
    out, _ = start("status", "runs/small").communicate(timeout=60)
    assert "Interrupted" in out


def test_a_second_ctrl_c_ends_at_once(work: Path) -> None:
    """Even where the first one cannot: the engine's closing hangs."""
    Path("hang.py").write_text(
        "import asyncio, sys\n"
        "from selflengthen.engines.scripted import Scripted\n"
        "from selflengthen.cli import main\n"
        "async def close(self):\n"
        "    await asyncio.sleep(60)\n"
        "Scripted.close = close\n"
        "sys.exit(main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "hang.py", "run", "small.yaml", "--engine.latency", "5"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not Path("runs/small/rounds/00/6-held-out/stage.json").exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "Stopping" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=5)
    assert process.returncode == 130
    assert "To resume: " in err


def test_a_full_disk_is_named_and_the_same_command_goes_on(work: Path) -> None:
    seeds = (prompts.root() / "seeds/en.jsonl").read_text().splitlines(keepends=True)
    Path("few.jsonl").write_text("".join(seeds[:9]))
    words = "run small.yaml --seeds few.jsonl".split()
    for room, where in ((100, "runs/small/config.yaml"), (10_000, "records.jsonl")):
        _, err = start(*words, room=room).communicate()
        last = err.splitlines()[-1]
        assert where in last and "free some disk space, then run the same command again" in last
        assert "Traceback" not in err
    assert start(*words).wait() == 0
