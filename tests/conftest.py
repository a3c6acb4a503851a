"""What all tests share: nothing is fetched or reported, GPU tests skip without a GPU."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import settings

for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"):
    os.environ.setdefault(name, "1")
# How long an example takes says nothing where a machine is busy, or the first imports a library.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `gpu` where torch sees none; let the real parts leave things open."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(
                pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
            )
    # What takes longest begins first, so that no worker is left alone with it at the end.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU"))


@pytest.fixture(autouse=True)
def leftovers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let what vLLM leaves open, as it does, be found here and not in a later test."""
    yield
    if request.node.get_closest_marker("slow"):
        gc.collect()


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
