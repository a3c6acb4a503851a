"""Lengths that are left to the model: said at the start, kept as numbers, the same ever after."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from selflengthen.cli import main
from selflengthen.cli.options.settings import resolve
from selflengthen.cli.preflight import fit_lengths, print_lengths
from selflengthen.config import Config
from selflengthen.errors import UserError
from selflengthen.field_kinds import identity_of
from selflengthen.inputs import models
from selflengthen.planning import memory
from selflengthen.planning.lengths import fit_judge
from selflengthen.planning.memory import Device
from tests.cli.conftest import make_model

SILENT = """\
model: tiny
iterations: 1
instruct: {per_round: 6, wave: 6}
draft: {per_instruction: 1}
expand: {per_draft: 1, passes: 1}
held_out: {texts: 2, min_ends: 0.0, max_repeats: 1.0}
engine: {kind: scripted}
"""


@pytest.fixture(autouse=True)
def memory_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine like any other, whatever runs the test."""
    monkeypatch.setattr(memory, "device", lambda: Device("this machine", 64 << 30))
    monkeypatch.setattr(memory, "has_gpu", lambda: False)


def lengths(config: Config) -> tuple[int, int, int]:
    return config.engine.context, config.sampling.max_tokens, config.train.max_length


def fitted(*, model: str = "tiny", source: str | None = None, **fields: str) -> Config:
    settings = resolve(source, {"model": model, **fields}, None)
    found = models.find(model)
    config = fit_lengths(settings, found)
    print_lengths(settings, config, found)
    return config


def own() -> Config:
    return Config.model_validate(yaml.safe_load(Path("runs/silent/config.yaml").read_text()))


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        (512, (512, 384, 512)),
        (8192, (8192, 6144, 8192)),
        (20_000, (20_000, 15_000, 16_384)),
        (32_768, (32_768, 16_384, 16_384)),
        (131_072, (32_768, 16_384, 16_384)),
    ],
)
def test_lengths_fit_the_model(
    work: Path, capsys: pytest.CaptureFixture[str], positions: int, expected: tuple[int, int, int]
) -> None:
    make_model(Path("model"), positions=positions)
    config = fitted(model="model")
    assert lengths(config) == expected
    said = capsys.readouterr().err
    if positions >= 32_768:
        assert said == ""
        assert identity_of(config) == identity_of(Config(model="model"))
    else:
        assert said.count("\n") == 1
        assert f"engine.context {expected[0]}, sampling.max_tokens {expected[1]}" in said
        assert f"model has {positions:,} positions" in said


def test_a_model_that_says_no_positions_has_the_papers_lengths(work: Path) -> None:
    config = Path("tiny/config.json")
    config.write_text(config.read_text().replace("max_position_embeddings", "positions"))
    assert lengths(fitted()) == (32_768, 16_384, 16_384)


def test_a_number_that_is_given_counts_beside_those_that_are_not(work: Path) -> None:
    Path("given.yaml").write_text("engine: {context: 4096}\ntrain: {max_length: Auto}\n")
    assert lengths(fitted(source="given.yaml")) == (4096, 3072, 8192)
    assert lengths(fitted(**{"sampling.max_tokens": "100"})) == (8192, 100, 8192)
    assert lengths(fitted(**{"engine.context": "auto"})) == (8192, 6144, 8192)


def test_rows_to_train_on_fit_the_memory(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_model(Path("model"), positions=32_768)
    monkeypatch.setattr(memory, "device", lambda: Device("this machine", (2 << 30) + 4_000_000))
    short = fitted(model="model").train.max_length
    assert 1024 <= short < 16_384
    assert short % 256 == 0
    shorter = fitted(model="model", **{"train.per_device_batch": "4"}).train.max_length
    assert shorter < short
    assert fitted(model="model", **{"train.max_length": "16000"}).train.max_length == 16_000


def test_a_run_keeps_its_numbers(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("silent.yaml").write_text(SILENT)
    assert main(["run", "silent.yaml"]) == 0
    assert "lengths: engine.context 8192" in capsys.readouterr().err
    assert lengths(own()) == (8192, 6144, 8192)
    # On a smaller machine, and where `auto` is said aloud, too.
    monkeypatch.setattr(memory, "device", lambda: Device("this machine", 2 << 30))
    for words in ([], ["--train.max_length", "auto"]):
        assert main(["run", "silent.yaml", "--iterations", "1", *words]) == 0
        assert "lengths:" not in capsys.readouterr().err
        assert lengths(own()) == (8192, 6144, 8192)
    assert main(["finish", "silent", "--collect.instructions", "4"]) == 0


def test_a_silent_configuration_makes_the_keys_of_one_that_says_the_numbers(work: Path) -> None:
    Path("silent.yaml").write_text(SILENT)
    said = ["--engine.context", "8192", "--sampling.max_tokens", "6144"]
    assert main(["run", "silent.yaml"]) == 0
    again = ["run", "silent.yaml", "--run-dir", "runs/said", *said, "--train.max_length", "8192"]
    assert main(again) == 0
    keys = [
        {path.parent.name: path.read_text().partition('"key"')[2][:70] for path in paths}
        for run in ("silent", "said")
        for paths in [sorted(Path("runs", run).rglob("DONE.json"))]
    ]
    assert keys[0] == keys[1]


def test_the_judges_context_fits_the_judge(work: Path) -> None:
    config = resolve(None, {"judge.model": "tiny"}, None).config
    assert fit_judge(config, 8192).judge.engine.context == 8192
    assert fit_judge(config, None) == config
    by_hand = resolve(None, {"judge.model": "tiny", "judge.engine.context": "9000"}, None).config
    with pytest.raises(UserError, match=r"tiny has 8192 positions, but judge\.engine\.context"):
        fit_judge(by_hand, 8192)
    with pytest.raises(UserError, match=r"judge\.max_tokens is 1024, which leaves no room"):
        fit_judge(config, 1024)


def test_estimate_says_how_many_samples_fit(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["estimate", "--model", "tiny"]) == 0
    assert "has room for" not in capsys.readouterr().out
    monkeypatch.setattr(memory, "device", lambda: Device("this machine", 32 << 20))
    assert main(["estimate", "--model", "tiny"]) == 0
    said = capsys.readouterr().out
    # 2 layers, 8 numbers of keys and as many of values, 4 bytes each: 128 bytes a token.
    assert "128 bytes of cache per token for 256 samples of 6144 tokens" in said
    assert "this machine has room for 8 MiB: 10 samples of full length run at once" in said
