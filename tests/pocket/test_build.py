"""The recipe: its parts run, and the shipped weights do what the gate says."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
import torch

from selflengthen.inputs import models, prompts
from selflengthen.pocket import build
from selflengthen.pocket.corpus import Corpus
from selflengthen.pocket.gate import GATE, GateReport, passes
from selflengthen.pocket.model import new_model, train_tokenizer


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Return the corpus of a fixed seed."""
    return Corpus(prompts.load(prompts.shipped("pocket")), random.Random(0))


def test_learning_lowers_the_loss_and_saves_on_the_way(corpus: Corpus, tmp_path: Path) -> None:
    torch.manual_seed(0)
    random.seed(0)
    cycle = build.Cycle(60_000, 1.0, track=0.14, raw=0.1, most=4, spread=0.4)
    mixture = build.mixtures(corpus, cycle)
    tokenizer = train_tokenizer("".join(t for t, _ in corpus.write()) for _ in range(200))
    model = new_model()
    optimizers = build._optimizers(model)
    batch = next(build._batches(mixture[1], tokenizer))
    before = build._step(model, optimizers, batch, 0.0)
    build._learn(model, optimizers, tokenizer, mixture, cycle, tmp_path / "m")
    assert build._step(model, optimizers, batch, 0.0) < before - 1


def test_weights_of_tokens_follow_their_spans(corpus: Corpus) -> None:
    tokenizer = train_tokenizer(["one two three. four"] * 50)
    ids, weights = build._encode(tokenizer, [("one two", 0.1), (" three.", 2.0), (" four", 0.4)])
    assert tokenizer.decode(ids) == "one two three. four"
    assert set(weights) == {0.1, 2.0, 0.4}
    assert weights == sorted(weights, key=[0.1, 2.0, 0.4].index)


def test_tokenizers_agree() -> None:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    loaded = AutoTokenizer.from_pretrained(models.POCKET, trust_remote_code=False)
    trained = PreTrainedTokenizerFast.from_pretrained(models.POCKET, trust_remote_code=False)
    corpus = Corpus(prompts.load(prompts.shipped("pocket")), random.Random(5))
    for _ in range(100):
        text = "".join(t for t, _ in corpus.extend((3, 5), (0, 1)))
        assert loaded(text).input_ids == trained(text).input_ids


def test_the_shipped_weights_passed_the_gate() -> None:
    text = (models.POCKET / "gate.json").read_bytes()
    report = msgspec.json.decode(text, type=GateReport)
    assert passes(report)
    assert len(report.extends()) == len(GATE)
    assert msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n" == text
