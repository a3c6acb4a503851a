"""A merged model is the base model with the adapter, and transformers loads it alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from selflengthen.config import SamplingConfig
from selflengthen.errors import TrainingError
from selflengthen.training.merge import merge


@pytest.fixture
def adapter(pocket_model: Path, tmp_path: Path) -> Path:
    """An adapter that changes what the model says."""
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(pocket_model, trust_remote_code=False)
    adapted = get_peft_model(
        base, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    adapted.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_a_merged_model_is_the_base_with_the_adapter(
    pocket_model: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # as `finish . --merge` names what it reads and writes
    output = Path("merged")
    output.mkdir()
    (output / "stale.txt").write_text("of an earlier merge")
    drawn = SamplingConfig(temperature=0.6, top_p=0.9, top_k=7, repetition_penalty=1.2)
    asyncio.run(merge(pocket_model, Path("adapter"), output, Path("log"), drawn))
    assert list(output.glob("*.safetensors")) and not (output / "stale.txt").exists()
    tokenizer, before = (
        AutoTokenizer.from_pretrained(p, trust_remote_code=False) for p in (output, pocket_model)
    )
    modes = {path.name: path.stat().st_mode & 0o777 for path in output.iterdir()}
    assert len(set(modes.values())) == 1, modes
    config = GenerationConfig.from_pretrained(output, trust_remote_code=False)
    assert (config.do_sample, config.temperature, config.top_p, config.top_k) == (True, 0.6, 0.9, 7)
    assert config.repetition_penalty == 1.2
    assert config.eos_token_id is not None
    text = "Write a story about Dina the miller. Use about 120 words."
    assert tokenizer(text).input_ids == before(text).input_ids
    assert tokenizer.chat_template == before.chat_template
    ids = torch.tensor([tokenizer(text).input_ids])
    merged = AutoModelForCausalLM.from_pretrained(
        output, dtype=torch.float32, trust_remote_code=False
    )
    base = AutoModelForCausalLM.from_pretrained(
        pocket_model, dtype=torch.float32, trust_remote_code=False
    )
    with torch.no_grad():
        plain, alone = base(ids).logits, merged(ids).logits
        adapted = PeftModel.from_pretrained(base, adapter)(ids).logits
    # The merged weights are rounded to the base model's own type.
    assert (alone - adapted).abs().max() < 0.1 * (plain - adapted).abs().max()


def test_a_failure_is_told_with_its_log(pocket_model: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"Merging failed: .*log"):
        asyncio.run(
            merge(
                pocket_model,
                adapter=tmp_path / "none",
                output=tmp_path / "merged",
                log=tmp_path / "log",
                sampling=SamplingConfig(),
            )
        )
    assert not (tmp_path / "merged").exists()
