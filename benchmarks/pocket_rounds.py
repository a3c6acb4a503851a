"""The default run over several seeds: its table, its plot, and a text before and after.

    python -m benchmarks.pocket_rounds --seeds 0 1 2 --out benchmarks/results

A run that is complete in --runs is read, not made again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_table import HELD_OUT

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
    """Make the runs that are not there, and write what they show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    asked = parser.parse_args()
    folders = [asked.runs / f"pocket-seed-{seed}" for seed in asked.seeds]
    standings = [
        _run(folder, seed, asked.rounds) for folder, seed in zip(folders, asked.seeds, strict=True)
    ]
    asked.out.mkdir(parents=True, exist_ok=True)
    kept = [
        {"seed": seed, "base": s["base"], "rounds": [_kept(r) for r in s["rounds"]]}
        for seed, s in zip(asked.seeds, standings, strict=True)
    ]
    (asked.out / "pocket_rounds.json").write_text(json.dumps(kept, indent=1) + "\n")
    text = f"{table(standings)}\n\n{sample(folders[0], asked.rounds)}\n"
    (asked.out / "pocket_rounds.md").write_text(text)
    plot(standings, asked.out / "lengths.png")
    print(text)


def _run(folder: Path, seed: int, rounds: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "selflengthen"]
    options = ["--iterations", str(rounds), "--seed", str(seed), "--run-dir", str(folder)]
    subprocess.run([*command, "run", *options], check=True)
    said = subprocess.run(
        [*command, "status", str(folder), "--json"], check=True, capture_output=True
    )
    standing: dict[str, Any] = json.loads(said.stdout)
    return standing


def _kept(made: dict[str, Any]) -> dict[str, Any]:
    return {name: made[name] for name in ("round", *FIGURES)}


def table(standings: Sequence[dict[str, Any]]) -> str:
    """Return a Markdown table of means over the seeds, each with the lowest and the highest."""
    head = ["round", *FIGURES.values()]
    base = [s["base"] for s in standings]
    rows = [["base", "", "", "", *(_spread(base, name) for name in list(FIGURES)[3:])]]
    for made in zip(*(s["rounds"] for s in standings), strict=False):
        rows.append([str(made[0]["round"]), *(_spread(made, name) for name in FIGURES)])
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _spread(made: Sequence[dict[str, Any]], name: str) -> str:
    values = [m[name] for m in made]
    form = "{:.0f}" if "words" in name else "{:.1%}"
    mean, low, high = (form.format(f(values)) for f in (statistics.fmean, min, max))
    return mean if low == high else f"{mean} ({low} to {high})"


def sample(folder: Path, rounds: int) -> str:
    """Return the held-out text of median length after the last round, and the base model's."""
    run = RunFolder(folder)
    before = {r.source: r for r in run.stage(HELD_OUT, 0).records()}
    after = sorted(run.stage(HELD_OUT, rounds).records(), key=lambda r: r.words)
    shown = after[len(after) // 2]
    parts = [("Before", before[shown.source]), ("After", shown)]
    return "\n\n".join(f"{name} ({r.words} words):\n\n{_quoted(r.text)}" for name, r in parts)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def plot(standings: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw mean held-out words by round, a line a seed, with the expansions they learnt from."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), dpi=150)
    for number, standing in enumerate(standings):
        rounds = standing["rounds"]
        words = [standing["base"]["held_out_words"], *(r["held_out_words"] for r in rounds)]
        label = "held-out texts, a line a seed" if number == 0 else None
        axes.plot(range(len(words)), words, marker="o", color="#1f5fa8", alpha=0.8, label=label)
        drafts = [r["draft_words"] for r in rounds]
        expansions = [r["expansion_words"] for r in rounds]
        for at, (low, high) in enumerate(zip(drafts, expansions, strict=True), 1):
            label = "draft → expansion" if number == 0 and at == 1 else None
            place = at - 0.5 + 0.06 * number
            axes.plot([place, place], [low, high], color="#c8641e", linewidth=3, label=label)
    last = len(standings[0]["rounds"])
    axes.set_xticks(range(last + 1), ["base", *(f"round {n}" for n in range(1, last + 1))])
    axes.set_ylabel("words (mean)")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    main()
