"""What the engine tests share: requests, and real adapters of the pocket model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selflengthen.engines.base import Adapter, Adapters, Message, Request, Sampling


def request(text: str = "Write a story about bread.", **changes: Any) -> Request:
    """Make a request; `changes` are fields of Request, or of its Sampling."""
    drawn = {"temperature": 0.9, "top_p": 0.95, "top_k": 20, "repetition_penalty": 1.0}
    drawn |= {"max_tokens": 24, "stop": ()}
    drawn |= {name: changes.pop(name) for name in list(changes) if name in drawn}
    fields = {"messages": (Message("user", text),), "role": "base", "seed": 1} | changes
    return Request(sampling=Sampling(**drawn), **fields)


@pytest.fixture(scope="session")
def ask() -> Callable[..., Request]:
    return request


@pytest.fixture(scope="session")
def adapters(pocket_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Adapters:
    """Return two adapters that change what the model writes, and differ."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    made = {}
    for seed, role in enumerate(("generator", "expander")):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_pretrained(
            pocket_model, dtype=torch.float32, trust_remote_code=False
        )
        config = LoraConfig(
            r=4, lora_alpha=16, target_modules="all-linear", init_lora_weights=False
        )
        folder = tmp_path_factory.mktemp(role)
        get_peft_model(model, config).save_pretrained(folder)
        made[role] = Adapter(f"{role}-1", folder, 4)
    return made  # type: ignore[return-value]
