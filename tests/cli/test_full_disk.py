"""A real disk that fills up while a run works: the file is named, and the command goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_signals import start, wait_for


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 KiB in memory; skips where nobody may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Fill a disk to the last byte."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 512)
    except OSError:
        return filler


@pytest.mark.parametrize("stage", ["00/6-held-out", "01/2-draft", "01/3-expand"])
def test_the_file_is_named(work: Path, disk: Path, stage: str) -> None:
    words = ["run", "small.yaml", "--iterations", "1", "--run-dir", str(disk / "run")]
    process = start(*words, "--engine.latency", "0.1", "--engine.in_flight", "2")
    wait_for(disk / "run/rounds" / stage / "records.jsonl", process)
    filler = fill(disk)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    last = err.splitlines()[-1]
    assert last.startswith(f"selflengthen: {disk}/run/"), err
    assert ": No space left on device; free some disk space" in last
    assert "Traceback" not in err
    filler.unlink()
    assert start(*words).wait(timeout=120) == 0
