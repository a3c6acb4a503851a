"""Real tunings of the pocket model: the child, its losses, and what no kill takes from it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selflengthen.config import TrainConfig
from selflengthen.curate.io.load import open_rows
from selflengthen.curate.rule import rules
from selflengthen.curate.rule.tuner import Tuner
from selflengthen.curate.rule.tuning import Loss, Tuning, TuningSetup, training_lines
from selflengthen.errors import TrainingError
from selflengthen.inputs import models
from selflengthen.pocket.language import Story, render
from selflengthen.storage.atomic import rewrite
from selflengthen.training.job import TrainingJob, job_of
from selflengthen.training.launch import train

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FAST = {
    "lora_r": 4, "max_length": 512, "batch": 4, "per_device_batch": 4, "save_every": 2,
    "gradient_checkpointing": False, "generator": {"learning_rate": 5e-3, "epochs": 2},
}  # fmt: skip
FIT = (
    "curate fit data.jsonl --evaluation held.jsonl --indicators output_length --subsets 4 "
    "--rows 12 --train.max_length 512 --train.save_every 1 --train.generator.epochs 1"
).split()
SEARCH = (
    "curate search data.jsonl --evaluation held.jsonl --rule rule.yaml --least 6 --most 24 "
    "--points 4 --trials 3 --train.max_length 512 --train.generator.epochs 1 --out best.jsonl"
).split()


def write(path: Path, count: int, seed: int) -> Path:
    """Write rows of one to four short paragraphs."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        story = Story(rng)
        text = render(story.text([1] * rng.randint(1, 4)))
        rows.append({"prompt": story.request(), "response": text})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tunings")
    write(made / "data.jsonl", 30, 1)
    write(made / "held.jsonl", 9, 2)
    for name in ("data", "held"):
        rewrite(made / f"{name}.rows", training_lines(open_rows(str(made / f"{name}.jsonl"))))
    return made


def job(folder: Path, output: str, **changes: object) -> TrainingJob:
    setup = TuningSetup(
        models.find("pocket"), TrainConfig.model_validate(FAST | changes), open_rows(
            str(folder / "held.jsonl"))
    )  # fmt: skip
    return job_of(
        setup.train, model=str(setup.model.path), rows=folder / "data.rows",
        output=folder / output, start_from=None, seed=3,
        learning_rate=setup.train.generator.learning_rate, epochs=setup.train.generator.epochs,
    )  # fmt: skip


def test_one_child_makes_what_children_of_their_own_make(folder: Path) -> None:
    """The second adapter of a child is that of a fresh process; its loss is that of a plain sum."""
    held = str(folder / "held.rows")

    async def both() -> tuple[Loss, Loss]:
        async with Tuner(folder / "log.txt") as tune:
            first = await tune(Tuning(job(folder, "first", lora_r=2), held))
            return first, await tune(Tuning(job(folder, "second"), held))

    first, second = asyncio.run(both())
    assert first.loss != second.loss and second.rows == 9 and second.dropped == 0
    alone = job(folder, "alone")
    result = asyncio.run(train(alone, log=folder / "alone.log", on_step=lambda step: None))
    again = json.loads((folder / "second/result.json").read_text())
    assert again["adapter"] == result.adapter
    plain, tokens = plainly(folder, alone)
    assert second.tokens == tokens
    assert second.loss == pytest.approx(plain, rel=1e-5)


def plainly(folder: Path, job: TrainingJob) -> tuple[float, int]:
    """Measure a loss row by row, in one pass each, with transformers' own shift."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from selflengthen.training import rows

    base = AutoModelForCausalLM.from_pretrained(
        job.model, dtype=torch.float32, trust_remote_code=False
    )
    model = PeftModel.from_pretrained(base, job.output).eval()
    tokenizer = AutoTokenizer.from_pretrained(job.model, trust_remote_code=False)
    ends = base.generation_config.eos_token_id
    stops = {*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id} - {None}
    made = rows.tokenize(rows.read(folder / "held.rows"), tokenizer, stops, job.max_length)
    total, tokens = 0.0, 0
    for ids, labels in zip(made.input_ids, made.labels, strict=True):
        with torch.no_grad():
            given, wanted = torch.tensor([ids.tolist()]), torch.tensor([labels.tolist()])
            mean = model(given, labels=wanted).loss
        count = sum(label >= 0 for label in labels)
        total, tokens = total + float(mean) * count, tokens + count
    return total / tokens, tokens


def test_what_is_wrong_is_told_and_the_child_goes_on(folder: Path) -> None:
    async def three() -> Loss:
        async with Tuner(folder / "faults.log") as tune:
            short = job(folder, "short", max_length=16)
            with pytest.raises(TrainingError, match=r"held.rows: every row has over 16 tokens"):
                await tune(Tuning(short, str(folder / "held.rows")))
            missing = Tuning(job(folder, "other"), str(folder / "none.rows"))
            with pytest.raises(TrainingError, match="No such file"):
                await tune(missing)
            return await tune(Tuning(job(folder, "third"), str(folder / "held.rows")))

    assert asyncio.run(three()).loss > 0


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "selflengthen", *words]


def test_stopped_and_killed_a_fit_ends_with_the_same_rule(folder: Path) -> None:
    """Stopped by SIGTERM in the middle of a training, then killed, then left alone."""
    work, out = folder / "rule.work", folder / "fit.out"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with out.open("ab") as said:

        def start(name: str) -> subprocess.Popen[bytes]:
            words = command(*FIT, "--out", f"{name}.yaml")
            return subprocess.Popen(words, cwd=folder, env=environment, stdout=said, stderr=said)

        first = start("rule")
        _wait(first, work / "subsets/002/adapter/metrics.jsonl")
        first.send_signal(signal.SIGTERM)
        assert first.wait(timeout=120) == 143, out.read_text()
        second = start("rule")
        _wait(second, work / "subsets/003/adapter/metrics.jsonl")
        second.kill()
        second.wait()
        assert start("rule").wait() == 0, out.read_text()
        assert start("whole").wait() == 0, out.read_text()
    rule = rules.load(str(folder / "rule.yaml"))
    assert rule == rules.load(str(folder / "whole.yaml"))
    assert rule.fit is not None and rule.fit.subsets == 4
    resumed = json.loads((work / "subsets/002/adapter/result.json").read_text())["resumed_from"]
    assert resumed > 0
    assert not list(work.rglob("adapter_model.safetensors"))
    assert "To resume: " in out.read_text() and "curate fit data.jsonl" in out.read_text()
    shutil.rmtree(folder / "whole.work")


def _wait(child: subprocess.Popen[bytes], steps: Path) -> None:
    """Wait until a training has made a step, and saved it."""
    while not (steps.exists() and steps.read_bytes().count(b"\n")):
        assert child.poll() is None, "it ended too early"
        time.sleep(0.02)


def test_a_search(folder: Path) -> None:
    if not (folder / "rule.yaml").exists():
        (folder / "rule.yaml").write_text("intercept: 0\nweights:\n  output_length: -0.01\n")
    done = subprocess.run(command(*SEARCH), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    curve = json.loads((folder / "best.curve.json").read_text())
    assert len(curve["curve"]) == 3 and 0 < curve["loss"] < 5
    assert len((folder / "best.jsonl").read_text().splitlines()) == curve["best"]
