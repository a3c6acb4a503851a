"""What a step averages, against losses and gradients that are computed here, one row at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from selflengthen.storage.records import TrainingRow, encode
from selflengthen.training.job import TrainingJob
from selflengthen.training.launch import train
from selflengthen.training.steps import TrainingStep
from tests.training.conftest import MakeJob, story_row

pytestmark = pytest.mark.slow
PARAGRAPHS = (1, 8, 1, 2)


@pytest.fixture(scope="module")
def unequal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four rows, one much longer than the others."""
    rng = random.Random(4)
    path = tmp_path_factory.mktemp("unequal") / "rows.jsonl"
    rows = [story_row(f"r{n}", rng, size) for n, size in enumerate(PARAGRAPHS)]
    path.write_bytes(b"".join(map(encode, rows)))
    return path


def token_losses(job: TrainingJob, model: Any) -> Iterator[Any]:
    """Yield the losses of each row's target tokens: plain logits, a row at a time."""
    import torch
    from transformers import AutoTokenizer

    from selflengthen.training import rows, sft

    tokenizer = AutoTokenizer.from_pretrained(job.model, trust_remote_code=False)
    given = [
        msgspec.json.decode(x, type=TrainingRow) for x in Path(job.rows).read_bytes().splitlines()
    ]
    data = rows.tokenize(given, tokenizer, sft._stop_tokens(model, tokenizer), job.max_length)
    for ids, labels in zip(data.input_ids, data.labels, strict=True):
        logits = model(input_ids=torch.tensor([ids.tolist()])).logits[0, :-1]
        targets = torch.tensor(labels[1:].tolist())
        yield torch.nn.functional.cross_entropy(
            logits[targets != -100], targets[targets != -100], reduction="none"
        )


def mean_of(loss: str, losses: list[Any]) -> Any:
    """Average as the option says."""
    import torch

    if loss == "long-ce":
        return torch.cat(losses).mean()
    return torch.stack([each.mean() for each in losses]).mean()


@pytest.fixture
def job(make_job: MakeJob, unequal: Path) -> TrainingJob:
    return make_job(
        rows=str(unequal), epochs=2.0, max_length=2048, per_device_batch=1, warmup=0.0,
        learning_rate=1e-3, scheduler="constant",
    )  # fmt: skip


def trainer_of(job: TrainingJob) -> Any:
    """Put a trainer together as the child does."""
    from datasets import Dataset
    from transformers import AutoTokenizer

    from selflengthen.training import rows, sft
    from selflengthen.training.trainer import RoleTrainer

    model, tokenizer = (
        sft._base(job),
        AutoTokenizer.from_pretrained(job.model, trust_remote_code=False),
    )
    data = rows.tokenize(
        rows.read(Path(job.rows)), tokenizer, sft._stop_tokens(model, tokenizer), job.max_length
    )
    trainer = RoleTrainer(
        model=sft._adapted(model, job), args=sft._arguments(job), processing_class=tokenizer,
        train_dataset=Dataset.from_dict({"input_ids": data.input_ids, "labels": data.labels}),
    )  # fmt: skip
    trainer.loss = job.loss
    return trainer


