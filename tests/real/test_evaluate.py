"""A real evaluation: the pocket model answers through vLLM, and judges itself, never in form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

BENCHMARK = Path(__file__).parents[2] / "selflengthen/pocket/benchmark.jsonl"
JUDGE = "--judge.model pocket --judge.engine.kind transformers --judge.max_tokens 24".split()


def test_the_pocket_model_answers_and_judges(tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    rows = BENCHMARK.read_text().splitlines()[::6]
    (tmp_path / "few.jsonl").write_text("\n".join(rows))
    command = [sys.executable, "-m", "selflengthen", "evaluate", "pocket", "--benchmark", "pocket"]
    command += ["--data", "few.jsonl", "--engine.kind", "vllm", "--judge.attempts", "2", "--json"]
    for words in ([], JUDGE):
        done = subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    (model,) = found["models"]
    assert model["responses"] == 8 and model["empty"] == 0 and model["variety"]["ends"] > 0.8
    assert 20 < model["words"]["mean"] < 300
    assert model["judged"]["judged"] == 0 and model["judged"]["unjudged"] == 8
    assert model["judged"]["quality"] is None
    (place,) = (tmp_path / "runs/evaluate").glob("pocket-*/pocket")
    attempts = (place / "model/judged/pocket/rejected.jsonl").read_text().splitlines()
    assert len(attempts) == 16
    for picture in ("lengths.png", "bands.png"):
        assert (place / picture).stat().st_size > 5000
