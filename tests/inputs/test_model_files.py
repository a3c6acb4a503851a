"""A model's files are bounded and checked: each fault is one line that names the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from selflengthen.cli import main
from selflengthen.errors import UserError
from selflengthen.inputs import model_files, models
from selflengthen.inputs.model_shape import shape_of
from tests.cli.conftest import make_model
from tests.inputs import odd_models
from tests.inputs.odd_models import ANYTHING, HEADERS, INDICES, NOT_JSON, NUMBERS, Spoil


def spoiled(folder: Path, name: str, spoil: Spoil) -> Path:
    """Make a model with a bad file; return the file."""
    path = make_model(folder) / name
    path.unlink(missing_ok=True)
    if name.endswith(".index.json"):
        (folder / "model.safetensors").unlink()
    spoil(path)
    return path


CASES = {
    **{f"model.safetensors {name}": ("model.safetensors", s) for name, s in HEADERS.items()},
    **{
        f"{file} {name}": (file, spoil)
        for file in ("config.json", "tokenizer_config.json", "generation_config.json")
        for name, spoil in {**ANYTHING, **NOT_JSON}.items()
    },
    **{
        f"{file} {name}": (file, spoil)
        for file in ("tokenizer.json", "chat_template.jinja", "tokenizer.model")
        for name, spoil in ANYTHING.items()
    },
    **{
        f"config.json {name}": ("config.json", odd_models.write(json.dumps({name: value})))
        for name, value in NUMBERS.items()
    },
}


@pytest.mark.parametrize(("name", "spoil"), CASES.values(), ids=CASES)
@pytest.mark.timeout(20)
def test_a_bad_file_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, spoil: Spoil
) -> None:
    path = spoiled(tmp_path / "model", name, spoil)
    assert main(["estimate", "--model", str(path.parent)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"selflengthen: {path}: "), err
    assert len(err) < 500


@pytest.mark.parametrize("spoil", INDICES.values(), ids=INDICES)
@pytest.mark.timeout(20)
def test_a_bad_index_is_named_in_one_line(tmp_path: Path, spoil: Spoil) -> None:
    path = spoiled(tmp_path / "model", "model.safetensors.index.json", spoil)
    with pytest.raises(UserError) as caught:
        models.find(str(path.parent))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


_LIMITED = """\
import resource, sys, time
from pathlib import Path
from selflengthen.errors import UserError
from selflengthen.inputs import models
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
for folder in map(Path, sys.argv[1:]):
    began = time.process_time()
    try:
        models.find(str(folder))
    except UserError:
        pass
    assert time.process_time() - began < 2, folder
"""


def test_no_file_takes_long_or_much_memory(tmp_path: Path) -> None:
    """Two seconds of a core, and all within a gibibyte."""
    wide = odd_models.write(f'{{"a": [{"[]," * 2_700_000}0]}}')
    tensors = '{"dtype":"U8","shape":[],"data_offsets":[0,1]}'
    many = odd_models.weights("{" + ",".join(f'"{n}":{tensors}' for n in range(310_000)) + "}")
    names = ",".join(f'"{n}":"m"' for n in range(2_500_000))
    index = odd_models.write(f'{{"weight_map": {{{names}}}}}')
    large = {**CASES, "config wide": ("config.json", wide), "many": ("model.safetensors", many)}
    # Without weights the index is read.
    large["index"] = ("model.safetensors.index.json", index)
    folders = [
        spoiled(tmp_path / str(n), name, spoil).parent
        for n, (name, spoil) in enumerate(large.values())
    ]
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, *map(str, folders)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_what_real_models_say_is_taken(tmp_path: Path) -> None:
    """Numbers by layer, infinities, a length of nothing, types that are not in the table."""
    folder = make_model(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config |= {"intermediate_size": [16, 32], "num_key_value_heads": [2, None], "head_dim": None}
    config |= {"text_config": None, "time_step_limit": [0.0, float("inf")]}
    config["rope_scaling"] = {"type": "yarn", "factor": None, models._ORIGINAL: 128.0}
    (folder / "config.json").write_text(json.dumps(config))
    header = {
        "__metadata__": {"format": "pt"},
        "packed": {"dtype": "F4", "shape": [4, 4], "data_offsets": [0, 8]},
        "none": {"dtype": "F32", "shape": [0, 8], "data_offsets": [8, 8]},
        "scale": {"dtype": "F32", "shape": [], "data_offsets": [8, 12]},
    }
    odd_models.weights(json.dumps(header), bytes(12))(folder / "model.safetensors")
    shape = shape_of(models.find(str(folder)))
    assert (shape.parameters, shape.weight_bytes) == (17, 12)
    assert (shape.inner, shape.kv_width) == (32, 8)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = odd_models.pickled(make_model(tmp_path / "model"), tmp_path / "marker")
    with pytest.raises(UserError, match=r"pytorch_model\.bin: pickled weights are not loaded"):
        models.find(str(folder))
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(UserError, match=r"has no weights \(\*\.safetensors\)"):
        models.find(str(folder))


@pytest.mark.parametrize("spoil", {**ANYTHING, **NOT_JSON}.values(), ids={**ANYTHING, **NOT_JSON})
def test_a_bad_adapter_is_named_in_one_line(tmp_path: Path, spoil: Spoil) -> None:
    spoil(tmp_path / "adapter_config.json")
    with pytest.raises(UserError) as caught:
        model_files.check_adapter(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'adapter_config.json'}: ")


def test_an_adapter_runs_no_code_and_is_not_pickled(tmp_path: Path) -> None:
    config = {"peft_type": "LORA", "r": 8}
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(config))
    odd_models.weights(odd_models.tensor())(tmp_path / "adapter_model.safetensors")
    model_files.check_adapter(tmp_path)
    for change in ({"megatron_config": {"a": 1}, "megatron_core": "evil"}, {"peft_type": "IA3"}):
        path.write_text(json.dumps(config | change))
        with pytest.raises(UserError, match=r"adapter_config\.json: "):
            model_files.check_adapter(tmp_path)
    path.write_text(json.dumps(config))
    odd_models.pickled(tmp_path, tmp_path / "marker", "adapter_model.bin")
    with pytest.raises(UserError, match=r"adapter_model\.bin: pickled weights are not loaded"):
        model_files.check_adapter(tmp_path)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_weights_follow_the_umask(tmp_path: Path, umask: int) -> None:
    import torch
    from safetensors.torch import save_file

    before = os.umask(umask)
    try:
        (tmp_path / "config.json").write_text("{}")
        save_file({"a": torch.zeros(2)}, tmp_path / "model.safetensors")
        model_files.share(tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o666 & ~umask
