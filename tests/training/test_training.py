"""Real trainings of the pocket model: what they make, and what no kill takes from them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

import selflengthen
from selflengthen.errors import TrainingError
from selflengthen.training import checkpoints
from selflengthen.training.job import TrainingJob, TrainingResult, finished
from selflengthen.training.launch import train
from selflengthen.training.steps import TrainingStep
from tests.training.conftest import MakeJob

LONG: dict[str, Any] = {"epochs": 20.0, "save_every": 5}
pytestmark = pytest.mark.slow

STEPS = 60  # 12 rows, 4 a step, 20 epochs
_PARENT = """
import asyncio, sys
from pathlib import Path
import msgspec
from selflengthen.training.steps import TrainingStep
from selflengthen.training.job import TrainingJob
from selflengthen.training.launch import train

job = msgspec.json.decode(sys.argv[1], type=TrainingJob)
asyncio.run(train(job, log=Path(sys.argv[2]), on_step=lambda step: None))
"""


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, pocket_model: Path, rows_file: Path
) -> tuple[TrainingJob, TrainingResult, list[TrainingStep]]:
    """One uninterrupted training."""
    job = TrainingJob(
        model=str(pocket_model),
        rows=str(rows_file),
        output=str(tmp_path_factory.mktemp("trained") / "adapter"),
        seed=1,
        learning_rate=5e-3,
        max_length=512,
        batch=4,
        per_device_batch=4,
        gradient_checkpointing=False,
        **LONG,
    )
    result, steps = _run(job)
    return job, result, steps


def _run(job: TrainingJob) -> tuple[TrainingResult, list[TrainingStep]]:
    steps: list[TrainingStep] = []
    log = job.folder.with_suffix(".log")
    return asyncio.run(train(job, log=log, on_step=steps.append)), steps


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(selflengthen.__file__).parents[1])}


def _processes(job: TrainingJob) -> list[psutil.Process]:
    """Return the processes that work on `job`."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if str(job.folder / "job.json") in line and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def _wait(what: Callable[[], Any], seconds: float) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def test_it_learns_and_reports(trained: tuple[TrainingJob, TrainingResult, list[Any]]) -> None:
    job, result, steps = trained
    assert [step.step for step in steps] == list(range(1, STEPS + 1))
    assert result.last_loss < 0.7 * result.first_loss
    assert (result.steps, result.rows, result.dropped) == (STEPS, 12, 0)
    assert result.tokens == sum(step.tokens for step in steps)
    assert max(step.learning_rate for step in steps) == pytest.approx(5e-3)
    files = {path.name for path in job.folder.iterdir()}
    assert files == {
        "adapter_config.json", "adapter_model.safetensors", "job.json", "metrics.jsonl",
        "result.json", "chat_template.jinja", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip


def test_the_adapter_carries_its_tokenizer_and_others_may_read_it(
    trained: tuple[TrainingJob, TrainingResult, list[Any]],
) -> None:
    from transformers import AutoTokenizer

    job, _, _ = trained
    own = AutoTokenizer.from_pretrained(job.folder, trust_remote_code=False)
    base = AutoTokenizer.from_pretrained(job.model, trust_remote_code=False)
    assert own.chat_template == base.chat_template
    turns = [{"role": "user", "content": "Write a story about bread."}]
    rendered = [t.apply_chat_template(turns, add_generation_prompt=True) for t in (own, base)]
    assert rendered[0] == rendered[1]
    modes = {path.name: path.stat().st_mode & 0o777 for path in job.folder.iterdir()}
    assert len(set(modes.values())) == 1, modes


def test_the_adapter_loads_and_changes_the_model(
    trained: tuple[TrainingJob, TrainingResult, list[Any]],
) -> None:
    import torch
    from peft import PeftModel, get_peft_model_state_dict
    from transformers import AutoModelForCausalLM

    job, result, _ = trained
    base = AutoModelForCausalLM.from_pretrained(
        job.model, dtype=torch.float32, trust_remote_code=False
    )
    ids = torch.tensor([[1, 5, 9]])
    with torch.no_grad():
        before = base(ids).logits
        tuned = PeftModel.from_pretrained(base, job.output)
        after = tuned(ids).logits
    assert not torch.allclose(before, after, atol=1e-3)
    weights = get_peft_model_state_dict(tuned)
    assert checkpoints.digest_of(weights) == result.adapter
    assert not any("lm_head" in name for name in weights)


def test_a_finished_training_returns_at_once(
    trained: tuple[TrainingJob, TrainingResult, list[Any]],
) -> None:
    job, result, _ = trained
    began = time.monotonic()
    again, steps = _run(job)
    assert again == finished(job)
    assert again.adapter == result.adapter and steps == []
    assert time.monotonic() - began < 1


def test_it_goes_on_from_an_adapter_and_drops_long_rows(
    trained: tuple[TrainingJob, TrainingResult, list[Any]], make_job: MakeJob
) -> None:
    job, first, _ = trained
    second, _ = _run(
        make_job(
            start_from=job.output, epochs=2.0, max_length=first.longest - 1, learning_rate=1e-4
        )
    )
    assert abs(second.first_loss - first.last_loss) < 0.2 * (first.first_loss - first.last_loss)
    assert second.adapter != first.adapter
    assert second.dropped >= 1 and second.rows + second.dropped == 12
    assert second.longest == first.longest
    with pytest.raises(TrainingError, match=r"has rank 8, but train\.lora_r is 4"):
        _run(make_job(start_from=job.output, lora_r=4))


def test_no_kill_takes_more_than_the_steps_since_a_checkpoint(
    trained: tuple[TrainingJob, TrainingResult, list[Any]], make_job: MakeJob, tmp_path: Path
) -> None:
    job = make_job(**LONG)
    _kill_the_parent(job, tmp_path)
    resumed = _kill_the_child(job)
    assert resumed % 5 == 0
    torn = _newest(job)
    (torn / "adapter_model.safetensors").write_bytes(b"half")
    stopped, first = asyncio.run(_cancel(job))
    assert first <= int(torn.name.split("-")[1])
    result, steps = _run(job)
    assert result.resumed_from == stopped == steps[0].step - 1
    assert result.steps == STEPS
    lines = (job.folder / "metrics.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line)["step"] for line in lines] == list(range(1, STEPS + 1))
    # The same rows in the same order: not only as many steps as without a kill.
    assert result.tokens == trained[1].tokens
    assert result.last_loss == pytest.approx(trained[1].last_loss, rel=1e-3)


def _kill_the_parent(job: TrainingJob, tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, msgspec.json.encode(job), str(tmp_path / "parent.log")],
        env=_environment(),
    )
    _wait(lambda: list(job.folder.glob("checkpoints/*/seal.json")), 150)
    assert _processes(job)
    parent.kill()
    parent.wait()
    _wait(lambda: not _processes(job), 10)


def _kill_the_child(job: TrainingJob) -> int:
    """Return the step that the killed child had gone on from."""
    steps: list[TrainingStep] = []

    def on_step(step: TrainingStep) -> None:
        steps.append(step)
        if len(steps) >= 12:
            for process in _processes(job):
                process.kill()

    with pytest.raises(TrainingError, match="killed by SIGKILL"):
        asyncio.run(train(job, log=job.folder.with_suffix(".log"), on_step=on_step))
    return int(steps[0].step) - 1


async def _cancel(job: TrainingJob) -> tuple[int, int]:
    """Return the step of the checkpoint that a cancelled training left, and its first step."""
    steps: list[TrainingStep] = []
    log = job.folder.with_suffix(".log")
    task = asyncio.create_task(train(job, log=log, on_step=steps.append))
    while len(steps) < 3 and not task.done():
        await asyncio.sleep(0.05)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 11
    assert not _processes(job)
    saved = int(_newest(job).name.split("-")[1])
    assert saved >= steps[-1].step
    return saved, steps[0].step


def _newest(job: TrainingJob) -> Path:
    found = checkpoints.newest(job.folder / "checkpoints", job.digest())
    assert found is not None
    return found[0]


def test_a_failure_is_one_line_with_the_reason_and_the_log(
    make_job: MakeJob, tmp_path: Path
) -> None:
    rows = tmp_path / "bad.jsonl"
    rows.write_text('{"id": "a"}\n')
    job = make_job(rows=str(rows))
    with pytest.raises(TrainingError) as caught:
        _run(job)
    message = str(caught.value)
    assert "\n" not in message
    assert "bad.jsonl:1: not a training row" in message
    assert str(job.folder.with_suffix(".log")) in message
    assert finished(job) is None and not _processes(job)


def test_two_processes_by_accelerate(make_job: MakeJob) -> None:
    if sys.platform != "linux":
        pytest.skip("gloo is tried on Linux only")
    job = make_job(launcher="accelerate", processes=2, per_device_batch=2, epochs=2.0)
    result, steps = _run(job)
    assert (result.steps, len(steps)) == (6, 6)
    assert not _processes(job)


def test_a_child_without_a_parent_ends(tmp_path: Path) -> None:
    code = (
        "from selflengthen.training import guard; import time\n"
        "guard.die_with_parent(); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, env=_environment()
    )
    time.sleep(1)
    assert child.poll() is None
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(timeout=5) == -signal.SIGKILL
