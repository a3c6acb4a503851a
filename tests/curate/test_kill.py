"""SIGKILL while a choice is written: the same command then writes what it would have written."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from selflengthen.cli import main
from tests.cli.test_bad_input import tree
from tests.loop.scripted_run import survives

WRITES = ("fsync", "replace", "rename")


@pytest.mark.parametrize(
    ("source", "suffix"), [("six.jsonl", ".jsonl"), ("six.parquet", ".parquet"), ("six.jsonl", "")]
)
def test_a_killed_curate_can_be_repeated(
    work: Path, monkeypatch: pytest.MonkeyPatch, source: str, suffix: str
) -> None:
    import datasets  # here and not in every fork

    monkeypatch.setenv("HF_DATASETS_CACHE", str(work / "hub"))
    datasets.Dataset.from_json("six.jsonl", cache_dir=str(work / "hub")).to_parquet("six.parquet")
    command = ["curate", "longest", str(work / source), "--k", "3", "--out", f"out{suffix}"]
    whole = outcome(work / "whole", command)
    assert {name.partition("/")[0] for name in whole} == {
        f"out{suffix}", "out.dropped.jsonl", "out.report.json"
    }  # fmt: skip
    kills = 0
    for write in WRITES:
        for when in range(1, 100):
            folder = work / f"{write}-{when}"
            if not killed(folder, command, write, when):
                break
            kills += 1
            if not (folder / f"out{suffix}").exists():  # what is there is there with the others
                outcome(folder, command)
            assert comparable(tree(folder)) == comparable(whole)
    assert kills >= 9  # three files: each is forced to disk, renamed, and its folder forced


def outcome(folder: Path, command: list[str]) -> dict[str, bytes | None]:
    """Return what the command leaves in a folder; it must succeed."""
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    assert main(command) == 0
    return tree(folder)


def killed(folder: Path, command: list[str], write: str, when: int) -> bool:
    """Run the command in a fork that is killed at that write; say whether it came to it."""
    folder.mkdir()
    return not survives(partial(outcome, folder, command), when, (os, write))


def comparable(files: dict[str, bytes | None]) -> dict[str, bytes | None]:
    """Leave out the contents that `datasets` marks with the time."""
    volatile = ("state.json", "dataset_info.json")
    return {name: None if name.endswith(volatile) else data for name, data in files.items()}
