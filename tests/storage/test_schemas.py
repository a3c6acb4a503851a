"""Files of a run as structs: what is read is written again byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from selflengthen.errors import DamagedFile
from selflengthen.storage.atomic import write_json
from selflengthen.storage.figures import read_figures, read_metrics
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import (
    Done,
    Selection,
    SkippedDone,
    TrainedDone,
    UnionDone,
    read_done,
)

OLD = RunFolder(Path(__file__).parents[1] / "cli/runs_of_0_1_0/complete")


def test_done_of_every_stage_is_written_as_it_was_read(tmp_path: Path) -> None:
    folders = [*OLD.stages(), *OLD.last_stages()]
    assert len(folders) > 12
    copy = tmp_path / "DONE.json"
    for folder in folders:
        done = folder.done()
        assert done is not None
        write_json(copy, done.as_json())
        assert copy.read_bytes() == (folder.path / "DONE.json").read_bytes(), folder.title


def test_figures_are_written_as_they_were_read(tmp_path: Path) -> None:
    copy = tmp_path / "figures.json"
    for path, figures in (
        (OLD.metrics(1), read_metrics(OLD.metrics(1), "")),
        (OLD.final / "figures.json", read_figures(OLD.final / "figures.json", "")),
    ):
        write_json(copy, msgspec.to_builtins(figures))
        assert copy.read_bytes() == path.read_bytes()


def test_what_all_stages_have_ends_the_file() -> None:
    done = TrainedDone(
        key="k",
        digest="d",
        rows=2,
        dropped=0,
        steps=1,
        seconds=1.0,
        tokens_per_second=1.0,
        first_loss=2.0,
        last_loss=1.0,
        chosen=Selection(rows=2, of=3, added=0, dropped={}),
        files={"a": "b"},
        version="v",
        finished="now",
    )
    names = list(done.as_json())
    assert names[:3] == ["key", "digest", "rows"]
    assert names[-4:] == ["chosen", "files", "version", "finished"]
    assert "key" not in done.as_json(without=("key",))


def test_fields_without_a_value_are_left_out() -> None:
    assert Done(key=None, digest="d").as_json() == {"key": None, "digest": "d"}
    skipped = SkippedDone(key="k", digest="", skipped=True, rows=0)
    assert skipped.as_json() == {"key": "k", "digest": "", "skipped": True, "rows": 0}


@pytest.mark.parametrize("missing", ["key", "rows", "from"])
def test_a_missing_field_is_named(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "DONE.json"
    value = {"key": "k", "digest": "d", "rows": 1, "from": {"rounds": 1, "collected": 0}}
    value |= {"dropped": {}, "of": 1}
    path.write_text(json.dumps(value))
    assert isinstance(read_done(path, UnionDone, ""), UnionDone)
    del value[missing]
    path.write_text(json.dumps(value))
    with pytest.raises(DamagedFile, match=f"missing required field `{missing}`"):
        read_done(path, UnionDone, "")
