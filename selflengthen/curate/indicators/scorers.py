"""The models behind indicators: a reward head, UniEval, a language model, a sentence embedder.

Each scorer takes a batch of rows and returns float32 (rows, width + 1): the values, and 1 where
the row's texts were longer than the model reads and were cut. Texts are data: marks of the
tokenizer inside of them are spelled out in ordinary tokens. On a GPU a model runs in the dtype of
its weights, on a CPU in float32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)
from transformers.utils import logging

from selflengthen.curate.io.rows import Row
from selflengthen.engines.base import Message
from selflengthen.engines.chat import Chat, clean, positions
from selflengthen.errors import UserError
from selflengthen.inputs import model_files, pretrained
from selflengthen.storage.records import fingerprint

Scorer = Callable[[Sequence[Row]], NDArray[np.float32]]

UNIEVAL_READS = 1024  # tokens, as its authors cut
_QUESTIONS = {  # the words that UniEval's dialogue model was trained on (arXiv 2210.07197)
    "naturalness": "question: Is this a natural response in the dialogue?",
    "coherence": "question: Is this a coherent response given the dialogue history?",
    "understandability": "question: Is this an understandable response in the dialogue?",
}
_FILES = (".json", ".safetensors", ".bin", ".jinja", ".model", ".txt")
_POSITIONS = 256  # of which a language model's logits are held at once


def identity(model: str) -> str:
    """Return what tells a model from others: a digest of its files, or its commit on the hub.

    The files are read whole: two reward models may differ in a head of some kilobytes alone.
    """
    if not Path(model).is_dir():
        return f"{model}@{pretrained.config(model)._commit_hash}"
    digests = []
    for path in sorted(Path(model).iterdir()):
        if path.suffix in _FILES:
            model_files.file_size(path)  # a pipe would be read for ever
            with open(path, "rb") as file:
                digests.append((path.name, hashlib.file_digest(file, "sha256").hexdigest()))
    return fingerprint(digests).hex()


def load(indicator: str, model: str) -> Scorer:
    """Load the scorer of an indicator; raises UserError where the model is none for it."""
    if indicator == "reward":
        return Reward(model)
    if indicator == "perplexity":
        return Perplexity(model)
    if indicator == "embedding":
        return Embedding(model)
    return UniEval(model, indicator)


class _Loaded:
    """A model with its tokenizer, on the device that is there."""

    def __init__(self, name: str, what: str, kind: Any) -> None:
        # What transformers says of missing weights is said below, in a line.
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        cuda = torch.cuda.is_available()
        config = pretrained.config(name)
        self.tokenizer = pretrained.tokenizer(name)
        dtype = "auto" if cuda else torch.float32
        self.model, info = pretrained.model(
            kind, name, f"a {what}", dtype=dtype, output_loading_info=True
        )
        if self.tokenizer.pad_token is None:  # padding is masked; any token will do
            self.tokenizer.pad_token = self.tokenizer.eos_token
        if self.model.config.pad_token_id is None:  # a classifier looks for the last other token
            self.model.config.pad_token_id = self.tokenizer.pad_token_id
        missing = sorted(k for k in info["missing_keys"] if "pooler" not in k)
        if missing:  # transformers would draw them at random
            raise UserError(
                f"{name}: is no {what}; its weights lack {missing[0]}; give a folder or a hub id "
                "of one."
            )
        self.model.to("cuda" if cuda else "cpu").eval()
        most = getattr(self.tokenizer, "model_max_length", None) or 1 << 30
        self.reads = min(most, positions(config) or most)

    def padded(self, rows: list[list[int]]) -> dict[str, torch.Tensor]:
        """Return ids padded on the right, and their mask."""
        pad, longest = self.tokenizer.pad_token_id, max(map(len, rows))
        filled = [ids + [pad or 0] * (longest - len(ids)) for ids in rows]
        mask = [[1] * len(ids) + [0] * (longest - len(ids)) for ids in rows]
        device = self.model.device
        return {
            "input_ids": torch.tensor(filled, device=device),
            "attention_mask": torch.tensor(mask, device=device),
        }


class Reward:
    """A reward model: a sequence classifier with one score for prompt and response."""

    def __init__(self, name: str) -> None:
        """Load it; raises UserError where it has no head of one score."""
        self._loaded = _Loaded(name, "reward model", AutoModelForSequenceClassification)
        if self._loaded.model.config.num_labels != 1:
            raise UserError(
                f"{name}: gives {self._loaded.model.config.num_labels} scores a row; a reward "
                "model gives one."
            )

    @torch.inference_mode()
    def __call__(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Score rows; of one that is too long the end of the longer text is cut."""
        tokenizer, reads = self._loaded.tokenizer, self._loaded.reads
        texts = [clean(r.prompt) for r in rows], [clean(r.response) for r in rows]
        options: dict[str, Any] = {"split_special_tokens": True, "verbose": False}
        whole = tokenizer(*texts, **options)["input_ids"]
        options |= {"truncation": "longest_first", "max_length": reads}
        inputs = tokenizer(*texts, padding=True, return_tensors="pt", **options)
        scores = self._loaded.model(**inputs.to(self._loaded.model.device)).logits[:, 0]
        return _result(scores, [len(ids) > reads for ids in whole])


