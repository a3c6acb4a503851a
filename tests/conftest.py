"""Fixtures that many rooms share."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def pocket_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pocket model; an untrained one where its weights are not shipped."""
    shipped = Path(str(resources.files("selflengthen"))) / "pocket" / "weights"
    if (shipped / "model.safetensors").is_file():
        return shipped
    import random

    import torch

    from selflengthen.pocket.language import Story, render
    from selflengthen.pocket.model import new_model, train_tokenizer

    folder = tmp_path_factory.mktemp("pocket")
    rng = random.Random(0)
    texts = [render(Story(rng).text([1, 1, 1])) for _ in range(300)]
    train_tokenizer([*texts, "yes", "no"]).save_pretrained(folder)
    torch.manual_seed(0)
    new_model().to(torch.bfloat16).save_pretrained(folder)
    return folder
