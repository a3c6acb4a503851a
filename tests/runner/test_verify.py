"""What counts as the files that were written, and what does not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selflengthen.errors import DamagedFile
from selflengthen.runner import metrics
from selflengthen.runner.verify import faults, require_sound, thorough_faults
from selflengthen.storage.records import Record, TrainingRow, encode
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import ChosenDone
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.training.weights import digest_of_weights
from tests.soak import fuzz

texts = st.text(st.characters(codec="utf-8"), max_size=40)


def stage(folder: Path, written: list[str]) -> StageFolder:
    """Return a finished stage of these texts; every third is dropped."""
    made = RunFolder(folder).named("2-draft", 1)
    made.begin({"inputs": {}})
    records = [
        Record(
            id=f"r01-draft-{number:06d}", source='a,"seconds":1.5,', text=text, attempts=1,
            words=len(text), tokens=3, seed=4, finish_reason="stop", seconds=number / 3,
            details={"seconds": text},
        )
        for number, text in enumerate(written)
    ]  # fmt: skip
    made.append(records, [])
    digest = made.settle({record.id: "lot" for record in records[::3]})
    items = len(written)
    made.finish(metrics.texts_done(made, digest, items=items, seconds=1.0, tokens=1))
    return made


@given(written=st.lists(texts, min_size=1, max_size=6), at=st.floats(0, 1), bit=st.integers(0, 7))
@fuzz(300, 20_000)
@pytest.mark.soak
def test_every_changed_bit_of_texts_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, written: list[str], at: float, bit: int
) -> None:
    """But for the seconds, which the digest leaves out."""
    folder = stage(tmp_path_factory.mktemp("run"), written)
    assert list(thorough_faults(folder)) == []
    data = bytearray(folder.records_path.read_bytes())
    place = min(int(at * len(data)), len(data) - 1)
    data[place] ^= 1 << bit
    before = list(folder.records(dropped=True))
    folder.records_path.write_bytes(data)
    try:
        require_sound(folder)
        after = list(folder.records(dropped=True))
    except DamagedFile as error:
        assert str(folder.records_path) in str(error) and "--redo 01/2-draft`" in str(error)
        return
    assert [_timeless(r) for r in before] == [_timeless(r) for r in after]


def _timeless(record: Record) -> dict[str, object]:
    return {name: getattr(record, name) for name in Record.__struct_fields__ if name != "seconds"}


def test_texts_that_another_program_wrote_again_are_the_same(tmp_path: Path) -> None:
    folder = stage(tmp_path, ["One text.", "Ein längerer Text.", "三"])
    lines = folder.records_path.read_text().splitlines()
    spaced = "".join(json.dumps(json.loads(line)) + "\n" for line in lines)
    assert spaced != folder.records_path.read_text()
    folder.records_path.write_text(spaced)
    assert list(thorough_faults(folder)) == []
    folder.records_path.write_text(spaced.replace("One", "Two"))
    assert [fault.path for fault in faults(folder)] == [folder.records_path]


def test_chosen_rows_are_verified(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path).named("4b-curate", 1)
    folder.begin({"inputs": {}})
    paths = [folder.path / f"{role}.jsonl" for role in ("generator", "expander")]
    rows = [TrainingRow(id=f"r01-expand-{n}", prompt=[], completion=[]) for n in range(4)]
    for path, listed in zip(paths, (rows, rows[:3]), strict=True):
        path.write_bytes(b"".join(map(encode, listed)))
    digest = hashlib.sha256(
        b"".join(hashlib.sha256(path.read_bytes()).digest() for path in paths)
    ).hexdigest()
    done = ChosenDone(key=folder.key(), digest=digest, rows=4, of=9, added=1, dropped={"short": 6})
    folder.finish(done)
    assert list(faults(folder)) == []
    whole = paths[1].read_bytes()
    for change in (whole[:-1] + b" ", whole + whole[:9], b"", whole.splitlines(keepends=True)[0]):
        paths[1].write_bytes(change)
        named = [str(fault) for fault in faults(folder)]
        assert len(named) == 1 and "expander.jsonl" in named[0]
        assert "--redo 01/4b-curate`" in named[0]
    paths[1].unlink()
    with pytest.raises(DamagedFile, match=r"expander\.jsonl: it is missing"):
        require_sound(folder)


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "float64"])
def test_the_digest_of_weights_is_that_of_the_training(tmp_path: Path, kind: str) -> None:
    import torch
    from safetensors.torch import save_file

    from selflengthen.training.checkpoints import digest_of_file

    torch.manual_seed(1)
    weights = {
        name: torch.randn(3, 5).to(getattr(torch, kind)) for name in ("b.lora_A", "a", "b.lora_B")
    }
    path = tmp_path / "adapter_model.safetensors"
    save_file(weights, path)
    assert digest_of_weights(path) == digest_of_file(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError):
        digest_of_weights(path)
