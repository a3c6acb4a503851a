"""Wall time of `python -m selflengthen --help`, the whole process; the median of several runs.

    python -m benchmarks.bench_help [--runs 15]

A bare interpreter is timed in turn with it, to show how much of the time is Python's own.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import time

from benchmarks.result import Figure, Result, at_most, main

MOST_SECONDS = 0.3


def measure(args: argparse.Namespace) -> Result:
    """Time the help and the bare interpreter in turn."""
    if importlib.util.find_spec("selflengthen.__main__") is None:
        return Result("help", notes=("skipped: selflengthen has no __main__.py",))
    commands = {"help": ["-m", "selflengthen", "--help"], "bare": ["-c", "pass"]}
    for command in commands.values():
        seconds(command)  # compiles modules and fills the page cache
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(args.runs):
        for name, command in commands.items():
            taken[name].append(seconds(command))
    return Result(
        "help",
        (
            at_most("--help, whole process", statistics.median(taken["help"]), "s", MOST_SECONDS),
            Figure("bare interpreter", statistics.median(taken["bare"]), "s"),
        ),
    )


def seconds(arguments: list[str]) -> float:
    """Return the wall time of one run of the interpreter; raise if it fails."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="how often to run each")
    return parser


if __name__ == "__main__":
    sys.exit(main(parser(), measure))
