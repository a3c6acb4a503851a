"""Small data sets on disk, and the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from selflengthen.cli import main

Write = Callable[..., Path]
RESPONSES = ["one", "one two three", "one two", "一二三四五", "one two three four", "a b"]


def row(number: int, response: str) -> dict[str, Any]:
    """Return a row with a field that is nobody's business."""
    return {"id": f"r{number}", "prompt": f"Write {number}.", "response": response, "extra": [1.50]}


def lines(rows: Iterable[Any]) -> str:
    """Return rows as JSONL, with spaces that another writer would not put there."""
    return "".join(json.dumps(row, ensure_ascii=False) + " \n" for row in rows)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with `six.jsonl`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("six.jsonl").write_text(lines(row(n, text) for n, text in enumerate(RESPONSES)))
    return tmp_path


@pytest.fixture
def curate(work: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return the command, which must succeed; what it printed comes back."""

    def run(*words: str) -> str:
        code = main(["curate", *words])
        out, err = capsys.readouterr()
        assert code == 0, err
        return out

    return run


@pytest.fixture
def refused(work: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return the command, which must be refused in one line and write nothing."""

    def run(*words: str) -> str:
        before = sorted(work.rglob("*"))
        code = main(["curate", *words])
        out, err = capsys.readouterr()
        assert code == 2, err
        assert out == ""
        assert err.endswith("\n") and err.count("\n") == 1, err
        assert sorted(work.rglob("*")) == before
        return err

    return run


def read(path: str | Path) -> list[Any]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in Path(path).read_text().splitlines()]