@pytest.mark.parametrize("together", [1, 2, 4])
@pytest.mark.parametrize("loss", ["long-ce", "row-mean"])
def test_gradients_are_those_of_the_mean(job: TrainingJob, loss: str, together: int) -> None:
    """However many rows are in a micro-batch, and however unequal."""
    import torch
    from trl.trainer.sft_trainer import SFTTrainer

    trainer = trainer_of(msgspec.structs.replace(job, loss=loss, per_device_batch=together))
    trainable = {n: p for n, p in trainer.model.named_parameters() if p.requires_grad}
    mean = mean_of(loss, list(token_losses(job, trainer.model.eval())))
    wanted, expected = torch.autograd.grad(mean, list(trainable.values())), mean.item()
    step = 4 // together, trainer.args.device
    batches, items = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), *step)
    theirs = SFTTrainer.get_batch_samples(trainer, iter(trainer.get_train_dataloader()), *step)
    assert int(items) == (int(theirs[1]) if loss == "long-ce" else 4)
    trainer.current_gradient_accumulation_steps = len(batches)
    assert len(batches) == 4 // together
    total = sum(trainer.training_step(trainer.model, batch, items) for batch in batches)
    assert float(total) == pytest.approx(expected, rel=1e-4)
    for parameter, gradient in zip(trainable.values(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)


def test_a_long_row_weighs_as_its_tokens_do(job: TrainingJob) -> None:
    """The share of each row in the two means; and that the difference is not small."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        job.model, dtype=torch.float32, trust_remote_code=False
    )
    with torch.no_grad():
        losses = list(token_losses(job, model))
    tokens = [len(each) for each in losses]
    longest = tokens.index(max(tokens))
    assert longest == PARAGRAPHS.index(8) and max(tokens) / sum(tokens) > 0.5
    for loss, share in (("long-ce", tokens[longest] / sum(tokens)), ("row-mean", 1 / 4)):
        raised = [each + (n == longest) for n, each in enumerate(losses)]
        risen = mean_of(loss, raised) - mean_of(loss, losses)
        assert float(risen) == pytest.approx(share, rel=1e-4)


@pytest.mark.parametrize("loss", ["long-ce", "row-mean"])
def test_children_average_so_over_accumulation_and_ranks(
    job: TrainingJob, tmp_path: Path, loss: str
) -> None:
    """The first step's loss is the mean; the second's is equal where the gradients were."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        job.model, dtype=torch.float32, trust_remote_code=False
    )
    with torch.no_grad():
        losses = list(token_losses(job, model))
    other = "row-mean" if loss == "long-ce" else "long-ce"
    assert float(mean_of(loss, losses)) != pytest.approx(float(mean_of(other, losses)), rel=1e-3)
    seen = {}
    for processes in (1, 2):
        how = {"launcher": "accelerate" if processes > 1 else "plain", "processes": processes}
        where = str(tmp_path / f"adapter-{processes}")
        seen[processes] = steps_of(msgspec.structs.replace(job, loss=loss, output=where, **how))
    for steps in seen.values():
        assert steps[0] == pytest.approx(float(mean_of(loss, losses)), rel=1e-4)
    assert seen[1][1] == pytest.approx(seen[2][1], rel=1e-4) and seen[1][1] < seen[1][0]


def steps_of(job: TrainingJob) -> list[float]:
    """Train in a child; return the loss of each step."""
    steps: list[TrainingStep] = []
    asyncio.run(train(job, log=Path(job.output).with_suffix(".log"), on_step=steps.append))
    return [step.loss for step in steps]


def test_neftune_changes_the_training_and_leaves_nothing_behind(
    job: TrainingJob, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    noisy = msgspec.structs.replace(job, neftune_alpha=30.0, output=str(tmp_path / "noisy"))
    losses = steps_of(job), steps_of(noisy)
    assert losses[0][0] != pytest.approx(losses[1][0], rel=1e-4)
    saved = [load_file(Path(j.output, "adapter_model.safetensors")) for j in (job, noisy)]
    assert saved[0].keys() == saved[1].keys()
    assert any(not torch.equal(saved[0][name], saved[1][name]) for name in saved[0])
    base = AutoModelForCausalLM.from_pretrained(
        job.model, dtype=torch.float32, trust_remote_code=False
    )
    tuned = PeftModel.from_pretrained(base, noisy.output).train()
    ids = torch.tensor([[1, 5, 9]])
    with torch.no_grad():
        assert torch.equal(tuned(ids).logits, tuned(ids).logits)
    trainer = trainer_of(msgspec.structs.replace(noisy, output=str(tmp_path / "here")))
    embeddings = trainer.model.get_input_embeddings()
    trainer.train()
    assert not embeddings._forward_hooks
