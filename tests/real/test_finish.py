"""A real end: demands, TRL, the engine with the finished adapter, and a merged model.

The round before it is the double's, quickly made and without trainings: what is real begins after
it, with the pocket model. The training is stopped once on the way.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from selflengthen.length.requirement import read_requirement

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROUND = (
    "run pocket --iterations 1 --instruct.per_round 8 --instruct.wave 4 --held_out.texts 6 "
    "--held_out.min_ends 0 --held_out.max_repeats 1 --collect.instructions 6 --train.min_rows 1000 "
    "--finish.epochs 2 --train.save_every 1 --engine.kind scripted"
).split()
FINISH = "finish --merge --engine.kind transformers".split()
FINISH += ["--finish.anneal.steps", "[{longest: {k: 5}}]", "--finish.anneal.epochs", "2"]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "selflengthen", *words]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Finish a run, stopped once in its training."""
    folder = tmp_path_factory.mktemp("real") / "run"
    out = folder.with_suffix(".out")
    with open(out, "ab") as said:
        made = subprocess.run(command(*ROUND, "--run-dir", str(folder)), stdout=said, stderr=said)
        assert made.returncode == 0, out.read_text()[-2000:]
        child = subprocess.Popen(command(*FINISH, str(folder)), stdout=said, stderr=said)
        steps = folder / "final/5-train/metrics.jsonl"
        while not (steps.exists() and steps.read_bytes().count(b"\n")):
            assert child.poll() is None, out.read_text()[-2000:]
            time.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=60) == 143
        done = subprocess.run(command(*FINISH, str(folder)), stdout=said, stderr=said)
    assert done.returncode == 0, out.read_text()[-2000:]
    yield folder


def test_rows_keep_what_they_ask_for(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "final/dataset/train.jsonl").open()]
    assert len(rows) >= 6
    for row in rows:
        asked = read_requirement(row["prompt"][0]["content"])
        assert asked is not None and asked.satisfied(row["words"])
    assert {row["by"] for row in rows} <= {"engine", "template"}


def test_the_training_went_on_where_it_was_stopped(run: Path) -> None:
    result = json.loads((run / "final/5-train/result.json").read_text())
    assert result["resumed_from"] > 0 and result["rows"] >= 6


def test_the_anneal_went_on_with_its_adapter(run: Path) -> None:
    folder = run / "final/5b-anneal"
    job, result = (json.loads((folder / f"{n}.json").read_text()) for n in ("job", "result"))
    assert Path(job["start_from"]).samefile(run / "final/5-train") and result["rows"] == 5
    assert (job["learning_rate"], job["epochs"]) == (2e-6, 2)
    before = json.loads((run / "final/5-train/result.json").read_text())
    assert result["adapter"] != before["adapter"]
    given = (run / "final/adapter/adapter_model.safetensors").read_bytes()
    assert given == (folder / "adapter_model.safetensors").read_bytes()


def test_the_finished_adapter_was_measured(run: Path) -> None:
    figures = json.loads((run / "final/figures.json").read_text())
    assert figures["base"]["texts"] == figures["final"]["texts"] == 6
    words = [[text[side]["words"] for text in figures["texts"]] for side in ("base", "final")]
    assert words[0] != words[1], "the adapter changes nothing"


def test_what_is_given_away_loads(run: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from selflengthen.inputs import models

    merged = AutoModelForCausalLM.from_pretrained(run / "final/merged", trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(run / "final/merged", trust_remote_code=False)
    chat = [{"role": "user", "content": "Write a story about Adam. Use about 60 words."}]
    text = str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
    made = merged.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=8)
    assert made.shape[1] > len(tokenizer(text).input_ids)
    base = AutoModelForCausalLM.from_pretrained(models.POCKET, trust_remote_code=False)
    PeftModel.from_pretrained(base, run / "final/adapter")
    beside = AutoTokenizer.from_pretrained(run / "final/adapter", trust_remote_code=False)
    assert beside.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) == text
    assert models.find(str(run / "final/merged")).digest != models.find("pocket").digest
    for name in ("adapter", "merged", "dataset"):
        assert (run / "final" / name / "README.md").read_text().startswith("---\n")
