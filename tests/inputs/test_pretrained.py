"""Whoever loads a model runs none of its code and reads no pickled weights."""

from __future__ import annotations

import ast
import asyncio
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from selflengthen.cli import main
from selflengthen.config import EngineConfig, SamplingConfig
from selflengthen.curate.indicators import losses, scorers
from selflengthen.curate.methods.longest import token_counts
from selflengthen.engines import chat
from selflengthen.engines.base import Adapter
from selflengthen.engines.transformers import TransformersEngine
from selflengthen.errors import SelfLengthenError, UserError
from selflengthen.inputs import models, pretrained
from selflengthen.training import merge, sft
from selflengthen.training.job import TrainingJob
from tests.inputs import odd_models

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def yes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Say yes to whatever is asked on standard input, as `yes | python -m selflengthen` does."""
    before = set(sys.modules)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 1000))
    yield
    for name in set(sys.modules) - before:
        if name.startswith("transformers_modules"):
            del sys.modules[name]


def job(model: Path, **changes: Any) -> TrainingJob:
    fields: dict[str, Any] = {"rows": "rows.jsonl", "output": "out", "seed": 1}
    return TrainingJob(model=str(model), **fields, learning_rate=1e-3, epochs=1.0, **changes)


def engine(model: Path, adapters: dict[Any, Adapter] | None = None) -> None:
    async def use() -> None:
        config = EngineConfig(kind="transformers", in_flight=2, context=256)
        opened = await TransformersEngine.open(config, model, adapters or {}, on_note=print)
        await opened.close()

    asyncio.run(use())


def scorer(indicator: str) -> Callable[[Path], object]:
    return lambda folder: scorers.load(indicator, str(folder))


TOKENIZERS: dict[str, Callable[[Path], object]] = {
    "curate --tokenizer": lambda folder: list(token_counts(iter(["a b"]), str(folder))),
    "chat": lambda folder: chat.load(folder, 256),
    "tokenizer": pretrained.tokenizer,
    "generation config": lambda folder: (pretrained.ends(folder), pretrained.config(folder)),
}
LOADERS: dict[str, Callable[[Path], object]] = {
    "find": lambda folder: models.find(str(folder)),
    "model": lambda folder: pretrained.model(AutoModelForCausalLM, folder),
    "reward": scorer("reward"),
    "perplexity": scorer("perplexity"),
    "embedding": scorer("embedding"),
    "coherence": scorer("coherence"),
    "transformers engine": engine,
    "training": lambda folder: sft._base(job(folder)),
    "evaluation of a tuning": lambda folder: losses._stops(
        job(folder), pretrained.tokenizer(folder)
    ),
    "merge": lambda folder: merge.main(str(folder), "none", "out", "{}"),
}


@pytest.mark.parametrize("load", {**TOKENIZERS, **LOADERS}.values(), ids={**TOKENIZERS, **LOADERS})
def test_code_in_a_models_folder_never_runs(
    pocket_model: Path, tmp_path: Path, load: Callable[[Path], object]
) -> None:
    marker = tmp_path / "marker"
    for kind in ("evil", None):  # an architecture of its own; one of transformers, and code
        folder = odd_models.evil(pocket_model, tmp_path / f"kind {kind}", marker, kind=kind)
        try:
            load(folder)
        except SelfLengthenError as error:
            assert "\n" not in str(error)
        assert not marker.exists()


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_pickled_weights_are_never_loaded(
    pocket_model: Path, tmp_path: Path, load: Callable[[Path], object]
) -> None:
    marker = tmp_path / "marker"
    copy = odd_models.evil(pocket_model, tmp_path / "model", marker, kind=None)
    folder = odd_models.pickled(copy, marker)
    if load is LOADERS["evaluation of a tuning"]:  # which reads no weights before `_base` has
        load(folder)
    else:
        with pytest.raises(SelfLengthenError, match="pickled weights are not loaded"):
            load(folder)
    assert not marker.exists()


def test_pickled_adapters_are_never_loaded(pocket_model: Path, tmp_path: Path) -> None:
    marker, folder = tmp_path / "marker", tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8}')
    odd_models.pickled(folder, marker, "adapter_model.bin")
    adapters: dict[Any, Adapter] = {"generator": Adapter("g", folder, 8)}
    later = job(pocket_model, start_from=str(folder))
    uses: list[Callable[[], object]] = [
        lambda: engine(pocket_model, adapters),
        lambda: merge.main(str(pocket_model), str(folder), str(tmp_path / "out"), "{}"),
        lambda: sft._adapted(sft._base(later), later),
        later.check_start,
    ]
    for use in uses:
        with pytest.raises(SelfLengthenError, match="pickled weights are not loaded"):
            use()
    assert not marker.exists()


@pytest.mark.parametrize("option", ["reward", "language-model", "unieval", "embedder"])
@pytest.mark.parametrize("spoil", ["evil", "pickled", "a pipe", "endless", "deep"])
def test_curate_refuses_in_one_line(
    pocket_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], option: str, spoil: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    marker, folder = tmp_path / "marker", tmp_path / "model"
    Path("rows.jsonl").write_text('{"prompt": "Write.", "response": "A text."}\n' * 3)
    odd_models.evil(pocket_model, folder, marker)
    if spoil == "pickled":
        odd_models.pickled(folder, marker)
    elif spoil != "evil":
        (folder / "config.json").unlink()
        {**odd_models.ANYTHING, **odd_models.NOT_JSON}[spoil](folder / "config.json")
    indicator = {
        "reward": "reward", "language-model": "perplexity", "unieval": "coherence",
        "embedder": "knn_1",
    }[option]  # fmt: skip
    words = ["measure", "rows.jsonl", "--indicators", indicator, f"--{option}", str(folder)]
    assert main(["curate", *words, "--out", "out.jsonl"]) == 2
    _, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert err.startswith(f"selflengthen: {folder}"), err
    assert not marker.exists() and not Path("out.jsonl").exists()


def test_curate_refuses_a_tokenizer_with_code(
    pocket_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text('{"prompt": "Write.", "response": "A text."}\n' * 3)
    folder = odd_models.evil(pocket_model, tmp_path / "model", tmp_path / "marker")
    words = ["longest", "rows.jsonl", "--k", "1", "--tokenizer", str(folder)]
    assert main(["curate", *words, "--out", "out.jsonl"]) == 2
    _, err = capsys.readouterr()
    assert "needs its own Python code, which is never run" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "marker").exists()


def test_a_file_or_a_device_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("{}")
    for name in (str(tmp_path / "model"), "/dev/zero"):
        with pytest.raises(UserError, match="is not a folder; give a model's folder"):
            pretrained.config(name)


def test_every_loading_says_that_no_code_is_run() -> None:
    """In the package, the tests and the benchmarks; but for peft's, which knows no such code."""
    files = [path for part in ("selflengthen", "tests", "benchmarks")
             for path in (ROOT / part).rglob("*.py")]  # fmt: skip
    loads = [(path, node) for path in files for node in _loads(path)]
    for path, node in loads:
        options = {word.arg: ast.unparse(word.value) for word in node.keywords}
        safe = options.get("trust_remote_code") == "False"
        assert safe or "PeftModel" in ast.unparse(node.func), f"{path}:{node.lineno}"
    assert len(loads) > 20
    package = {path.name for path, _ in loads if path.is_relative_to(ROOT / "selflengthen")}
    assert package == {"pretrained.py", "vllm_arguments.py"}


