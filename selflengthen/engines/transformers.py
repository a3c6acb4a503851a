"""The transformers engine: for machines where vLLM cannot be installed.

Waiting requests for the same role with the same sampling become one padded batch of `generate`, in
a thread of its own. Each request has its own random generator, which gives one number a token, so
sampling does not depend on the batch (rounding still may).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selflengthen.config import EngineConfig
from selflengthen.engines import cpu
from selflengthen.engines.base import Adapters, Completion, Request, Role, Sampling
from selflengthen.engines.chat import Chat, load
from selflengthen.errors import EngineError, UserError
from selflengthen.inputs import model_files, pretrained

_MAX_BATCH = 32


@dataclass(frozen=True)
class _Waiting:
    request: Request
    prompt: list[int]
    answer: asyncio.Future[Completion]


class TransformersEngine:
    """A model in this process, with all adapters of a phase loaded."""

    def __init__(
        self, model: Any, chat: Chat, roles: frozenset[Role], device: str, max_batch: int
    ) -> None:
        """Use `open` instead."""
        self._model = model
        self._chat = chat
        self._roles = roles
        self._device = device
        self._max_batch = max_batch
        self._waiting: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, "generate")
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    async def open(
        cls,
        config: EngineConfig,
        model: str | Path,
        adapters: Adapters,
        *,
        on_note: Callable[[str], None],
    ) -> TransformersEngine:
        """Load the model and the adapters; raises UserError or EngineError if that fails."""
        chat = await asyncio.to_thread(load, model, config.context)
        try:
            loaded, device = await asyncio.to_thread(_load, config, model, adapters)
        except (UserError, OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().split("\n")[0]
            raise EngineError(f"model {model}: transformers cannot load it: {reason}") from error
        on_note(f"engine: transformers on {device}")
        max_batch = min(_MAX_BATCH, config.in_flight)
        return cls(loaded, chat, frozenset(adapters), device, max_batch)

    async def complete(self, request: Request) -> Completion:
        """Answer one request, in a batch with others that are waiting."""
        prompt = await self._chat.encode(request)
        if self._closed:
            raise EngineError("The transformers engine is closed.")
        answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(request, prompt, answer))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await answer

    async def close(self) -> None:
        """Finish the current batch, fail the waiting requests, and free the model."""
        self._closed = True
        for waiting in self._waiting:
            if not waiting.answer.done():
                waiting.answer.set_exception(EngineError("The transformers engine was closed."))
        self._waiting.clear()
        if self._worker is not None:
            await asyncio.wait([self._worker])
        await asyncio.to_thread(self._thread.shutdown)
        self._model = None
        _free(self._device)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)  # requests made at the same time get into one batch
        while batch := self._take():
            try:
                completions = await loop.run_in_executor(self._thread, self._generate, batch)
            except Exception as error:
                for waiting in batch:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(_failed(error))
                continue
            for waiting, completion in zip(batch, completions, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(completion)

    def _take(self) -> list[_Waiting]:
        """Take the first waiting request, and those that fit into one batch with it."""
        batch: list[_Waiting] = []
        rest: deque[_Waiting] = deque()
        for waiting in self._waiting:
            if waiting.answer.done():  # cancelled
                continue
            if not batch or (len(batch) < self._max_batch and _batchable(waiting, batch[0])):
                batch.append(waiting)
            else:
                rest.append(waiting)
        self._waiting = rest
        return batch

    def _generate(self, batch: Sequence[_Waiting]) -> list[Completion]:
        import torch

        with torch.inference_mode(), self._adapter(batch[0].request.role):
            if batch[0].request.choices:
                return [self._choose(waiting) for waiting in batch]
            return self._write(batch)

    def _write(self, batch: Sequence[_Waiting]) -> list[Completion]:
        import torch
        from transformers import LogitsProcessorList

        tokenizer, sampling = self._chat.tokenizer, batch[0].request.sampling
        limits = [self._chat.most_tokens(w.request, w.prompt) for w in batch]
        width = max(len(w.prompt) for w in batch)
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        ids = [[pad] * (width - len(w.prompt)) + w.prompt for w in batch]
        mask = [[0] * (width - len(w.prompt)) + [1] * len(w.prompt) for w in batch]
        out = self._model.generate(
            input_ids=torch.tensor(ids, device=self._device),
            attention_mask=torch.tensor(mask, device=self._device),
            do_sample=False,
            # Cleared, or the model's own defaults would filter the distribution once more.
            temperature=None,
            top_p=None,
            top_k=None,
            repetition_penalty=None,
            no_repeat_ngram_size=None,
            pad_token_id=pad,
            max_new_tokens=max(limits),
            stop_strings=list(sampling.stop) or None,
            tokenizer=tokenizer if sampling.stop else None,
            logits_processor=LogitsProcessorList(
                [*_warpers(sampling, width), _Draw([w.request.seed for w in batch], sampling)]
            ),
        )[:, width:]
        ends = self._end_tokens()
        rows = zip(batch, out.tolist(), limits, strict=True)
        return [self._completion(w, row[:limit], ends) for w, row, limit in rows]

    def _completion(self, waiting: _Waiting, row: list[int], ends: frozenset[int]) -> Completion:
        length = next((i for i, token in enumerate(row) if token in ends), None)
        written = row if length is None else row[:length]
        tokens = len(written) + (length is not None)
        text = self._chat.tokenizer.decode(written, skip_special_tokens=True)
        stops = [at for s in waiting.request.sampling.stop if (at := text.find(s)) >= 0]
        if stops:
            text = text[: min(stops)]
            tokens = len(self._chat.tokens(text))
        reason = "length" if length is None and not stops else "stop"
        return Completion(text, reason, len(waiting.prompt), tokens)

    def _choose(self, waiting: _Waiting) -> Completion:
        """Draw one of the choices by the probability that the model gives each as a whole."""
        import torch

        request = waiting.request
        scored: list[tuple[float, int]] = []  # log-probability and tokens of each choice
        for choice in request.choices:
            ids = self._chat.tokens(choice)
            row = torch.tensor([waiting.prompt + ids], device=self._device)
            logits = self._model(input_ids=row).logits[0, -len(ids) - 1 : -1].float()
            score = logits.log_softmax(-1)[range(len(ids)), ids].sum().item()
            scored.append((score, len(ids)))
        temperature = request.sampling.temperature
        if temperature:
            best = max(score for score, _ in scored)
            weights = [math.exp((score - best) / temperature) for score, _ in scored]
            (index,) = random.Random(request.seed).choices(range(len(scored)), weights)
        else:
            index = max(range(len(scored)), key=lambda i: scored[i][0])
        return Completion(request.choices[index], "stop", len(waiting.prompt), scored[index][1])

    def _end_tokens(self) -> frozenset[int]:
        ends = self._model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        return frozenset(e for e in (*ends, self._chat.tokenizer.eos_token_id) if e is not None)

    def _adapter(self, role: Role) -> contextlib.AbstractContextManager[Any]:
        if not self._roles:
            return contextlib.nullcontext()
        if role not in self._roles:
            return self._model.disable_adapter()  # type: ignore[no-any-return]
        self._model.set_adapter(role)
        return contextlib.nullcontext()


class _Draw:
    """Make `generate` take the token that each row's own random generator draws."""

    def __init__(self, seeds: Sequence[int], sampling: Sampling) -> None:
        self._generators = [random.Random(seed) for seed in seeds]
        self._greedy = sampling.temperature == 0

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import torch

        if self._greedy:
            return scores
        cumulative = scores.float().softmax(-1).cumsum(-1)
        uniform = torch.tensor([g.random() for g in self._generators], device=scores.device)
        drawn = uniform[:, None] * cumulative[:, -1:]
        token = torch.searchsorted(cumulative, drawn, right=True).clamp_(max=scores.shape[-1] - 1)
        return torch.full_like(scores, float("-inf")).scatter_(-1, token, 0.0)


