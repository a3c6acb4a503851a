"""Models in GGUF files: converted once, known by their content, and never half."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from selflengthen.errors import UserError
from selflengthen.inputs import gguf, gguf_convert, models
from selflengthen.inputs.gguf_header import read_header
from selflengthen.inputs.model_shape import shape_of
from tests.inputs import tiny_gguf


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a tiny model."""
    return tiny_gguf.write(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep conversions in a folder of the test's own."""
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path / "assets"))
    monkeypatch.setattr(
        "huggingface_hub.utils._cache_assets.HF_ASSETS_CACHE", str(tmp_path / "assets")
    )
    return tmp_path / "assets" / "selflengthen" / "gguf" / "v1"


def quick(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Convert in this process, where the libraries are loaded; return where to, each time."""
    folders: list[Path] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        *_, path, folder = command
        folders.append(Path(folder))
        try:
            gguf_convert.convert(Path(path), Path(folder))
        except Exception as error:
            return subprocess.CompletedProcess(command, 1, gguf_convert.in_a_line(error), "")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(gguf.subprocess, "run", run)
    return folders


def test_a_file_becomes_the_model_that_it_was_made_of(
    tiny: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = models.find(str(tiny))
    assert "converting" in capsys.readouterr().err
    assert model.digest == hashlib.sha256(tiny.read_bytes()).hexdigest()
    assert model.path == cache / model.digest
    assert [path.name for path in cache.iterdir()] == [model.digest]
    assert model.positions == 512
    assert model.config["dtype"] == "bfloat16"
    loaded = AutoModelForCausalLM.from_pretrained(model.path, trust_remote_code=False)
    expected = tiny_gguf.reference()
    for name, values in expected.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], values), name
    assert loaded.generation_config.eos_token_id == [2, 0]
    tokenizer = AutoTokenizer.from_pretrained(model.path, trust_remote_code=False)
    text = tokenizer.apply_chat_template([{"role": "user", "content": "hé 12"}], tokenize=False)
    assert text == "<|start|>user\nhé 12<|end|>\n"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert shape_of(model).parameters == sum(each.numel() for each in expected.parameters())
    assert "license: apache-2.0" in (model.path / "README.md").read_text()


def test_a_conversion_is_used_again_wherever_the_file_lies(
    tiny: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = quick(monkeypatch)
    first = models.find(str(tiny))
    again = models.find(shutil.copy(tiny, tmp_path / "elsewhere.gguf"))
    assert len(folders) == 1
    assert (again.path, again.digest) == (first.path, first.digest)


def test_what_a_killed_conversion_left_is_not_used(
    tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    digest = hashlib.sha256(tiny.read_bytes()).hexdigest()
    torn = cache / f"{digest}.partial"
    torn.mkdir(parents=True)
    (torn / "config.json").write_text("{}")
    (torn / "left.safetensors").write_text("torn")
    model = models.find(str(tiny))
    assert not torn.exists()
    assert not (model.path / "left.safetensors").exists()


@pytest.mark.slow
def test_two_processes_convert_once(tiny: Path, tmp_path: Path) -> None:
    code = f"from selflengthen.inputs import models; print(models.find({str(tiny)!r}).path)"
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    for name in ("HF_HOME", "HF_ASSETS_CACHE"):
        environment.pop(name, None)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    results = [each.communicate() for each in both]
    assert [each.returncode for each in both] == [0, 0], results
    assert results[0][0] == results[1][0]
    assert str(tmp_path) in results[0][0]
    assert sum("converting" in said for _, said in results) == 1


@pytest.mark.parametrize(
    ("spoiled", "reason"),
    [
        ({"template": None}, "has no chat template"),
        ({"parts": 3}, "is one of 3 parts of a model"),
        ({"vocabulary_only": True}, "holds no weights"),
        ({"architecture": "parrot"}, "cannot be converted .*parrot.* is not supported"),
        ({"layers": 10**9}, "cannot be converted .it says it has 1000000000 layers"),
        ({"layers": 3}, "tensors are missing, such as model.layers.2"),
        ({"leave_out": "blk.1.attn_q.weight"}, "1 of its tensors are missing"),
        ({"leave_out": "token_embd.weight"}, "cannot be converted"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    spoiled: dict[str, object],
    reason: str,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick(monkeypatch)
    path = tiny_gguf.write(tmp_path / "spoiled.gguf", **spoiled)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=reason) as caught:
        models.find(str(path))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert not cache.exists() or not [each for each in cache.iterdir() if each.is_dir()]


def test_a_file_cut_anywhere_is_said_to_be(tiny: Path, tmp_path: Path) -> None:
    data = tiny.read_bytes()
    read_header(tiny)
    path = tmp_path / "cut.gguf"
    for length in [*range(4, 4_000, 37), *range(4_000, len(data), 997), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(UserError, match="cut short"):
            read_header(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not a GGUF file"),
        (b"PK\3\4 and so on", "is not a GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "is GGUF of version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "is GGUF of version 50331648"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "says it has"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "says it has"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 62), "cut short or damaged"),
        (b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"a", 9, 8, 1 << 60), "cut short"),
        (b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"a", 9, 4, 1 << 62), "cut short"),
        (b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"a", 9, 9, 2), "array of type 9"),
        (b"GGUF" + struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"a", 77), "a value of type 77"),
        (b"GGUF" + struct.pack("<IQQQ1sI", 3, 1, 0, 1, b"a", 99), "has 99 dimensions"),
        (b"GGUF" + struct.pack("<IQQQ1sIQIQ", 3, 1, 0, 1, b"a", 1, 8, 999, 0), "of type 999"),
        (b"GGUF" + struct.pack("<IQQQ1sIQIQ", 3, 1, 0, 1, b"a", 1, 1 << 62, 0, 0), "cut short"),
    ],
)
def test_a_hostile_header_is_one_line(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.gguf"
    path.write_bytes(data)
    with pytest.raises(UserError, match=reason) as caught:
        models.find(str(path))
    assert "\n" not in str(caught.value)


def test_a_model_beyond_the_memory_is_not_begun(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf, "_MEMORY", 1 << 60)
    with pytest.raises(UserError, match=r"parameters takes about .* GiB of memory, and"):
        models.find(str(tiny))
