"""How long help takes: `python -m benchmarks.bench_help`. The bound is 0.3 s for `--help`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

STARTS = 10
COMMANDS = ("-c pass", "-m selflengthen --help", "-m selflengthen run --help")


def main() -> None:
    print(f"{'python …':<30} {'median s':>9} {'fastest s':>9}   of {STARTS} starts")
    for command in COMMANDS:
        seconds = [start(command.split()) for _ in range(STARTS)]
        print(f"{command:<30} {statistics.median(seconds):>9.3f} {min(seconds):>9.3f}")


def start(words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
