"""The models behind indicators: a reward head, UniEval, a language model, a sentence embedder.

Each scorer takes a batch of rows and returns float32 (rows, width + 1): the values, and 1 if the
row's texts exceeded the model's context and were truncated. Texts are data: special tokens in them
are encoded as ordinary text. On a GPU, a model runs in the dtype of its weights, on a CPU in
float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
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

from selflengthen.curate.indicators.token_losses import summed_losses
from selflengthen.curate.io.rows import DataRow
from selflengthen.engines.base import Message
from selflengthen.engines.chat import Chat, clean, positions
from selflengthen.errors import UserError
from selflengthen.inputs import model_files, pretrained
from selflengthen.runner.verify import digest_of
from selflengthen.storage.atomic import RESTORE
from selflengthen.storage.records import fingerprint

Scorer = Callable[[Sequence[DataRow]], NDArray[np.float32]]

UNIEVAL_READS = 1024  # tokens; its authors truncate at the same length
_QUESTIONS = {  # the words that UniEval's dialogue model was trained on (arXiv 2210.07197)
    "naturalness": "question: Is this a natural response in the dialogue?",
    "coherence": "question: Is this a coherent response given the dialogue history?",
    "understandability": "question: Is this an understandable response in the dialogue?",
}
_FILES = (".json", ".safetensors", ".bin", ".jinja", ".model", ".txt")


def identity(model: str) -> str:
    """Return a digest of a model's files, or its commit on the hub.

    The files are read in full: two reward models may differ only in a head of a few kilobytes.
    """
    if not Path(model).is_dir():
        return f"{model}@{pretrained.config(model)._commit_hash}"
    digests = []
    for path in sorted(Path(model).iterdir()):
        if path.suffix in _FILES:
            model_files.file_size(path)  # raises for a pipe, which would block
            digests.append((path.name, digest_of(path, RESTORE)))
    return fingerprint(digests).hex()


def load(indicator: str, model: str) -> Scorer:
    """Load the scorer of an indicator; raises UserError if the model does not fit it."""
    if indicator == "reward":
        return Reward(model)
    if indicator == "perplexity":
        return Perplexity(model)
    if indicator == "ifd":
        return InstructionDifficulty(model)
    if indicator == "embedding":
        return Embedding(model)
    return UniEval(model, indicator)


class _Loaded:
    """A model with its tokenizer, on the GPU if there is one."""

    def __init__(self, name: str, what: str, kind: Any) -> None:
        # Missing weights get an error of one line below, not the table of transformers.
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        cuda = torch.cuda.is_available()
        config = pretrained.config(name)
        self.tokenizer = pretrained.tokenizer(name)
        dtype = "auto" if cuda else torch.float32
        self.model, info = pretrained.model(
            kind, name, f"a {what}", dtype=dtype, output_loading_info=True
        )
        if self.tokenizer.pad_token is None:  # padding is masked, so any token will do
            self.tokenizer.pad_token = self.tokenizer.eos_token
        if (
            self.model.config.pad_token_id is None
        ):  # a classifier reads the last token before padding
            self.model.config.pad_token_id = self.tokenizer.pad_token_id
        missing = sorted(k for k in info["missing_keys"] if "pooler" not in k)
        if missing:  # transformers would initialise them at random
            raise UserError(
                f"{name}: is not a {what}: its weights lack {missing[0]}; give the folder or hub "
                "id of one."
            )
        self.model.to("cuda" if cuda else "cpu").eval()
        limit = getattr(self.tokenizer, "model_max_length", None) or 1 << 30
        self.reads = min(limit, positions(config) or limit)

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
        """Load it; raises UserError unless its head gives one score."""
        self._loaded = _Loaded(name, "reward model", AutoModelForSequenceClassification)
        if self._loaded.model.config.num_labels != 1:
            raise UserError(
                f"{name}: gives {self._loaded.model.config.num_labels} scores per row; a reward "
                "model gives one."
            )

    @torch.inference_mode()
    def __call__(self, rows: Sequence[DataRow]) -> NDArray[np.float32]:
        """Score rows; if a pair is too long, the longer text is truncated."""
        tokenizer, reads = self._loaded.tokenizer, self._loaded.reads
        texts = [clean(r.prompt) for r in rows], [clean(r.response) for r in rows]
        encode = partial(tokenizer, *texts, split_special_tokens=True, verbose=False)
        full = encode()["input_ids"]
        inputs = encode(
            truncation="longest_first", max_length=reads, padding=True, return_tensors="pt"
        )
        scores = self._loaded.model(**inputs.to(self._loaded.model.device)).logits[:, 0]
        return _result(scores, [len(ids) > reads for ids in full])


class UniEval:
    """UniEval's dialogue model: the probability of Yes against No, by a T5 (arXiv 2210.07197)."""

    def __init__(self, name: str, indicator: str) -> None:
        """Load it; raises UserError if its tokenizer has no tokens for Yes and No."""
        self._loaded = _Loaded(name, "UniEval (T5) model", AutoModelForSeq2SeqLM)
        tokenizer = self._loaded.tokenizer
        self._question = _QUESTIONS[indicator]
        self._history = indicator == "coherence"
        self._answers = [
            tokenizer.encode(word, add_special_tokens=False)[:1] for word in ("Yes", "No")
        ]
        unknown = [tokenizer.unk_token_id]
        if unknown in self._answers or self._answers[0] == self._answers[1]:
            raise UserError(
                f"{name}: its tokenizer does not distinguish Yes from No; give a UniEval model."
            )
        self._chat = Chat(tokenizer, UNIEVAL_READS)

    @torch.inference_mode()
    def __call__(self, rows: Sequence[DataRow]) -> NDArray[np.float32]:
        """Score rows; if a pair is too long, the response is truncated before the history is."""
        inputs, cut = zip(*map(self._input, rows), strict=True)
        model = self._loaded.model
        start = torch.full((len(rows), 1), model.config.decoder_start_token_id, device=model.device)
        logits = model(**self._loaded.padded(list(inputs)), decoder_input_ids=start).logits[:, 0]
        answers = torch.tensor(self._answers, device=model.device)[:, 0]
        return _result(logits[:, answers].float().softmax(-1)[:, 0], cut)

    def _input(self, row: DataRow) -> tuple[list[int], bool]:
        """Return `question </s> response: … </s>`, with the history if the question needs it."""
        end = [self._loaded.tokenizer.eos_token_id]
        head = self._chat.tokens(self._question) + end
        response = self._chat.tokens(f"response: {row.response}") + end
        history: list[int] = []
        if self._history:
            history = self._chat.tokens(f"dialogue history: {row.prompt}") + end
        limit = UNIEVAL_READS - len(head)
        cut = len(response) + len(history) > limit
        history = history if not cut else history[: max(limit // 2, limit - len(response))]
        return head + response[: limit - len(history)] + history, cut


class _Language:
    """A causal language model, and how it reads prompts and responses."""

    def __init__(self, name: str) -> None:
        """Load it."""
        self._loaded = _Loaded(name, "language model", AutoModelForCausalLM)
        self._chat = Chat(self._loaded.tokenizer, self._loaded.reads)

    def _mean_losses(
        self, prompts: Sequence[list[int]], responses: Sequence[list[int]], least: int
    ) -> torch.Tensor:
        """Return the mean loss of each response's tokens after its prompt, (rows,).

        Tokens with fewer than `least` tokens before them do not count. NaN if none counts.
        """
        both = [p + r for p, r in zip(prompts, responses, strict=True)]
        inputs = self._loaded.padded(both)
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        place = torch.arange(ids.shape[1], device=ids.device)
        begins = torch.tensor([[max(least, len(p))] for p in prompts], device=ids.device)
        counts = (place >= begins) & mask.bool()
        losses = summed_losses(self._loaded.model, ids, mask, counts)
        return losses / counts.sum(1)  # if no token counts, this is 0 / 0: NaN

    def _prompt(self, text: str) -> list[int]:
        tokenizer = self._loaded.tokenizer
        if tokenizer.chat_template is not None:
            return self._chat.render([Message("user", text)])
        begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        return begin + (self._chat.tokens(f"{text}\n\n") if text else [])

    def _response(self, row: DataRow) -> list[int]:
        return self._chat.tokens(row.response) if row.response else []


class Perplexity(_Language):
    """A language model's perplexity of the response after the prompt."""

    @torch.inference_mode()
    def __call__(self, rows: Sequence[DataRow]) -> NDArray[np.float32]:
        """Score rows; a response is truncated at the model's context. NaN if it has no tokens."""
        reads = self._loaded.reads
        prompts = [self._prompt(r.prompt) for r in rows]
        responses = [self._response(r) for r in rows]
        pairs = list(zip(prompts, responses, strict=True))
        losses = self._mean_losses(
            [p[:reads] for p in prompts], [r[: max(0, reads - len(p))] for p, r in pairs], least=1
        )
        return _result(losses.exp(), [len(p) + len(r) > reads for p, r in pairs])


class InstructionDifficulty(_Language):
    """IFD: the response's loss after the prompt ÷ its loss without it (arXiv 2308.12032).

    Both losses are means over the same tokens of the response. Without the prompt, the user's turn
    of the chat template is empty; a model without a template reads the response alone. A response
    that has nothing to do with its prompt has about 1.
    """

    @torch.inference_mode()
    def __call__(self, rows: Sequence[DataRow]) -> NDArray[np.float32]:
        """Score rows; a response is truncated at the model's context. NaN if it has no tokens."""
        without = self._prompt("")
        prompts = [self._prompt(r.prompt) for r in rows]
        full = [self._response(r) for r in rows]
        fits = [max(0, self._loaded.reads - max(len(p), len(without))) for p in prompts]
        read = [r[:count] for r, count in zip(full, fits, strict=True)]
        # A token with nothing before it has no loss, so it may count in neither of the two.
        first = 0 if without else 1
        rest = [r[first:] for r in read]
        begun = [p[: self._loaded.reads] + r[:first] for p, r in zip(prompts, read, strict=True)]
        after = self._mean_losses(begun, rest, least=1)
        alone = self._mean_losses([without + r[:first] for r in read], rest, least=1)
        return _result(after / alone, [len(r) > count for r, count in zip(full, fits, strict=True)])


class Embedding:
    """A sentence embedder: the mean of the last layer over all tokens, scaled to length 1."""

    def __init__(self, name: str) -> None:
        """Load it."""
        self._loaded = _Loaded(name, "sentence embedder", AutoModel)

    @torch.inference_mode()
    def __call__(self, rows: Sequence[DataRow]) -> NDArray[np.float32]:
        """Embed prompt and response as one text, with a blank line between them."""
        tokenizer, reads = self._loaded.tokenizer, self._loaded.reads
        texts = [clean(f"{row.prompt}\n\n{row.response}") for row in rows]
        encode = partial(tokenizer, texts, split_special_tokens=True, verbose=False)
        full = encode()["input_ids"]
        inputs = encode(padding=True, truncation=True, max_length=reads, return_tensors="pt").to(
            self._loaded.model.device
        )
        states = self._loaded.model(**inputs).last_hidden_state.float()
        mask = inputs["attention_mask"][..., None]
        mean = (states * mask).sum(1) / mask.sum(1)
        return _result(
            torch.nn.functional.normalize(mean, dim=-1), [len(ids) > reads for ids in full]
        )


def _result(values: torch.Tensor, cut: Sequence[bool]) -> NDArray[np.float32]:
    scores = values.float().cpu().numpy().reshape(len(cut), -1)
    marks = np.array(cut, np.float32)[:, None]
    return np.concatenate([scores, marks], axis=1)
