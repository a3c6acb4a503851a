"""The store: what a kill can leave behind never becomes a wrong record."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selflengthen.errors import UserError
from selflengthen.runner import metrics
from selflengthen.storage.atomic import rewrite
from selflengthen.storage.records import Record, Rejection, encode
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import TextsDone
from selflengthen.storage.stage_folder import StageFolder, key_of
from selflengthen.storage.stage_table import DEMAND, DRAFT


def record(number: int, text: str = "A text.", **more: object) -> Record:
    """Return a record of an item."""
    fields = {"source": None, "attempts": 1, "words": 2, "tokens": 3, "seed": 4, "seconds": 0.5}
    return Record(id=f"r01-draft-{number:06d}", text=text, finish_reason="stop", **fields | more)  # type: ignore[arg-type]


def rejection(number: int, attempt: int, *, last: bool = False) -> Rejection:
    """Return a rejected attempt of an item."""
    return Rejection(
        id=f"r01-draft-{number:06d}", source=None, attempt=attempt, reason="repeats", text="x",
        words=1, tokens=1, seed=1, finish_reason="stop", seconds=0.1, last=last,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> StageFolder:
    """Return a stage that was begun."""
    stage = RunFolder(tmp_path).stage(DRAFT, 1)
    stage.begin({"seed": 0})
    return stage


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=8),
    cut=st.integers(0, 10_000),
)
@settings(max_examples=150)
def test_whatever_is_cut_off_the_rest_is_whole(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], cut: int
) -> None:
    stage = RunFolder(tmp_path_factory.mktemp("run")).stage(DRAFT, 1)
    stage.begin({})
    records = [record(i, text) for i, text in enumerate(texts)]
    stage.append(records, [])
    size = stage.records_path.stat().st_size
    left = min(cut, size)
    os.truncate(stage.records_path, left)
    whole = [
        r for i, r in enumerate(records) if left >= sum(len(encode(x)) for x in records[: i + 1])
    ]
    stage.begin({})
    assert list(stage.records()) == whole
    stage.append(records[len(whole) :], [])
    assert list(stage.records()) == records


def test_refusals_of_an_item_that_is_still_owed_go_with_it(folder: StageFolder) -> None:
    folder.append([record(2)], [rejection(1, 1), rejection(2, 1), rejection(3, 1, last=True)])
    assert folder.finished() == {"r01-draft-000002", "r01-draft-000003"}
    folder.append([record(1)], [rejection(1, 1)])
    folder.settle({})
    assert [(r.id[-1], r.attempt) for r in folder.rejections()] == [("1", 1), ("2", 1), ("3", 1)]


def test_settled_files_do_not_depend_on_the_order_of_finishing(tmp_path: Path) -> None:
    digests = []
    for name, order in (("a", [1, 2, 3]), ("b", [3, 1, 2])):
        stage = RunFolder(tmp_path / name).stage(DRAFT, 1)
        stage.begin({})
        for number in order:
            stage.append([record(number, seconds=float(number))], [])
        digests.append(stage.settle({"r01-draft-000002": "lot"}))
        assert [r.id[-1] for r in stage.records()] == ["1", "3"]
        assert [r.dropped for r in stage.records(dropped=True)] == [None, "lot", None]
    assert digests[0] == digests[1]


def test_a_broken_line_is_named_and_kept(folder: StageFolder) -> None:
    rewrite(folder.records_path, [encode(record(1)), b"{nonsense}\n", encode(record(2))])
    before = folder.records_path.read_bytes()
    with pytest.raises(UserError, match=r"records\.jsonl, line 2: is not a record"):
        folder.finished()
    assert folder.records_path.read_bytes() == before


def test_done_is_written_last_and_with_the_key(folder: StageFolder) -> None:
    assert folder.done() is None
    folder.finish(metrics.texts_done(folder, "digest", items=1, seconds=1.0, tokens=1))
    done = folder.done_as(TextsDone)
    assert done and (done.key, done.digest, done.items) == (key_of({"seed": 0}), "digest", 1)


def test_a_rewrite_that_fails_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    rewrite(path, [b"old\n"])

    def lines() -> object:
        yield b"new\n"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        rewrite(path, lines())  # type: ignore[arg-type]
    assert path.read_bytes() == b"old\n"


def test_a_second_controller_is_refused_with_the_firsts_pid(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from selflengthen.storage.run_dir import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(UserError, match=rf"in use by process {holder.pid} on"),
            RunFolder(tmp_path).locked(),
        ):
            pass
        holder.kill()
    with RunFolder(tmp_path).locked():
        assert str(os.getpid()) in (tmp_path / "lock").read_text()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_lock_that_is_taken_away_lets_nobody_in(tmp_path: Path, replaced: bool) -> None:
    run, lock = RunFolder(tmp_path), tmp_path / "lock"
    with run.locked():
        assert not run.lost()
        lock.unlink()
        if replaced:
            lock.write_text("process 1 on elsewhere\n")
        assert run.lost()
        with pytest.raises(UserError, match="in use by"), RunFolder(tmp_path).locked():
            pass
        assert replaced or run.holder() == "another process"
    with RunFolder(tmp_path).locked():
        assert str(os.getpid()) in lock.read_text()


def test_a_lock_that_is_replaced_while_it_is_taken_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may remove the file between opening and locking it."""
    lock, taken = tmp_path / "lock", []

    def replace_first(file: object, how: int) -> None:
        if hasattr(file, "name") and not taken:
            lock.unlink()
            lock.write_text("")
        taken.append(file)
        flock(file, how)  # type: ignore[arg-type]

    flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", replace_first)
    run = RunFolder(tmp_path)
    with run.locked():
        assert not run.lost()
        assert str(os.getpid()) in lock.read_text()


def test_what_is_done_again_is_set_aside(folder: StageFolder, tmp_path: Path) -> None:
    folder.append([record(1)], [])
    run = RunFolder(tmp_path)
    place = run.set_aside([folder])
    assert not folder.path.exists()
    kept = json.loads((place / "01" / "2-draft" / "records.jsonl").read_text())
    assert kept["id"] == "r01-draft-000001"


def test_what_is_set_aside_within_a_second_stays_apart(tmp_path: Path) -> None:
    run, places = RunFolder(tmp_path), set()
    for _ in range(3):
        run.stage(DEMAND).begin({"seed": 0})
        (run.final / "dataset").mkdir(exist_ok=True)
        (run.final / "dataset" / "train.jsonl").write_text("{}")
        places.add(run.set_aside(run.last_stages()))
    assert len(places) == 3
    for place in places:
        assert {p.name for p in (place / "final").iterdir()} == {"4-demand", "dataset"}
    assert not list(run.final.iterdir())


def test_logs_are_numbered_and_latest_is_the_newest(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.new_log()
    newest = run.new_log()
    assert newest.name == "attempt-02.log"
    assert (run.logs / "latest").resolve() == newest.resolve()