class UniEval:
    """UniEval's dialogue model: the probability of Yes against No, by a T5 (arXiv 2210.07197)."""

    def __init__(self, name: str, indicator: str) -> None:
        """Load it; raises UserError where its tokenizer has no tokens for Yes and No."""
        self._loaded = _Loaded(name, "UniEval (T5) model", AutoModelForSeq2SeqLM)
        tokenizer = self._loaded.tokenizer
        self._question, self._history = _QUESTIONS[indicator], indicator == "coherence"
        self._answers = [
            tokenizer.encode(word, add_special_tokens=False)[:1] for word in ("Yes", "No")
        ]
        unknown = [tokenizer.unk_token_id]
        if unknown in self._answers or self._answers[0] == self._answers[1]:
            raise UserError(f"{name}: its tokenizer cannot tell Yes from No; give a UniEval model.")
        self._chat = Chat(tokenizer, UNIEVAL_READS)

    @torch.inference_mode()
    def __call__(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Score rows; of one that is too long the response is cut before the history."""
        inputs, cut = zip(*map(self._input, rows), strict=True)
        model = self._loaded.model
        start = torch.full((len(rows), 1), model.config.decoder_start_token_id, device=model.device)
        logits = model(**self._loaded.padded(list(inputs)), decoder_input_ids=start).logits[:, 0]
        answers = torch.tensor(self._answers, device=model.device)[:, 0]
        return _result(logits[:, answers].float().softmax(-1)[:, 0], cut)

    def _input(self, row: Row) -> tuple[list[int], bool]:
        """Return `question </s> response: … </s>`, with the history where it is asked for."""
        end = [self._loaded.tokenizer.eos_token_id]
        head = self._chat.tokens(self._question) + end
        response = self._chat.tokens(f"response: {row.response}") + end
        history: list[int] = []
        if self._history:
            history = self._chat.tokens(f"dialogue history: {row.prompt}") + end
        room = UNIEVAL_READS - len(head)
        cut = len(response) + len(history) > room
        history = history if not cut else history[: max(room // 2, room - len(response))]
        return head + response[: room - len(history)] + history, cut


class Perplexity:
    """A language model's perplexity of the response after the prompt."""

    def __init__(self, name: str) -> None:
        """Load it."""
        self._loaded = _Loaded(name, "language model", AutoModelForCausalLM)
        self._chat = Chat(self._loaded.tokenizer, self._loaded.reads)

    @torch.inference_mode()
    def __call__(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Score rows; a response is cut at the end of what the model reads. NaN without tokens."""
        model, reads = self._loaded.model, self._loaded.reads
        prompts, responses = [self._prompt(r) for r in rows], [self._response(r) for r in rows]
        whole = [p + r for p, r in zip(prompts, responses, strict=True)]
        inputs = self._loaded.padded([ids[:reads] for ids in whole])
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        # Only tokens of responses count, and none that has no token before it.
        place = torch.arange(ids.shape[1], device=ids.device)
        begins = torch.tensor([[max(1, len(p))] for p in prompts], device=ids.device)
        counts = (place >= begins) & mask.bool()
        losses = summed_losses(model, ids, mask, counts)
        # No token that counts gives 0 / 0, which is no number.
        return _result((losses / counts.sum(1)).exp(), [len(ids) > reads for ids in whole])

    def _prompt(self, row: Row) -> list[int]:
        tokenizer = self._loaded.tokenizer
        if tokenizer.chat_template is not None:
            return self._chat.render([Message("user", row.prompt)])
        begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        return begin + (self._chat.tokens(f"{row.prompt}\n\n") if row.prompt else [])

    def _response(self, row: Row) -> list[int]:
        return self._chat.tokens(row.response) if row.response else []


class Embedding:
    """A sentence embedder: the mean of the last layer over the tokens, scaled to length 1."""

    def __init__(self, name: str) -> None:
        """Load it."""
        self._loaded = _Loaded(name, "sentence embedder", AutoModel)

    @torch.inference_mode()
    def __call__(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Embed prompt and response, a blank line between them, as one text."""
        tokenizer, reads = self._loaded.tokenizer, self._loaded.reads
        texts = [clean(f"{row.prompt}\n\n{row.response}") for row in rows]
        options = {"split_special_tokens": True, "verbose": False}
        whole = tokenizer(texts, **options)["input_ids"]
        inputs = tokenizer(
            texts, padding=True, truncation=True, max_length=reads, return_tensors="pt", **options
        ).to(self._loaded.model.device)
        states = self._loaded.model(**inputs).last_hidden_state.float()
        mask = inputs["attention_mask"][..., None]
        mean = (states * mask).sum(1) / mask.sum(1)
        return _result(
            torch.nn.functional.normalize(mean, dim=-1), [len(ids) > reads for ids in whole]
        )


def summed_losses(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, counts: torch.Tensor
) -> torch.Tensor:
    """Return each row's summed loss over the tokens that count, (rows,); all are (rows, tokens).

    Token t is foretold at t - 1. Logits of a long row are never there at once.
    """
    losses, cache = torch.zeros(len(ids), device=ids.device), None
    for start in range(0, ids.shape[1] - 1, _POSITIONS):
        end = min(start + _POSITIONS, ids.shape[1] - 1)
        out = model(
            input_ids=ids[:, start:end], attention_mask=mask[:, :end], past_key_values=cache,
            use_cache=True,
        )  # fmt: skip
        cache, after = out.past_key_values, slice(start + 1, end + 1)
        lost = torch.nn.functional.cross_entropy(
            out.logits.float().transpose(1, 2), ids[:, after], reduction="none"
        )
        losses += (lost * counts[:, after]).sum(1)
    return losses


def _result(values: torch.Tensor, cut: Sequence[bool]) -> NDArray[np.float32]:
    found = values.float().cpu().numpy().reshape(len(cut), -1)
    marks = np.array(cut, np.float32)[:, None]
    return np.concatenate([found, marks], axis=1)
