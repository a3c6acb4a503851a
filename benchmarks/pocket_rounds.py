"""The default run with several seeds: a table, a plot, and a text before and after.

    python -m benchmarks.pocket_rounds --seeds 0 1 2 --out benchmarks/results

Complete runs in --runs are reused.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.result import markdown_table
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_table import HELD_OUT

Status = dict[str, Any]
"""The output of `status --json`; only `base` and `rounds` are used."""

FIGURES = {
    "draft_words": "draft words",
    "expansion_words": "expansion words",
    "acceptance": "accepted",
    "held_out_words": "held-out words",
    "held_out_words_median": "median",
    "held_out_ends": "end",
    "held_out_repeats": "repeat",
}


def main() -> None:
    """Complete the runs and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    folders = [args.runs / f"pocket-seed-{seed}" for seed in args.seeds]
    statuses = [
        _run(folder, seed, args.rounds) for folder, seed in zip(folders, args.seeds, strict=True)
    ]
    args.out.mkdir(parents=True, exist_ok=True)
    results = [
        {"seed": seed, "base": status["base"], "rounds": [_selected(r) for r in status["rounds"]]}
        for seed, status in zip(args.seeds, statuses, strict=True)
    ]
    (args.out / "pocket_rounds.json").write_text(json.dumps(results, indent=1) + "\n")
    text = f"{table(statuses)}\n\n{sample(folders[0], args.rounds)}\n"
    (args.out / "pocket_rounds.md").write_text(text)
    plot(statuses, args.out / "lengths.png")
    print(text)


def _run(folder: Path, seed: int, rounds: int) -> Status:
    """Complete a run and return what `status --json` prints."""
    command = [sys.executable, "-m", "selflengthen"]
    options = ["--iterations", str(rounds), "--seed", str(seed), "--run-dir", str(folder)]
    subprocess.run([*command, "run", *options], check=True)
    process = subprocess.run(
        [*command, "status", str(folder), "--json"], check=True, capture_output=True
    )
    status: Status = json.loads(process.stdout)
    return status


def _selected(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: figures[name] for name in ("round", *FIGURES)}


def table(statuses: Sequence[Status]) -> str:
    """Return a Markdown table of means over the seeds, with the lowest and highest values."""
    head = ["round", *FIGURES.values()]
    base = [s["base"] for s in statuses]
    rows = [["base", "", "", "", *(_spread(base, name) for name in list(FIGURES)[3:])]]
    for same_round in zip(*(s["rounds"] for s in statuses), strict=False):
        number = str(same_round[0]["round"])
        rows.append([number, *(_spread(same_round, name) for name in FIGURES)])
    return markdown_table([head, *rows])


def _spread(figures: Sequence[Mapping[str, float]], name: str) -> str:
    values = [seed[name] for seed in figures]
    form = "{:.0f}" if "words" in name else "{:.1%}"
    mean, low, high = (form.format(f(values)) for f in (statistics.fmean, min, max))
    return mean if low == high else f"{mean} ({low} to {high})"


def sample(folder: Path, rounds: int) -> str:
    """Return the held-out text of median length after the last round, and the base model's text."""
    run = RunFolder(folder)
    before = {r.source: r for r in run.stage(HELD_OUT, 0).records()}
    after = sorted(run.stage(HELD_OUT, rounds).records(), key=lambda r: r.words)
    shown = after[len(after) // 2]
    parts = [("Before", before[shown.source]), ("After", shown)]
    return "\n\n".join(f"{name} ({r.words} words):\n\n{_quoted(r.text)}" for name, r in parts)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def plot(statuses: Sequence[Status], path: Path) -> None:
    """Plot mean held-out words by round, one line per seed, with the expansions of each round."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), dpi=150)
    for number, status in enumerate(statuses):
        rounds = status["rounds"]
        words = [status["base"]["held_out_words"], *(r["held_out_words"] for r in rounds)]
        label = "held-out texts, one line per seed" if number == 0 else None
        axes.plot(range(len(words)), words, marker="o", color="#1f5fa8", alpha=0.8, label=label)
        drafts = [r["draft_words"] for r in rounds]
        expansions = [r["expansion_words"] for r in rounds]
        for at, (low, high) in enumerate(zip(drafts, expansions, strict=True), 1):
            label = "draft → expansion" if number == 0 and at == 1 else None
            place = at - 0.5 + 0.06 * number
            axes.plot([place, place], [low, high], color="#c8641e", linewidth=3, label=label)
    last = len(statuses[0]["rounds"])
    axes.set_xticks(range(last + 1), ["base", *(f"round {n}" for n in range(1, last + 1))])
    axes.set_ylabel("words (mean)")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    main()
