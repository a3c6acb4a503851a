"""Generated tokens/s of the controller relative to plain `vllm.LLM.generate`, same requests.

    python -m benchmarks.bench_engine [--model FOLDER] [--requests 512] [--pairs 3]

Two processes have an engine each, and only one works at a time: A B, A B, …; the median of the
pairs' ratios counts. Both get the same prompts as token ids of the model's chat template, the
same seeds and sampling, 64 sequences at once, and run every request to its own length, drawn
log-normally (`ignore_eos`, no stop strings; loops are looked for, and not ended).
Without a GPU both use vLLM's CPU defaults with one GiB of cache, float32 and `enforce_eager`. Both
use prefix caching, so from the first pair on they find the prompts in their cache.

The controller does more than `LLM.generate`: it fills and tokenises prompts, checks and counts
every text, and appends and fsyncs records. It also shares the cores with its engine core, so the
engine computes with one thread fewer than there are cores (see `engines/vllm_arguments.py`), where
`LLM` uses vLLM's own choice.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from benchmarks.bench_restart import Silent
from benchmarks.result import Figure, Result, at_least, main
from selflengthen.config import EngineConfig
from selflengthen.engines import chat, loops
from selflengthen.engines.base import Message, Request, Sampling
from selflengthen.inputs import models, prompts, seeds
from selflengthen.runner.executor import StageExecutor
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.storage.records import derive_seed
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_table import DRAFT
from selflengthen.text import checks

LEAST_RATIO = 0.93
# The lengths, in tokens.
MEDIAN = 150
SIGMA = 0.6
SHORTEST = 8
LONGEST = 1500
CONTEXT = 4096
IN_FLIGHT = 64
SEED = 0
SAMPLING = Sampling(temperature=0.9, top_p=0.95, top_k=20, repetition_penalty=1.1, max_tokens=1)


@dataclass(frozen=True)
class BenchmarkRequest:
    """An instruction and the number of tokens to write."""

    instruction: str
    tokens: int

    @property
    def sampling(self) -> Sampling:
        """The sampling for its text."""
        return replace(SAMPLING, max_tokens=self.tokens)


def requests_of(count: int) -> list[BenchmarkRequest]:
    """Draw the requests; they are the same in every process."""
    rng = random.Random(1)
    instructions = [seed.instruction for seed in seeds.load("pocket")]
    return [
        BenchmarkRequest(
            rng.choice(instructions),
            min(LONGEST, max(SHORTEST, round(MEDIAN * rng.lognormvariate(0, SIGMA)))),
        )
        for _ in range(count)
    ]


def names(count: int) -> list[str]:
    """Return the items' ids, from which their seeds are derived."""
    return [f"r01-draft-{number:06d}-00" for number in range(count)]


def measure(args: argparse.Namespace) -> Result:
    """Let both sides write in turn."""
    if importlib.util.find_spec("vllm") is None:
        return Result("engine", notes=("skipped: vllm is not installed",))
    ratios: list[float] = []
    speeds: dict[str, list[float]] = {"controller": [], "LLM.generate": []}
    expected = sum(request.tokens for request in requests_of(args.requests))
    with contextlib.ExitStack() as stack:
        sides = {name: stack.enter_context(_side(name, args)) for name in speeds}
        for side in sides.values():
            side(min(args.requests, IN_FLIGHT))  # the first batch of a process is slow
        for _ in range(args.pairs):
            for name, side in sides.items():
                done = side(args.requests)
                if done["tokens"] != expected:
                    raise SystemExit(f"{name} wrote {done['tokens']} tokens of {expected}")
                speeds[name].append(done["tokens"] / done["seconds"])
            ratios.append(speeds["controller"][-1] / speeds["LLM.generate"][-1])
    figures = [
        at_least(
            "controller ÷ LLM.generate, median of the pairs",
            statistics.median(ratios),
            "",
            LEAST_RATIO,
        ),
        Figure("least of the pairs", min(ratios)),
        Figure("greatest of the pairs", max(ratios)),
        *(Figure(name, statistics.median(rates), "tokens/s") for name, rates in speeds.items()),
    ]
    return Result("engine", tuple(figures))


@contextlib.contextmanager
def _side(name: str, args: argparse.Namespace) -> Iterator[Callable[[int], dict[str, float]]]:
    """Start one side's process; yield a function that has it write the first n requests."""
    command = [sys.executable, "-m", "benchmarks.bench_engine", "--side", name, str(args.model)]
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert child.stdin and child.stdout

        def ask(count: int) -> dict[str, float]:
            print(count, file=child.stdin, flush=True)
            answer = child.stdout.readline() if child.stdout else ""
            if not answer:
                errors.seek(0)
                raise SystemExit(f"{name} ended early:\n{errors.read()[-3000:]}")
            figures: dict[str, float] = json.loads(answer)
            return figures

        try:
            yield ask
        finally:
            child.stdin.close()  # both sides exit at the end of their input
            try:
                child.wait(60)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            child.stdout.close()


