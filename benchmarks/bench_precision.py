"""bfloat16 relative to float32 on this CPU: tokens per core-second of the engine and the trainer.

    python -m benchmarks.bench_precision [--model FOLDER] [--pairs 3] [--part engine|trainer]

For each type of numbers a process holds the engine (or trains), and only one works at a time: A B,
A B, …; the median of the pairs' ratios counts. A core-second is a second that a core works for the
process and its children, so other work on the machine counts little; waiting threads sleep. The
engine writes `--requests` texts of `--tokens` tokens, all at once; the trainer takes `--steps`
steps of four rows of about `--tokens` tokens. Both are the real ones, as a run uses them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks.result import Figure, Result, main
from selflengthen.inputs import models, processor

TYPES = ("float32", "bfloat16")
PARTS = ("engine", "trainer")


def measure(args: argparse.Namespace) -> Result:
    """Measure both types in turn, for each part."""
    if not processor.has_bfloat16():
        return Result("precision", notes=("skipped: this processor has no bfloat16",))
    model = models.find(args.model)
    figures = [figure for part in args.part or PARTS for figure in _part(part, model.path, args)]
    return Result("precision", tuple(figures))


def _part(part: str, model: Path, args: argparse.Namespace) -> Iterator[Figure]:
    rates: dict[str, list[float]] = {name: [] for name in TYPES}
    with contextlib.ExitStack() as stack:
        sides = {name: stack.enter_context(_side(part, name, model, args)) for name in TYPES}
        for side in sides.values():
            side()  # the first turn of a process is slow
        for _ in range(args.pairs):
            for name, side in sides.items():
                rates[name].append(side())
    ratios = [half / full for full, half in zip(*rates.values(), strict=True)]
    yield Figure(f"{part}: bfloat16 ÷ float32, median of the pairs", statistics.median(ratios))
    yield Figure(f"{part}: least of the pairs", min(ratios))
    yield Figure(f"{part}: greatest of the pairs", max(ratios))
    for name, values in rates.items():
        yield Figure(f"{part}: {name}", statistics.median(values), "tokens/core-s")


@contextlib.contextmanager
def _side(
    part: str, dtype: str, model: Path, args: argparse.Namespace
) -> Iterator[Callable[[], float]]:
    """Start a process; yield a function that has it work once and returns its rate."""
    options = [part, dtype, str(model), str(args.requests), str(args.tokens), str(args.steps)]
    command = [sys.executable, "-m", "benchmarks.bench_precision", "--side", *options]
    environment = os.environ | {"OMP_WAIT_POLICY": "passive"}
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
        assert child.stdin and child.stdout

        def turn() -> float:
            print(file=child.stdin, flush=True)
            answer = child.stdout.readline() if child.stdout else ""
            if not answer:
                errors.seek(0)
                raise SystemExit(f"{part}, {dtype} ended early:\n{errors.read()[-3000:]}")
            return float(json.loads(answer))

        try:
            yield turn
        finally:
            child.stdin.close()
            try:
                child.wait(60)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            child.stdout.close()


async def _engine(dtype: str, model: Path, requests: int, tokens: int, answer: Any) -> None:
    """Write texts of equal length whenever a line comes."""
    from selflengthen.config import EngineConfig
    from selflengthen.engines import loops
    from selflengthen.engines.base import Message, Request, Sampling
    from selflengthen.engines.vllm import VllmEngine

    class Unending(VllmEngine):
        """Writes every text to its full length."""

        def _params(self, request: Request, prompt: list[int]) -> Any:
            params = super()._params(request, prompt)
            params.ignore_eos = True
            return params

    loops.looping = lambda tokens: False  # a loop goes on to the full length
    config = EngineConfig.model_validate(
        {"kind": "vllm", "in_flight": requests, "context": 2048, "dtype": dtype}
    )
    sampling = Sampling(1.0, 1.0, 0, 1.0, tokens)
    message = Message("user", "Write a long story about a lighthouse.")
    engine = await Unending.open(config, model, {}, on_note=lambda line: None)
    try:
        while await asyncio.to_thread(sys.stdin.readline):
            began = _core_seconds()
            written = await asyncio.gather(
                *(
                    engine.complete(Request((message,), "base", sampling, seed))
                    for seed in range(requests)
                )
            )
            answer(sum(each.tokens for each in written) / (_core_seconds() - began))
    finally:
        await engine.close()


def _trainer(dtype: str, model: Path, tokens: int, steps: int, answer: Any) -> None:
    """Train a few steps whenever a line comes."""
    from selflengthen.storage.records import TrainingRow
    from selflengthen.training import guard, sft
    from selflengthen.training.job import TrainingJob

    processor.LEAST_PARAMETERS = 0  # the type is chosen here, whatever the model
    rows = [
        TrainingRow(
            id=str(n),
            prompt=[{"role": "user", "content": f"Count from {n}."}],
            completion=[{"role": "assistant", "content": f"{n} and {n + 1}. " * (tokens // 6)}],
        )
        for n in range(4 * steps)
    ]
    while sys.stdin.readline():
        with tempfile.TemporaryDirectory() as work:
            file = Path(work, "rows.jsonl")
            file.write_text("")
            job = TrainingJob(
                model=str(model),
                rows=str(file),
                output=work,
                seed=0,
                learning_rate=1e-4,
                epochs=1,
                batch=4,
                per_device_batch=4,
                gradient_checkpointing=False,
                bf16=dtype == "bfloat16",
            )
            began = _core_seconds()
            result = sft.run(job, rows, guard.Stop(), time.monotonic())
            answer(result.tokens / (_core_seconds() - began))


def _core_seconds() -> float:
    """Return the seconds that cores have worked for this process and its children."""
    process = psutil.Process()
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def serve(part: str, dtype: str, model: str, requests: str, tokens: str, steps: str) -> None:
    """Work as one side: once per line, until the input ends."""
    # Libraries may print to stdout, so it becomes stderr; answers go to a copy of the old stdout.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(rate: float) -> None:
        print(json.dumps(rate), file=answers, flush=True)

    if part == "engine":
        asyncio.run(_engine(dtype, Path(model), int(requests), int(tokens), answer))
    else:
        _trainer(dtype, Path(model), int(tokens), int(steps), answer)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pocket", help="the pocket model, or another")
    parser.add_argument("--pairs", type=int, default=3, help="how often both types work")
    parser.add_argument("--requests", type=int, default=64, help="texts at once")
    parser.add_argument("--tokens", type=int, default=128, help="of a text, and of a row")
    parser.add_argument("--steps", type=int, default=6, help="of a training")
    parser.add_argument("--part", action="append", choices=PARTS, help="measure this part alone")
    return parser


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        serve(*sys.argv[2:8])
    else:
        sys.exit(main(parser(), measure))
