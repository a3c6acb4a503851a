"""Time and memory of curating a large JSONL file.

    python -m benchmarks.bench_curate [--rows 20000] [--words 225]

It first generates a set. Each row has an instruction, which asks for a length in every second row,
and a response of half to one and a half times `--words` words; one row in ten has curly quotes and
accents, one in a hundred is an exact duplicate. The full size, `--rows 1000000`, has about 2 GB.
Each method then runs as a complete `curate` command in a separate process, output included.
The set is in the page cache.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.bench_checks import english
from benchmarks.memory import peak_memory
from benchmarks.result import Figure, Result, at_most, main
from selflengthen.storage.atomic import rewrite

FULL = 1_000_000
MOST_SECONDS = 90
MOST_MEGABYTES = 1500


def measure(args: argparse.Namespace) -> Result:
    """Generate the set and time each method on it; the targets are for the full size."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        data = Path(work, "set.jsonl")
        rewrite(data, rows(args.rows, args.words))
        size = data.stat().st_size / 1e6
        figures.append(Figure("rows", args.rows))
        figures.append(Figure("set on disk", size, "MB"))
        methods = {"longest": ["--k", str(max(1, args.rows // 100))], "faithful": []}
        for method, options in methods.items():
            usage = timed([method, str(data), *options, "--out", str(data.with_name(method))])
            seconds = usage["seconds"]
            full = args.rows >= FULL
            figures.append(
                _figure(f"{method}: wall time", seconds, "s", MOST_SECONDS if full else None)
            )
            figures.append(Figure(f"{method}: of it, computed", usage["cpu"], "s"))
            figures.append(Figure(f"{method}: read", size / seconds, "MB/s"))
            figures.append(
                _figure(
                    f"{method}: peak memory",
                    usage["megabytes"],
                    "MB",
                    MOST_MEGABYTES if full else None,
                )
            )
    notes = () if args.rows >= FULL else (f"the targets are for --rows {FULL}",)
    return Result("curate", tuple(figures), notes)


def _figure(label: str, value: float, unit: str, most: float | None) -> Figure:
    return Figure(label, value, unit) if most is None else at_most(label, value, unit, most)


def rows(count: int, words: int) -> Iterator[bytes]:
    """Yield lines; the texts are slices of a few long ones, which is fast."""
    rng = random.Random(0)
    texts = [english(rng, 20 * words).split(" ") for _ in range(20)]
    encode = msgspec.json.Encoder().encode
    line = b""
    for number in range(count):
        if not line or number % 100:
            text = rng.choice(texts)
            length = rng.randint(words // 2, words * 3 // 2)
            start = rng.randrange(len(text) - length)
            response = " ".join(text[start : start + length])
            if number % 10 == 0:
                response = f"“{response}” — café"
            requirement = (
                f" Write {rng.randint(words // 2, words * 3 // 2)} words." if number % 2 else ""
            )
            prompt = f"Tell of {' '.join(text[:8])}.{requirement}"
            line = encode({"prompt": prompt, "response": response, "source": "made"}) + b"\n"
        yield line


def timed(words: list[str]) -> dict[str, float]:
    """Run `curate` in a separate process; return wall and CPU seconds, and peak memory in MB."""
    start = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_curate", "--child", json.dumps(words)],
        check=True,
        stdout=subprocess.PIPE,
    )
    seconds = time.monotonic() - start
    usage: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return usage | {"seconds": seconds}


def child(words: list[str]) -> int:
    """Run `curate` in this process and print its CPU time and peak memory."""
    from selflengthen.cli import main as command

    out = Path(words[-1])
    code = command(["curate", *words[:-1], str(out.with_suffix(".jsonl"))])
    print(json.dumps({"cpu": time.process_time(), "megabytes": peak_memory() / 1e6}))
    return code


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000, help=f"full size: {FULL}")
    parser.add_argument("--words", type=int, default=225, help="mean words of a response")
    parser.add_argument("--work", type=Path, help="folder for the set; by default a temporary one")
    return parser


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.exit(child(json.loads(sys.argv[2])))
    sys.exit(main(parser(), measure))
