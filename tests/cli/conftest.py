"""A small model on disk, a small configuration, and a training double for the scripted engine."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import msgspec
import pytest

from selflengthen.storage.jsonl import read_structs
from selflengthen.storage.records import Record, encode
from tests.cli.double import train


def make_model(folder: Path, *, positions: int = 8192, template: bool = True) -> Path:
    """Write what `models.find` takes for a model; the scripted engine never loads it."""
    folder.mkdir(parents=True)
    config = {
        "model_type": "qwen2", "hidden_size": 8, "num_hidden_layers": 2, "vocab_size": 16,
        "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": positions,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = {"chat_template": "{{ messages }}"} if template else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    header = json.dumps(
        {"weight": {"dtype": "BF16", "shape": [16, 8], "data_offsets": [0, 256]}}
    ).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(256))
    return folder


CONFIG = """\
model: {model}
language: en
iterations: 2
sampling:
  max_tokens: 2000
instruct:
  per_round: 12
  wave: 6
draft:
  per_instruction: 1
expand:
  per_draft: 1
  passes: 1
train:
  max_length: 4096
held_out:
  texts: 6
  min_ends: 0.0
  max_repeats: 1.0
collect:
  instructions: 6
engine:
  kind: scripted
  context: 4096
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a model `tiny` and a configuration `small.yaml` for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("selflengthen.cli.runner.train", train)
    make_model(tmp_path / "tiny")
    (tmp_path / "small.yaml").write_text(CONFIG.format(model="tiny"))
    return tmp_path


def reseal(run: Path) -> None:
    """Make a run's stages stand by texts that a test has changed, as if these had been written."""
    for done in run.glob("rounds/*/*/DONE.json"):
        records = done.parent / "records.jsonl"
        if records.exists():
            digest = hashlib.sha256()
            for record in read_structs(records, Record):
                digest.update(encode(msgspec.structs.replace(record, seconds=0.0)))
            value = json.loads(done.read_text()) | {"digest": digest.hexdigest()}
            done.write_text(json.dumps(value))
