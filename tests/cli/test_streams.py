"""Standard streams that are closed, full, gone, or know few characters: work goes on."""

from __future__ import annotations

import errno
import logging
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selflengthen.cli.output.logs import quiet
from selflengthen.inputs import prompts
from tests.cli.conftest import reseal
from tests.cli.test_signals import ROOT, start, wait_for

DOUBLE = f"{sys.executable} -m tests.cli.double"
ONCE = "run small.yaml --iterations 1"
DONE = Path("runs/small/rounds/01/6-held-out/DONE.json")


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash, in which $S is the program; its exit code is that of the program."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "S": DOUBLE, **environment}
    line = ["bash", "-c", f"set -o pipefail; {command}"]
    return subprocess.run(line, env=env, capture_output=True, check=False, timeout=120)


@pytest.mark.parametrize(
    "streams", [">&-", "2>&-", ">&- 2>&- <&-", "2>/dev/full", "2>&1 | head -1"]
)
def test_a_run_goes_on_without_streams(work: Path, streams: str) -> None:
    ended = shell(f"$S {ONCE} {streams}")
    assert ended.returncode == (1 if "head" in streams else 0), ended.stderr
    assert DONE.exists()
    assert b"Traceback" not in ended.stdout + ended.stderr
    assert b"Complete: 1 of 1" in ended.stdout or ">&- " in f"{streams} " or "head" in streams
    for path in Path("runs").rglob("*"):  # nothing that was printed went into another file
        if path.is_file() and path.suffix != ".log":
            assert b"Complete: 1 of 1" not in path.read_bytes(), path


@pytest.fixture
def run(work: Path) -> None:
    assert shell(f"$S {ONCE}").returncode == 0


@pytest.mark.usefixtures("run")
def test_commands_end_quietly() -> None:
    for command in ("run --help", "status small --json", "show small", "no"):
        _ends_quietly(command, 2 if command == "no" else 0)
    ended = shell("$S status small >/dev/full")
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"selflengthen: standard output: No space left on device; ")
    assert ended.stderr.count(b"\n") == 1


def _ends_quietly(command: str, code: int) -> None:
    """Assert that a command that ends with `code` does so without its streams."""
    for streams in (">&-", "2>&-", ">&- 2>&- <&-"):
        ended = shell(f"$S {command} {streams}")
        assert ended.returncode == code, (streams, ended.stderr)
        assert ended.stderr.count(b"\n") == (1 if code and streams == ">&-" else 0), ended.stderr
    for buffered, reader in (("", "true"), ("PYTHONUNBUFFERED=1", "head -c 1")):
        ended = shell(f"{buffered} $S {command} | {reader}")
        assert ended.returncode in (code, 1), reader
        assert ended.stderr.count(b"\n") == (1 if code else 0), ended.stderr


POOR = [
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "latin-1"},
]


@pytest.mark.parametrize("environment", POOR, ids=lambda env: "-".join(env.values()))
def test_a_terminal_that_knows_few_characters(work: Path, environment: dict[str, str]) -> None:
    ended = shell(f"$S {ONCE}", **environment)
    assert ended.returncode == 0, ended.stderr
    assert b"Complete: 1 of 1" in ended.stdout
    texts = Path("runs/small/rounds/01/2-draft/records.jsonl")
    lines = texts.read_text("utf-8").splitlines()
    texts.write_text(
        "".join(line.replace('"text":"', '"text":"café 永 😀 ') + "\n" for line in lines)
    )
    reseal(Path("runs/small"))
    for command in ["run --help", "status small", "show small --round 1 --stage draft"]:
        ended = shell(f"$S {command}", **environment)
        assert (ended.returncode, ended.stderr) == (0, b""), command
    encoding = "latin-1" if "latin-1" in environment.values() else "ascii"
    shown = ended.stdout.decode(encoding)
    assert "\\u6c38 \\ud83d\\ude00 " in shown
    assert ("café " if encoding == "latin-1" else "caf\\u00e9 ") in shown


def test_a_file_that_the_locale_cannot_name(work: Path) -> None:
    Path("small.yaml").write_text(Path("small.yaml").read_text() + "seeds: café.jsonl\n")
    ended = shell("$S run small.yaml", **POOR[0])
    assert ended.returncode == 2 and ended.stderr.count(b"\n") == 1, ended.stderr
    assert b"the locale's encoding (ascii) cannot name this file; set LC_ALL" in ended.stderr


@pytest.mark.parametrize("environment", POOR, ids=lambda env: "-".join(env.values()))
def test_texts_need_no_locale(work: Path, environment: dict[str, str]) -> None:
    """Prompts and texts of a configuration are UTF-8 whatever the locale is."""
    config = Path("small.yaml").read_text()
    stop = config.replace("sampling:\n", "sampling:\n  stop: [结束]\n")
    assert stop != config
    Path("small.yaml").write_text(stop)
    ended = shell(f"$S {ONCE} --prompts {prompts.shipped('zh')}", **environment)
    assert ended.returncode == 0, ended.stderr
    assert "结束" in Path("runs/small/config.yaml").read_text("utf-8")


@pytest.mark.parametrize("ignored", [False, True])
def test_a_run_outlives_its_terminal(work: Path, ignored: bool) -> None:
    """The terminal hangs up on its processes; or they were told to ignore that, as by nohup."""
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
        words = [*ONCE.split(), "--engine.latency", "0.1"]
        os.execve(sys.executable, [sys.executable, "-m", "tests.cli.double", *words], env)
    records = Path("runs/small/rounds/00/6-held-out/records.jsonl")
    deadline = time.monotonic() + 60
    while not (records.exists() and records.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert DONE.exists()
    assert os.waitstatus_to_exitcode(status) in (0, 1)  # its table has no reader


@pytest.mark.parametrize("files", [5, 10, 40])
def test_too_few_open_files(work: Path, files: int) -> None:
    ended = shell(f"$S --version; ulimit -n {files}; exec $S {ONCE}")
    assert ended.returncode == 2
    assert ended.stderr.startswith(
        f"selflengthen: this process may open only {files} files".encode()
    )
    assert ended.stderr.count(b"\n") == 1


def test_files_that_run_out_meanwhile(work: Path) -> None:
    """The limit falls while the run works."""
    process = start("run", "small.yaml", "--engine.latency", "0.2", "--engine.in_flight", "2")
    wait_for(Path("runs/small/rounds/00/6-held-out/records.jsonl"), process)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, 3))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    last = err.splitlines()[-1]
    assert "Traceback" not in err
    assert ": Too many open files; raise the limit" in last and "runs/small/" in last


def test_a_full_log_does_not_hide_which_file_was_full(tmp_path: Path) -> None:
    """The log is on the same disk; what it cannot write must not take the place of the fault."""
    log = tmp_path / "log"
    log.touch()
    none, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(OSError, match=r"records\.jsonl"), quiet(log):
            resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, most))
            logging.getLogger("selflengthen").info("a line that finds no room")
            print("another")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "records.jsonl")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (none, most))
