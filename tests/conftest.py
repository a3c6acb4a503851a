"""What all tests share."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import selflengthen


@pytest.fixture(scope="session")
def pocket_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped pocket model; where it is not built yet, one of its shape with random weights."""
    shipped = Path(selflengthen.__file__).parent / "pocket" / "weights"
    if shipped.is_dir():
        return shipped
    from selflengthen import prompts
    from selflengthen.pocket.build import save
    from selflengthen.pocket.corpus import Corpus
    from selflengthen.pocket.model import new_model, train_tokenizer

    corpus = Corpus(prompts.load(prompts.shipped("pocket")), random.Random(0))
    texts = ["".join(text for text, _ in corpus.write()) for _ in range(300)]
    folder = tmp_path_factory.mktemp("pocket") / "weights"
    save(new_model(), train_tokenizer(texts), folder)
    return folder