def _warpers(sampling: Sampling, prompt: int) -> list[Any]:
    from transformers import (
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    warpers: list[Any] = []
    if sampling.repetition_penalty != 1:
        warpers.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.temperature not in (0, 1):
        warpers.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    return warpers


def _batchable(one: _Waiting, other: _Waiting) -> bool:
    a, b = one.request, other.request
    return (a.role, a.sampling, a.choices) == (b.role, b.sampling, b.choices)


def _failed(error: Exception) -> EngineError:
    failure = EngineError(f"transformers failed: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def _load(config: EngineConfig, model: str | Path, adapters: Adapters) -> tuple[Any, str]:
    import torch
    from transformers import AutoModelForCausalLM

    mps = torch.backends.mps.is_available()
    device = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    dtype = cpu.number_type(config, model) if device == "cpu" else config.dtype
    loaded: Any = pretrained.model(AutoModelForCausalLM, model, dtype=dtype).to(device).eval()
    if adapters:
        (first, adapter), *others = adapters.items()
        loaded = pretrained.adapted(loaded, adapter.path, adapter_name=first)
        for role, adapter in others:
            model_files.check_adapter(adapter.path)
            loaded.load_adapter(str(adapter.path), adapter_name=role)
        loaded.eval()
    return loaded, device


def _free(device: str) -> None:
    import gc

    import torch

    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