def _loads(path: Path) -> Iterator[ast.Call]:
    """Yield the calls of a file that load a model, or have vLLM load one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in ("from_pretrained", "AsyncEngineArgs"):
                yield node


def test_what_a_tuning_samples_by_is_saved_with_a_merged_model() -> None:
    from transformers import GenerationConfig

    drawn = SamplingConfig(temperature=0.6, top_p=0.9, top_k=7, repetition_penalty=1.2)
    config = GenerationConfig(**merge.generation_settings(drawn))
    config.validate(strict=True)
    assert (config.do_sample, config.temperature, config.top_p, config.top_k) == (True, 0.6, 0.9, 7)
    assert config.repetition_penalty == 1.2
    greedy = GenerationConfig(**merge.generation_settings(SamplingConfig(temperature=0)))
    greedy.validate(strict=True)
    assert not greedy.do_sample


def test_settings_of_generation_that_cannot_be_used_are_one_line(tmp_path: Path) -> None:
    assert pretrained.ends(tmp_path) is None
    path = tmp_path / "generation_config.json"
    path.write_text('{"eos_token_id": [1, 2]}')
    assert pretrained.ends(tmp_path) == [1, 2]
    path.write_text('{"cache_implementation": "none that there is"}')
    with pytest.raises(UserError, match=r"generation settings \(Invalid") as caught:
        pretrained.ends(tmp_path)
    assert "\n" not in str(caught.value)
