"""Speed of the text checks on one core, compared with a plain set of tuples in the same run.

    python -m benchmarks.bench_checks [--megabytes 20]

Texts of 2,000 to 8,000 words are drawn at random by a Zipf law, so that no check rejects one and
every check reads the whole text. Sizes are in UTF-8 bytes.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import accumulate, islice

from benchmarks.result import Figure, Result, main
from selflengthen.text import checks
from selflengthen.text.measures import tokens

RATIO = 2


def english(rng: random.Random, count: int) -> str:
    """Write paragraphs of English words from Python's own help texts."""
    words = list(islice(_drawn(rng, _vocabulary()), count))
    sentences = [" ".join(words[i : i + 15]).capitalize() + "." for i in range(0, count, 15)]
    return "\n\n".join(" ".join(sentences[i : i + 8]) for i in range(0, len(sentences), 8))


def chinese(rng: random.Random, count: int) -> str:
    """Write paragraphs of the 3,755 most frequent characters of GB 2312."""
    draw = _drawn(rng, _characters())
    sentences = ["".join(islice(draw, 19)) + "。" for _ in range(count // 20)]
    return "\n\n".join("".join(sentences[i : i + 10]) for i in range(0, len(sentences), 10))


@cache
def _characters() -> list[str]:
    places = ((row, cell) for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF))
    return sorted(filter(None, (bytes(place).decode("gb2312", "ignore") for place in places)))


@cache
def _vocabulary() -> list[str]:
    from pydoc_data.topics import topics

    return sorted(set(re.findall(r"\b[a-z]{1,12}\b", " ".join(topics.values()))))


def _drawn(rng: random.Random, vocabulary: list[str]) -> Iterator[str]:
    shuffled = rng.sample(vocabulary, len(vocabulary))
    weights = list(accumulate(1 / (rank + 3) for rank in range(len(shuffled))))
    while True:
        yield from rng.choices(shuffled, cum_weights=weights, k=10_000)


# How to write the texts, their instruction, n of the sliding tuples, and the target in MB/s.
CASES = {
    "english": (english, "Write a long story about a lighthouse.", 10, 30),
    "chinese": (chinese, "写一篇关于秋天的长篇散文。", 13, 12),
}


def sliding(text: str, n: int) -> bool:
    """Look for a repeated n-gram in the simplest way."""
    split = tokens(text)
    seen = set()
    for i in range(len(split) - n + 1):
        gram = tuple(split[i : i + n])
        if gram in seen:
            return True
        seen.add(gram)
    return False


def speeds(texts: Sequence[str], instruction: str, n: int) -> dict[str, float]:
    """Return MB/s of the checks, alone and together, and of the sliding tuples.

    They take turns text by text, and only CPU time counts, so a busy machine does little harm.
    """
    every = checks.Checks()
    timed: dict[str, Callable[[str], object]] = {
        "all checks": lambda t: every.reject(t, "stop", instruction),
        "sliding tuples": lambda t: sliding(t, n),
        "ending": checks.ending,
        "refusal": checks.refusal,
        "task talk": checks.task_talk,
        "assistant talk": checks.assistant_talk,
        "language": lambda t: checks.language(t, instruction),
        "repeats": checks.repeats,
        "exact repeats": lambda t: checks.repeats(t, near=False),
    }
    seconds = dict.fromkeys(timed, 0.0)
    for text in texts:
        for name, function in timed.items():
            start = time.thread_time()
            rejection = function(text)
            seconds[name] += time.thread_time() - start
            if rejection:
                raise SystemExit(f"{name} rejects a text of this benchmark: {rejection}")
    size = sum(len(text.encode()) for text in texts) / 1e6
    return {name: size / spent for name, spent in seconds.items()}


def measure(args: argparse.Namespace) -> Result:
    """Measure both languages; a speed meets its target outright, or as a ratio to the tuples."""
    figures: list[Figure] = []
    for name, (write, instruction, n, least) in CASES.items():
        rng = random.Random(1)
        texts: list[str] = []
        size = 0.0
        while size < args.megabytes * 1e6:
            texts.append(write(rng, rng.randint(2000, 8000)))
            size += len(texts[-1].encode())
        checks.Checks().reject(texts[0], "stop", instruction)  # fills caches
        by_part = speeds(texts, instruction, n)
        together = by_part.pop("all checks")
        ratio = together / by_part["sliding tuples"]
        met = together >= least or ratio >= RATIO
        target = f"≥ {least}, or × {RATIO}"
        figures.append(Figure(f"{name}: all checks", together, "MB/s", target, met))
        figures.append(Figure(f"{name}: all checks ÷ sliding tuples", ratio))
        figures += [Figure(f"{name}: {part}", speed, "MB/s") for part, speed in by_part.items()]
    return Result("checks", tuple(figures))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--megabytes", type=float, default=20, help="size of the texts in each language"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(parser(), measure))
