"""A training on a disk that is full: the reason is said, and with more room it goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

import selflengthen
from tests.training.conftest import MakeJob

pytestmark = pytest.mark.slow

# A file system of its own, in a mount namespace of its own, which goes with the process.
_MOUNTED = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
_MOUNT = 'mount -t tmpfs -o size=16m tmpfs "$0"; exec "$@"'
_TRAIN = """
import asyncio, json, sys
from pathlib import Path
import msgspec
from selflengthen.errors import TrainingError
from selflengthen.training.job import TrainingJob
from selflengthen.training.launch import train

job = msgspec.json.decode(sys.argv[1], type=TrainingJob)
room = job.folder.with_name("filler")
told, steps = [], []
for left in map(int, sys.argv[2:]):
    room.unlink(missing_ok=True)
    job.folder.mkdir(exist_ok=True)
    log = job.folder.with_suffix(".log")
    free = 16 * 2**20 - sum(f.stat().st_size for f in room.parent.rglob("*") if f.is_file())
    room.write_bytes(bytes(max(0, free - left)))
    try:
        result = asyncio.run(train(job, log=log, on_step=steps.append))
    except TrainingError as error:
        told.append(str(error))
    except OSError as error:
        told.append(f"{error.filename}: {error.strerror}")
room.unlink()
result = asyncio.run(train(job, log=log, on_step=steps.append))
print(json.dumps({"told": told, "result": msgspec.to_builtins(result)}))
"""


def test_it_says_so_and_goes_on_with_more_room(make_job: MakeJob, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux" or subprocess.run([*_MOUNTED, _MOUNT, disk, "true"]).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    job = make_job(output=str(disk / "adapter"), epochs=4.0, save_every=3)
    rooms = [str(kilobytes << 10) for kilobytes in (24, 300)]
    command = [*_MOUNTED, _MOUNT, str(disk), sys.executable, "-c", _TRAIN]
    done = subprocess.run(
        [*command, msgspec.json.encode(job).decode(), *rooms],
        env={**os.environ, "PYTHONPATH": str(Path(selflengthen.__file__).parents[1])},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert len(said["told"]) == 2 and all("free some disk space" in line for line in said["told"])
    assert said["result"]["steps"] == 12
