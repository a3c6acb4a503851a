"""A finished run, damaged anywhere: a command ends in one line, or what it makes is right."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from selflengthen.cli import main
from selflengthen.storage.records import Record
from tests.cli.conftest import CONFIG, make_model
from tests.cli.double import train
from tests.soak import fuzz

RUN = Path("runs/damaged")
ROWS = ("union.jsonl", "train.jsonl", "generator.jsonl", "expander.jsonl")
KINDS = ("flip", "cut", "remove", "empty", "nul", "folder", "garbage", "swap", "remove folder")
ACTS = (
    ["run", "small.yaml", "--run-dir", str(RUN)],
    ["run", "small.yaml", "--run-dir", str(RUN), "--iterations", "3"],
    ["run", str(RUN / "config.yaml"), "--iterations", "3"],
    ["run", "small.yaml", "--run-dir", str(RUN), "--redo", "2/expand"],
    ["run", "small.yaml", "--run-dir", str(RUN), "--redo", "1/instruct"],
    ["collect", str(RUN)],
    ["finish", str(RUN)],
    ["collect", str(RUN), "--redo", "instruct"],
    ["finish", str(RUN), "--redo", "union"],
    ["finish", str(RUN), "--redo", "demand"],
    ["finish", str(RUN), "--redo", "held-out"],
)
LOOKS = (
    ["status", str(RUN)],
    ["show", str(RUN)],
    ["show", str(RUN), "--stage", "demand"],
    ["show", str(RUN), "--id", "r02-draft-000001-00"],
    ["check", str(RUN)],
)


@dataclass(frozen=True)
class Damage:
    """What is done to a file: places in it and in the list of files are shares of the whole."""

    kind: str
    file: float
    other: float
    place: float
    bit: int


damages = st.lists(
    st.builds(
        Damage,
        kind=st.sampled_from(KINDS),
        file=st.floats(0, 1, exclude_max=True),
        other=st.floats(0, 1, exclude_max=True),
        place=st.floats(0, 1, exclude_max=True),
        bit=st.integers(0, 7),
    ),
    min_size=1,
    max_size=2,
)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a finished run of two rounds, and one of three."""
    folder, here = tmp_path_factory.mktemp("damage"), Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("selflengthen.cli.runner.train", train)
        patch.setattr(os, "fsync", lambda number: None)  # nothing is killed here, so no disk waits
        os.chdir(folder)
        make_model(folder / "tiny")
        (folder / "small.yaml").write_text(CONFIG.format(model="tiny"))
        for name, rounds in (("whole", "2"), ("longer", "3")):
            place = f"runs/{name}"
            assert main(["run", "small.yaml", "--run-dir", place, "--iterations", rounds]) == 0
            assert main(["finish", place]) == 0
        yield folder
        os.chdir(here)


@pytest.fixture(scope="module")
def allowed(work: Path) -> set[bytes]:
    """Every row that an undamaged run writes."""
    lines: set[bytes] = set()
    for name in ("whole", "longer"):
        for path in Path("runs", name).rglob("*.jsonl"):
            if path.name in ROWS:
                lines.update(path.read_bytes().splitlines())
    assert len(lines) > 40
    return lines


@pytest.mark.soak
@fuzz(500, 20_000)
@given(damaged=damages, act=st.sampled_from(ACTS), look=st.sampled_from(LOOKS))
def test_damage_is_named_or_does_no_harm(
    work: Path,
    allowed: set[bytes],
    capsys: pytest.CaptureFixture[str],
    damaged: list[Damage],
    act: list[str],
    look: list[str],
) -> None:
    shutil.rmtree(RUN, ignore_errors=True)
    shutil.copytree("runs/whole", RUN, symlinks=True)
    for damage in damaged:
        _do(damage)
    before = _rows()
    sound = command(["check", str(RUN)], capsys) == 0
    event(f"check: {'sound' if sound else 'damaged'}")
    if sound:
        assert _altered(_finished(Path("runs/whole")), _finished(RUN)) == set()
    config = RUN / "config.yaml"
    same_settings = act[1] == "small.yaml" or (
        config.is_file() and config.read_bytes() == Path("runs/whole/config.yaml").read_bytes()
    )
    code = command(act, capsys)
    event(f"{act[0]}: {code}")
    for path, rows in _rows().items():
        if same_settings and rows != before.get(path):
            assert set(rows.splitlines()) <= allowed, path
    command(look, capsys)


def command(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> int:
    """Run a command; where it fails, it must do so in one line."""
    capsys.readouterr()
    code = main(list(words))
    err = capsys.readouterr().err.splitlines()
    assert code in (0, 1, 2)
    if code and words[0] != "check":
        assert [line for line in err if line.startswith("selflengthen: ")] == err[-1:], err
    return code


def _do(damage: Damage) -> None:
    files = sorted(p for p in RUN.rglob("*") if p.is_file() and "logs" not in p.parts)
    if not files:
        return
    path, other = (files[int(place * len(files))] for place in (damage.file, damage.other))
    data = path.read_bytes()
    at = int(damage.place * len(data))
    match damage.kind:
        case "flip" if data:
            path.write_bytes(data[:at] + bytes([data[at] ^ 1 << damage.bit]) + data[at + 1 :])
        case "cut":
            path.write_bytes(data[:at])
        case "remove":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "nul":
            path.write_bytes(data[:at] + bytes(len(data[at:])))
        case "folder":
            path.unlink()
            path.mkdir()
        case "garbage":
            path.write_bytes(data + bytes([0xFF, 0xFE, damage.bit]))
        case "swap":
            path.write_bytes(other.read_bytes())
            other.write_bytes(data)
        case "remove folder" if path.parent != RUN:
            shutil.rmtree(path.parent)


def _rows() -> dict[Path, bytes]:
    """Return the files of rows of the run."""
    paths = [*RUN.glob("rounds/*/4-dataset/*"), *RUN.glob("final/3-union/*")]
    paths += RUN.glob("final/dataset/*")
    return {path: path.read_bytes() for path in paths if path.name in ROWS and path.is_file()}


def _finished(run: Path) -> dict[str, object]:
    """Return what the finished stages of a run hold, but for times."""
    found: dict[str, object] = {}
    for done in run.rglob("DONE.json"):
        for path in done.parent.glob("*"):
            if path.name in ("records.jsonl", *ROWS, "adapter_model.safetensors"):
                found[str(path.relative_to(run))] = _content(path)
    return found


def _content(path: Path) -> object:
    if path.name != "records.jsonl":
        return path.read_bytes() if path.is_file() else None
    lines = path.read_bytes().splitlines() if path.is_file() else []
    return [_record(line) for line in lines]


def _record(line: bytes) -> object:
    """Return a record as it is read, without its time: a field that nobody reads is nothing."""
    try:
        record = msgspec.json.decode(line, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return line
    return msgspec.structs.replace(record, seconds=0.0)


def _altered(before: dict[str, object], after: dict[str, object]) -> set[str]:
    """Return what both have and is not the same."""
    return {name for name in before.keys() & after.keys() if before[name] != after[name]}
