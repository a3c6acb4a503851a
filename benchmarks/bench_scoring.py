"""Speed of scoring the length of responses in a file, on one core.

    python -m benchmarks.bench_scoring [--megabytes 40]

A file of responses of 2,000 to 8,000 words, in English and Chinese, is written and scored as the
`score` command does it: read, parsed, counted, summed up. Only CPU time counts, so a busy machine
does little harm. Sizes are the bytes of the file.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import orjson

from benchmarks.bench_checks import chinese, english
from benchmarks.result import Figure, Result, at_least, main
from selflengthen.evaluate.length import BENCHMARKS, score
from selflengthen.evaluate.quality import read_quality
from selflengthen.evaluate.responses import read_rows
from selflengthen.length.requirement import read_requirement

LEAST = 30  # MB/s
_PATTERN = re.compile(r"[\u4e00-\u9fff]|\b[a-zA-Z]+\b")


def rows(megabytes: float) -> Iterator[dict[str, str | int]]:
    """Yield rows with the fields of all benchmarks."""
    rng = random.Random(1)
    size = 0
    while size < megabytes * 1e6:
        is_english = rng.random() < 0.5
        words = rng.randint(2000, 8000)
        response = (english if is_english else chinese)(rng, words)
        size += len(response.encode())
        yield {
            "language": "en" if is_english else "zh",
            "range": "2-4k",
            "type": "about",
            "constraint": f"around {words} words" if is_english else f"大约{words}字",
            "query": f"Write about {words} words."
            if is_english
            else f"请写一篇约{words}字的文章。",
            "length": words,
            "control_method": "at least",
            "length_constraint": words,
            "response": response,
        }


def measure(args: argparse.Namespace) -> Result:
    """Score a file with each benchmark, count its words with a plain pattern, read lengths."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "responses.jsonl")
        with open(file, "wb") as out:
            for row in rows(args.megabytes):
                out.write(orjson.dumps(row) + b"\n")
        size = file.stat().st_size / 1e6
        figures = [
            at_least(f"{name}: scored", size / seconds(benchmark_of(name, file)), "MB/s", LEAST)
            for name in BENCHMARKS
        ]
        responses = list(read_rows(file))
        texts = [row.text("response") for row in responses]
        plain = seconds(lambda: sum(len(_PATTERN.findall(text)) for text in texts))
        figures.append(Figure("a plain pattern: counted alone", size / plain, "MB/s"))
        quality = seconds(lambda: read_quality(responses))
        figures.append(Figure("quality: measured", size / quality, "MB/s"))
    queries = [row.text("query") for row in responses] * 10
    spent = seconds(lambda: [read_requirement(query) for query in queries])
    figures.append(Figure("lengths read from short instructions", len(queries) / spent, "1/s"))
    return Result("scoring", tuple(figures))


def benchmark_of(name: str, file: Path) -> Callable[[], object]:
    """Return a function that scores a file, after a first run."""
    score(BENCHMARKS[name], islice(read_rows(file), 20))  # imports and tables, once per process
    return lambda: score(BENCHMARKS[name], read_rows(file))


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of `work`."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=40, help="size of the responses")
    return parser


if __name__ == "__main__":
    sys.exit(main(parser(), measure))