class BenchmarkStage:
    """A stage of one attempt that writes to the request's length and runs every check."""

    attempts = 1

    def __init__(self) -> None:
        self.prompts = prompts.load(prompts.shipped("pocket"))

    async def attempt(self, item: Item[BenchmarkRequest], ask: Ask) -> Verdict:
        """Accept any text. Checks are called one by one; `Checks` would stop at the cut-off."""
        instruction = item.input.instruction
        user = self.prompts.fill("draft.user", instruction=instruction)
        written = await ask(user, "generator", item.input.sampling)
        details = {
            "ending": checks.ending(written.text),
            "task_talk": checks.task_talk(written.text),
            "language": checks.language(written.text, instruction),
            "repeats": checks.repeats(written.text),
        }
        return Verdict(written.text, written.finish_reason, None, details)


async def _controller(model: Path, orders: IO[str], answers: IO[str]) -> None:
    """Run the requests through the vllm engine, with records on disk."""
    from selflengthen.engines.vllm import VllmEngine

    class Unending(VllmEngine):
        """Writes every text to its full length."""

        def _params(self, request: Request, prompt: list[int]) -> Any:
            params = super()._params(request, prompt)
            params.ignore_eos = True
            return params

    found = loops.looping
    loops.looping = lambda tokens: found(tokens) and False  # a loop is looked for, and goes on
    config = EngineConfig(kind="vllm", in_flight=IN_FLIGHT, context=CONTEXT, dtype="float32")
    engine = await Unending.open(config, model, {}, on_note=lambda line: None)
    try:
        while line := await asyncio.to_thread(orders.readline):
            requests = requests_of(int(line))
            with tempfile.TemporaryDirectory() as work:
                folder = RunFolder(Path(work)).stage(DRAFT, 1)
                folder.begin({})
                began = time.perf_counter()
                executor = StageExecutor(
                    folder, engine=engine, seed=SEED, in_flight=IN_FLIGHT, progress=Silent()
                )
                items = (
                    Item(name, None, request)
                    for name, request in zip(names(len(requests)), requests, strict=True)
                )
                await executor.run(BenchmarkStage(), items)
                seconds = time.perf_counter() - began
                assert folder.count() == len(requests)
            _answer(answers, executor.tokens, seconds)
    finally:
        await engine.close()


def _plain(model: Path, orders: IO[str], answers: IO[str]) -> None:
    """Pass the requests to `LLM.generate` as token ids."""
    # What a user would set by hand; the number of threads is left to vLLM.
    os.environ |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    from vllm import LLM, SamplingParams
    from vllm.inputs import tokens_input
    from vllm.platforms import current_platform

    options = {"dtype": "float32", "enforce_eager": True} if current_platform.is_cpu() else {}
    llm = LLM(
        model=str(model),
        max_model_len=CONTEXT,
        max_num_seqs=IN_FLIGHT,
        enable_prefix_caching=True,
        **options,
    )
    conversation = chat.load(model, CONTEXT)
    fill = prompts.load(prompts.shipped("pocket")).fill
    while line := orders.readline():
        inputs = []
        params = []
        for name, request in zip(names(int(line)), requests_of(int(line)), strict=True):
            user = Message("user", fill("draft.user", instruction=request.instruction))
            inputs.append(tokens_input(conversation.render([user])))
            sampling = dataclasses.asdict(request.sampling)
            del sampling["stop"]
            seed = derive_seed(SEED, name, 1, 0)  # the seed of the controller's request
            params.append(SamplingParams(**sampling, seed=seed, ignore_eos=True))
        began = time.perf_counter()
        outputs = llm.generate(inputs, params, use_tqdm=False)
        seconds = time.perf_counter() - began
        _answer(answers, sum(len(output.outputs[0].token_ids) for output in outputs), seconds)


def _answer(answers: IO[str], tokens: int, seconds: float) -> None:
    print(json.dumps({"tokens": tokens, "seconds": seconds}), file=answers, flush=True)


def serve(name: str, model: str) -> None:
    """Run as one side: read numbers of requests to write, one per line, until the input ends."""
    # Libraries may print to stdout, so it becomes stderr; answers go to a copy of the old stdout.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    path = models.find(model).path
    if name == "controller":
        asyncio.run(_controller(path, sys.stdin, answers))
    else:
        _plain(path, sys.stdin, answers)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pocket", help="the pocket model, or one like it")
    parser.add_argument("--requests", type=int, default=512, help="requests per side and pair")
    parser.add_argument("--pairs", type=int, default=3, help="how often both sides write")
    return parser


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        serve(*sys.argv[2:4])
    else:
        sys.exit(main(parser(), measure))
