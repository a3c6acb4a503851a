"""Time and error of the distances to the 6th neighbour among embeddings.

    python -m benchmarks.bench_neighbours [--rows 25000] [--width 384]

There are two clouds: one of rows around centres, 50 to each, and a hard one of rows along 32
directions with noise, where no row is much nearer than others. The full size is `--rows 100000`.
Exact distances are computed for 500 rows.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.result import Figure, Result, at_most, main
from selflengthen.curate.indicators.neighbours import distances

FULL = 100_000
MOST_SECONDS = 60
NEIGHBOUR = 6
CHECKED = 500  # rows


def measure(args: argparse.Namespace) -> Result:
    """Time both clouds; the target is for the full size."""
    import faiss

    figures = [Figure("rows", args.rows), Figure("threads", faiss.omp_get_max_threads())]
    for name, make in (("around centres", centres), ("hard", hard)):
        vectors = make(args.rows, args.width)
        began = time.perf_counter()
        cpu_began = time.process_time()
        approximate = distances(vectors, NEIGHBOUR)
        seconds = time.perf_counter() - began
        cpu = time.process_time() - cpu_began
        figures.append(
            at_most(f"{name}: wall time", seconds, "s", MOST_SECONDS)
            if args.rows >= FULL
            else Figure(f"{name}: wall time", seconds, "s")
        )
        figures.append(Figure(f"{name}: computed", cpu, "s"))
        right = exact(vectors)
        off = float((approximate[:CHECKED] - right).mean() / right.mean())
        figures.append(Figure(f"{name}: too far by, mean", 100 * off, "%"))
    notes = () if args.rows >= FULL else (f"the targets are for --rows {FULL}",)
    return Result("neighbours", tuple(figures), notes)


def centres(rows: int, width: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    middle = rng.normal(size=(max(1, rows // 50), width))
    cloud = middle[rng.integers(0, len(middle), rows)] + 0.6 * rng.normal(size=(rows, width))
    return cloud.astype(np.float32)


def hard(rows: int, width: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    along = rng.normal(size=(rows, 32)) @ rng.normal(size=(32, width))
    return (along + 0.3 * rng.normal(size=(rows, width))).astype(np.float32)


def exact(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the exact distances of the first `CHECKED` rows, shape (CHECKED,)."""
    scaled = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = np.partition(-(scaled[:CHECKED] @ scaled.T), NEIGHBOUR, axis=1)[:, NEIGHBOUR]
    exact_distances: NDArray[np.float32] = np.sqrt(np.maximum(0, 2 + 2 * similarity))
    return exact_distances


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=25_000, help=f"full size: {FULL}")
    parser.add_argument("--width", type=int, default=384, help="dimensions of an embedding")
    return parser


if __name__ == "__main__":
    sys.exit(main(parser(), measure))
