"""A disk that takes no more: the run ends there, and goes on once it takes more again."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
from pathlib import Path

import pytest

from selflengthen.engines.scripted import Scripted
from selflengthen.runner import executor
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_table import DRAFT
from tests.loop.scripted_run import contents, play
from tests.storage.test_run_dir import record, rejection


def _ends_within(folder: Path, room: int) -> bool:
    """Play in a fork whose files may have `room` bytes; whether that was enough for the run."""
    child = os.fork()
    if child == 0:
        status = 2
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
            play(folder)
            status = 0
        except OSError as error:
            status = 1 if error.errno == errno.EFBIG else 2
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1)
    return code == 0


def test_nothing_is_lost_however_little_room_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "FLUSH_VERDICTS", 4)
    play(tmp_path / "whole")
    room, refused = 1000, 0
    while not _ends_within(tmp_path / "short", room):
        room, refused = room + 711, refused + 1
        for path in tmp_path.joinpath("short").rglob("records.jsonl"):
            assert path.read_bytes()[-1:] in (b"", b"\n"), path
    assert refused > 5
    assert contents(tmp_path / "short") == contents(tmp_path / "whole")


def test_a_disk_that_is_full_for_a_moment_ends_the_run_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then verdicts could be missing on disk that nobody would ever ask for again."""
    monkeypatch.setattr(executor, "FLUSH_SECONDS", 0.001)
    none, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    asked, original = 0, Scripted.complete

    async def complete(*given: object) -> object:
        nonlocal asked
        asked += 1
        if asked in (80, 110):  # both while the first round expands
            resource.setrlimit(resource.RLIMIT_FSIZE, (0 if asked == 80 else none, most))
        await asyncio.sleep(0.005)
        return await original(*given)  # type: ignore[arg-type]

    play(tmp_path / "whole")
    monkeypatch.setattr(Scripted, "complete", complete)
    try:
        with pytest.raises(OSError, match="File too large"):
            play(tmp_path / "short")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (none, most))
    play(tmp_path / "short")
    assert contents(tmp_path / "short") == contents(tmp_path / "whole")


def test_refusals_that_went_through_are_not_written_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path).stage(DRAFT, 1)
    folder.begin({})
    folder.append([record(1, "long " * 2000)])
    writer = executor._Writer(folder)
    writer.add(record(2), [rejection(2, 1)])
    none, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, most))
    try:
        for _ in range(2):
            with pytest.raises(OSError, match=r"records\.jsonl"):
                writer.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (none, most))
    writer.flush()
    assert [r.id[-1] for r in folder.records()] == ["1", "2"]
    assert [(r.id[-1], r.attempt) for r in folder.rejections()] == [("2", 1)]
