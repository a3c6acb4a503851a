"""Damage on disk: named before anything is made of it, and listed by `check`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selflengthen.cli import main
from tests.cli.conftest import CONFIG, make_model
from tests.cli.double import train
from tests.cli.test_bad_input import tree

RUN = Path("runs/small")
MORE = ["run", "small.yaml", "--iterations", "3"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two rounds that is finished."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("selflengthen.cli.runner.train", train)
        make_model(folder / "tiny")
        (folder / "small.yaml").write_text(CONFIG.format(model="tiny"))
        assert main(["run", "small.yaml"]) == 0
        assert main(["finish", "small"]) == 0
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that run, to be damaged."""
    shutil.copytree(finished, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("selflengthen.cli.runner.train", train)
    return RUN


def rejection(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must end in one line; return the line."""
    capsys.readouterr()
    assert main(list(words)) in (1, 2)
    lines = [line for line in capsys.readouterr().err.splitlines() if "selflengthen: " in line]
    assert len(lines) == 1
    return lines[0]


def checked(capsys: pytest.CaptureFixture[str], *, sound: bool = False) -> Any:
    """Return what `check --json` says."""
    capsys.readouterr()
    assert main(["check", "small", "--json"]) == (0 if sound else 1)
    report = json.loads(capsys.readouterr().out)
    assert report["sound"] is sound
    return report


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def flip_last(path: Path) -> None:
    """Change the last byte: in an adapter, that is in its weights."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def halve(path: Path) -> None:
    """Keep the first half of the lines."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: len(lines) // 2]))


def poison(path: Path) -> None:
    """Write another text into the first record."""
    head, *rest = path.read_text().splitlines(keepends=True)
    record = json.loads(head)
    record["text"] = "POISON"
    path.write_text(json.dumps(record, separators=(",", ":")) + "\n" + "".join(rest))


def poison_response(path: Path) -> None:
    """Write another text into the first row."""
    head, *rest = path.read_text().splitlines(keepends=True)
    row = json.loads(head) | {"response": "POISON"}
    path.write_text(json.dumps(row, separators=(",", ":")) + "\n" + "".join(rest))


@pytest.mark.parametrize("damage", [Path.unlink, halve, poison, flip])
@pytest.mark.parametrize(
    ("file", "words", "redo"),
    [
        ("rounds/01/3-expand/records.jsonl", ["finish", "small", "--redo", "union"], "01/3-expand"),
        ("rounds/02/2-draft/records.jsonl", ["finish", "small", "--redo", "union"], "02/2-draft"),
        ("rounds/01/1-instruct/records.jsonl", MORE, "01/1-instruct"),
        ("rounds/02/1-instruct/records.jsonl", MORE, "02/1-instruct"),
        ("final/2-draft/records.jsonl", ["finish", "small", "--redo", "union"], "2-draft"),
        ("final/4-demand/records.jsonl", ["finish", "small", "--redo", "train"], "4-demand"),
    ],
)
def test_texts_that_are_not_what_was_written_are_not_used(
    run: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    file: str,
    words: list[str],
    redo: str,
) -> None:
    path = run / file
    damage(path)
    line = rejection(capsys, *words)
    assert f"{path}" in line and f"--redo {redo}`" in line
    assert [fault["file"] for fault in checked(capsys)["damaged"]] == [str(path)]
    assert "POISON" not in "".join(p.read_text() for p in (run / "final").rglob("train.jsonl"))


def test_a_redo_makes_what_is_damaged_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "rounds/02/3-expand/records.jsonl"
    whole = [json.loads(line)["text"] for line in path.open()]
    halve(path)
    line = rejection(capsys, *MORE[:2], "--iterations", "2", "--redo", "2/dataset")
    redo = re.search(r"`run (--redo \S+)`", line)
    assert redo is not None
    assert main(["run", "small.yaml", *redo[1].split()]) == 0
    assert [json.loads(line)["text"] for line in path.open()] == whole
    assert main(["finish", "small"]) == 0
    checked(capsys, sound=True)


@pytest.mark.parametrize(
    ("file", "words", "redo"),
    [
        ("rounds/02/5-train/generator/adapter_model.safetensors", MORE, "02/5-train"),
        ("rounds/02/5-train/expander/adapter_model.safetensors", MORE, "02/5-train"),
        ("rounds/02/5-train/generator/adapter_config.json", MORE, "02/5-train"),
        (
            "final/5-train/adapter_model.safetensors",
            ["finish", "small", "--redo", "held-out"],
            "5-train",
        ),
        ("final/5-train/adapter_config.json", ["finish", "small", "--redo", "held-out"], "5-train"),
    ],
)
def test_an_adapter_that_is_not_what_was_trained_is_not_used(
    run: Path, capsys: pytest.CaptureFixture[str], file: str, words: list[str], redo: str
) -> None:
    flip_last(run / file)
    line = rejection(capsys, *words)
    assert f"{run / file}: " in line and f"--redo {redo}`" in line
    assert str(run / file) in [fault["file"] for fault in checked(capsys)["damaged"]]
    assert not (run / "final/adapter").exists() or words == MORE


@pytest.mark.parametrize("damage", [flip, halve, Path.unlink])
@pytest.mark.parametrize("name", ["generator", "expander"])
def test_rows_that_are_not_what_was_written_are_not_trained_on(
    run: Path, capsys: pytest.CaptureFixture[str], name: str, damage: Callable[[Path], None]
) -> None:
    rows = run / f"rounds/02/4-dataset/{name}.jsonl"
    damage(rows)
    line = rejection(capsys, "run", "small.yaml", "--redo", "2/train")
    assert str(rows.parent) in line and name in line and "--redo 02/4-dataset`" in line
    assert main(["run", "small.yaml", "--redo", "2/dataset"]) == 0


def test_a_union_that_is_not_what_was_written_is_not_used(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    union = run / "final/3-union/union.jsonl"
    poison_response(union)
    line = rejection(capsys, "finish", "small", "--redo", "demand")
    assert f"{union}: " in line and "`finish RUN --redo 3-union`" in line


@pytest.mark.parametrize(
    "file", ["dataset/train.jsonl", "adapter/adapter_model.safetensors", "figures.json"]
)
@pytest.mark.parametrize("old", [False, True])
def test_what_is_given_away_is_verified(
    run: Path, capsys: pytest.CaptureFixture[str], file: str, old: bool
) -> None:
    """Also where a version before wrote no digests."""
    if old:
        as_before(run)
        checked(capsys, sound=True)
    path = run / "final" / file
    whole = path.read_bytes()
    halve(path) if path.suffix == ".jsonl" else flip_last(path)
    if path.suffix == ".json":
        path.write_bytes(whole[:-9])
    line = rejection(capsys, "finish", "small")
    assert f"{path}: " in line and "remove the file" in line
    assert [fault["file"] for fault in checked(capsys)["damaged"]] == [str(path)]
    path.unlink()
    assert main(["finish", "small"]) == 0
    checked(capsys, sound=True)


def as_before(run: Path) -> None:
    """Take away what versions before did not write."""
    for path in [*run.rglob("metrics.json"), *run.rglob("figures.json"), *run.rglob("DONE.json")]:
        value = json.loads(path.read_text())
        value.pop("files", None)
        if path.name != "DONE.json":
            value.pop("digest")
        path.write_text(json.dumps(value, indent=1) + "\n")


def test_check_lists_what_is_sound_in_work_and_damaged(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(run)
    report = checked(capsys, sound=True)
    assert tree(run) == before
    names = {entry["name"]: entry["state"] for entry in report["checked"]}
    assert {
        "config.yaml", "00/6-held-out", "01/1-instruct", "01/4-dataset", "02/5-train/expander",
        "02/metrics.json", "final/3-union", "final/4-demand", "final/6-held-out/base",
    } <= names.keys()  # fmt: skip
    assert set(names.values()) == {"sound"} and report["damaged"] == []
    assert main(["check", "small"]) == 0
    assert "runs/small: all sound, " in capsys.readouterr().out
    (run / "final/6-held-out/final/DONE.json").unlink()  # as a kill leaves it
    names = {e["name"]: e["state"] for e in checked(capsys, sound=True)["checked"]}
    assert names["final/6-held-out/final"] == "in work"
    poison(run / "rounds/01/2-draft/records.jsonl")
    halve(run / "rounds/01/2-draft/rejected.jsonl")
    halve(run / "rounds/02/2-draft/rejected.jsonl")
    (run / "rounds/00/6-held-out/records.jsonl").unlink()
    assert main(["check", "runs/small"]) == 1
    out = capsys.readouterr().out
    for file in ("01/2-draft/records", "02/2-draft/rejected", "00/6-held-out/records"):
        assert len([line for line in out.splitlines() if f"rounds/{file}.jsonl: " in line]) == 1
    assert "4 damaged files" in out


COMMANDS = (
    ["status", "small"],
    ["check", "small"],
    MORE,
    ["collect", "small", "--redo", "union"],
    ["finish", "small", "--redo", "demand"],
)


@pytest.mark.parametrize("file", ["DONE.json", "stage.json"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"\0" * 200, b"[]", b"{}", b'{"key": "\xff"}', None]
)
def test_marks_that_cannot_be_read_are_named(
    run: Path, capsys: pytest.CaptureFixture[str], file: str, content: bytes | None
) -> None:
    path = run / "rounds/02/2-draft" / file
    if content is None:
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(content)
    for words in COMMANDS:
        capsys.readouterr()
        assert main(words) in (1, 2)
        out, err = capsys.readouterr()
        line = out if words[0] == "check" else err
        assert f"{path}: " in line and "--redo 02/2-draft`" in line


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("rounds/02/metrics.json", ["status", "small"]),
        ("rounds/02/metrics.json", ["run", "small.yaml"]),
        ("final/figures.json", ["status", "small"]),
        ("config.yaml", ["status", "small"]),
        ("config.yaml", ["show", "small"]),
        ("config.yaml", ["finish", "small"]),
        ("rounds/02/3-expand/records.jsonl", ["show", "small"]),
        ("rounds/02/3-expand/records.jsonl", ["finish", "small", "--redo", "union"]),
    ],
)
@pytest.mark.parametrize("content", [b"", b"\0" * 99, b'{"id":"r02-\xff\xfe', None])
def test_files_that_cannot_be_read_are_named(
    run: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    words: list[str],
    content: bytes | None,
) -> None:
    path = run / file
    if content is None:
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(content)
    assert str(path) in rejection(capsys, *words)


def test_a_lock_that_cannot_be_read_is_no_traceback(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = run / "lock"
    for content in (b"\xff\xfe\0", b"\0" * 99, b"process 99999999999999999999 on x"):
        lock.write_bytes(content)
        assert main(["status", "small"]) == 0
        assert main(["run", "small.yaml", "--redo", "2/held-out"]) == 0
    lock.unlink()
    lock.mkdir()
    assert str(lock) in rejection(capsys, "run", "small.yaml", "--redo", "2/held-out")


@pytest.mark.parametrize("name", ["1-instruct", "2-draft", "3-expand", "4-dataset"])
def test_a_missing_mark_under_later_stages_is_named(
    run: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = run / "rounds/02" / name / "DONE.json"
    path.unlink()
    for words in (MORE, ["status", "small"], ["finish", "small", "--redo", "union"]):
        line = rejection(capsys, *words)
        assert f"{path}: it is missing" in line and f"--redo 02/{name}`" in line
    assert [fault["file"] for fault in checked(capsys)["damaged"]] == [str(path)]
    assert main(["run", "small.yaml", "--redo", f"2/{name}"]) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [("rounds/02/3-expand", "final/4-demand"), ("rounds/01/6-held-out", "final/3-union")],
)
def test_stages_of_another_place_are_named(
    run: Path, capsys: pytest.CaptureFixture[str], one: str, other: str
) -> None:
    """What a stage of a round is made of is no stage after the last, and the other way round."""
    for name in ("stage.json", "DONE.json"):
        first, second = run / one / name, run / other / name
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)
    for words in (MORE, ["status", "small"], ["finish", "small"]):
        rejection(capsys, *words)
    assert len(checked(capsys)["damaged"]) >= 2


def test_backups_beside_stages_are_passed_over(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in ("rounds/02", "rounds/02/2-draft", "rounds/02/5-train/generator", "final/4-demand"):
        shutil.copytree(run / path, run / f"{path}.bak")
    checked(capsys, sound=True)
    for words in (["status", "small"], ["show", "small"], ["finish", "small"], MORE):
        assert main(words) == 0


def test_metrics_that_were_changed_stop_no_run(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "rounds/02/metrics.json"
    figures = json.loads(path.read_text())
    figures["held_out"]["ends"] = 0.0
    path.write_text(json.dumps(figures))
    line = rejection(capsys, *MORE, "--held_out.min_ends", "0.5")
    assert f"{path}: it was changed" in line and "remove the file" in line
    path.unlink()
    assert main(["run", "small.yaml"]) == 0
    checked(capsys, sound=True)


def test_no_attempts_are_no_record(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The estimate, which `run` makes first, divides by them."""
    path = run / "rounds/01/2-draft/records.jsonl"
    path.write_text(path.read_text().replace('"attempts":1', '"attempts":0', 1))
    for words in (["estimate", *MORE[1:]], MORE):
        assert f"{path}, line 1: is not a record" in rejection(capsys, *words)


@pytest.mark.parametrize("mean", [float("nan"), float("inf")])
def test_lengths_are_finite(run: Path, capsys: pytest.CaptureFixture[str], mean: float) -> None:
    path = run / "rounds/01/3-expand/DONE.json"
    done = json.loads(path.read_text())
    done["words"]["mean"] = mean
    path.write_text(json.dumps(done))
    for words in (["estimate", *MORE[1:]], MORE, ["status", "small"]):
        assert f"{path}: it is not what was written" in rejection(capsys, *words)


@pytest.mark.parametrize(
    "place", ["rounds", "rounds/01", "rounds/01/2-draft", "rounds/02/5-train", "final/4-demand"]
)
def test_a_file_in_a_folders_place_is_to_be_moved(
    run: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """To make it again is no remedy: `--redo` would meet the file, too."""
    shutil.rmtree(run / place)
    (run / place).write_text("")
    fault = f"{run / place}: there is a file where a folder belongs; move it away."
    for words in (["status", "small"], MORE, ["finish", "small"]):
        assert rejection(capsys, *words) == f"selflengthen: {fault}"
    assert checked(capsys)["damaged"][0]["file"] == str(run / place)


def test_a_redo_meets_no_figures_that_were_changed(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "rounds/02/metrics.json"
    flip(path)
    assert str(path) in rejection(capsys, "run", "small.yaml")
    assert main(["run", "small.yaml", "--redo", "2/held-out"]) == 0
    checked(capsys, sound=True)
    (aside,) = (run / "superseded").iterdir()
    assert {p.name for p in (aside / "02").iterdir()} == {"6-held-out", "metrics.json"}
