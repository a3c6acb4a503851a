"""Experiments with the curation methods: trains the pocket model on the rows that they select.

    python -m benchmarks.experiments --work runs/experiments

The pocket model's grammar generates the rows, so it is known which ones are good. Results in --work
are reused.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.experiment_rows import KINDS, TrainingRow, long_rows, mixed_rows, rows_with_lengths
from benchmarks.result import markdown_table
from selflengthen.cli.options import settings
from selflengthen.inputs import models
from selflengthen.training import launch, merge
from selflengthen.training.job import job_of

CONFIG = settings.resolve("pocket", {}, None).config
# A trained copy is not `pocket` by name, so the settings of that preset must be repeated.
AS_POCKET = [
    *("--language", "pocket", "--engine.context", str(CONFIG.engine.context)),
    *(
        word
        for name in ("temperature", "top_p", "top_k", "repetition_penalty", "max_tokens")
        for word in (f"--sampling.{name}", str(getattr(CONFIG.sampling, name)))
    ),
]
INDICATORS = "output_length,mtld,perplexity"
ModelFigures = dict[str, Any]
"""The rows that a model was `tuned` on, and its `overall`, `words`, `ends` and `repeats`."""


def main() -> None:
    """Run all experiments and write their results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--run", type=Path, default=Path("runs/pocket"), help="a finished run")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--draws", type=int, default=2, help="random selections to compare with")
    args = parser.parse_args()
    results: dict[str, Any] = {
        "rules": rules(args.work / "rules"),
        "faithful": faithful(args.work / "faithful", args.draws),
        "longest": longest(args.work / "longest", args.run, args.draws),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "experiments.json").write_text(json.dumps(results, indent=1) + "\n")
    shutil.copy(args.work / "rules" / "best.curve.png", args.out / "loss-over-size.png")
    plot_rule(results["rules"], args.out / "loss-over-perplexity.png")
    plot(results, args.out / "experiments.png")
    for name in ("faithful", "longest"):
        print(f"\n{name}\n\n{table(results[name])}")
    rule = results["rules"]
    print(f"\n{rule['rule']}\n{rule['base']}\n{rule['kept']}\n{rule['curve']}")


def table(figures: list[ModelFigures]) -> str:
    """Return a Markdown table of the models of an experiment."""
    head = ["rows tuned on", "score", "mean words", "end", "repeat"]
    lines = [head]
    for model in figures:
        shares = [f"{model[name]:.0%}" for name in ("ends", "repeats")]
        lines.append([model["tuned"], f"{model['overall']:.3f}", f"{model['words']:.0f}", *shares])
    return markdown_table(lines)


def plot_rule(results: dict[str, Any], path: Path) -> None:
    """Plot the loss after training on a subset against the subset's perplexity."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.4), dpi=150)
    perplexities = [subset["indicators"]["perplexity"] for subset in results["subsets"]]
    losses = [subset["loss"] for subset in results["subsets"]]
    axes.plot(perplexities, losses, "o", color="#1f5fa8")
    axes.axhline(results["base"], color="#888888", linewidth=1)
    axes.annotate(
        "not tuned",
        (min(perplexities), results["base"]),
        (0, 4),
        textcoords="offset points",
        fontsize=9,
    )
    axes.set_xscale("log")
    axes.set_xlabel("perplexity of the subset's responses (mean)")
    axes.set_ylabel("loss after tuning on it")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def plot(results: dict[str, Any], path: Path) -> None:
    """Plot the score after training on faithful rows, and the words after training on long ones."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(9.6, 3.4), dpi=150)
    for axes, name, key, label in (
        (panels[0], "faithful", "overall", "LonGen's score on the pocket benchmark"),
        (panels[1], "longest", "words", "words (mean)"),
    ):
        values = [model[key] for model in results[name]]
        bars = axes.barh(
            [model["tuned"] for model in results[name]], values, color="#1f5fa8", height=0.6
        )
        axes.bar_label(bars, fmt="%.2f" if key == "overall" else "%.0f", padding=3)
        axes.set_xlabel(label)
        axes.margins(x=0.12)
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout(w_pad=3)
    figure.savefig(path)


def rules(work: Path) -> dict[str, Any]:
    """Fit a rule on 24 training subsets, and search for the best number of top-ranked rows.

    The pool has 50 rows of each kind of `KINDS`; the evaluation set has only long, complete texts.
    """
    pool = _written(work / "pool.jsonl", lambda: mixed_rows(random.Random(1), 50))
    evaluation = _written(work / "held-out.jsonl", lambda: long_rows(random.Random(2), 64))
    learning = ["--model", "pocket", "--train.generator.epochs", "2"]
    rule, best = work / "rule.yaml", work / "best.jsonl"
    if not rule.exists():
        _curate(
            *("fit", pool, "--evaluation", evaluation, "--indicators", INDICATORS, "--out", rule),
            *("--language-model", models.POCKET, "--subsets", 24, "--rows", 60, *learning),
        )
    if not best.exists():
        _curate(
            *("search", pool, "--evaluation", evaluation, "--rule", rule, "--out", best),
            *("--language-model", models.POCKET, "--trials", 14, *learning),
        )
    kinds = [json.loads(line)["kind"] for line in best.read_text().splitlines()]
    subsets = sorted((work / "rule.work" / "subsets").glob("*/tuned.json"))
    return {
        "base": _loss_of_base(evaluation),
        "subsets": [json.loads(file.read_text()) for file in subsets],
        "rule": rule.read_text(),
        "curve": json.loads((work / "best.curve.json").read_text()),
        "kept": {kind: kinds.count(kind) for kind in KINDS},
    }


def _loss_of_base(rows: Path) -> float:
    """Return the loss of the untrained model on these rows."""
    from transformers import AutoModelForCausalLM

    from selflengthen.curate.indicators.losses import Evaluation

    job = job_of(
        CONFIG.train,
        model=str(models.POCKET),
        rows=rows,
        output=rows.parent,
        start_from=None,
        seed=0,
        learning_rate=0,
        epochs=0,
    )
    model = AutoModelForCausalLM.from_pretrained(
        models.POCKET, dtype="float32", trust_remote_code=False
    )
    return Evaluation(rows, job).loss_of(model).loss


def faithful(work: Path, draws: int) -> list[ModelFigures]:
    """Train on rows that have the length they ask for, and on as many random rows; then anneal."""
    pool = _written(work / "pool.jsonl", lambda: rows_with_lengths(random.Random(3), 240))
    selected = work / "faithful.jsonl"
    if not selected.exists():
        _curate("faithful", pool, "--out", selected)
    count = len(selected.read_text().splitlines())
    tuned = {"base": models.POCKET, "all rows": _tuned(work / "all", pool)}
    tuned["faithful rows"] = _tuned(work / "faithful", selected)
    for number in range(1, draws + 1):
        drawn = _written(work / f"random-{number}.jsonl", partial(_sampled, pool, count, number))
        tuned[f"as many at random, {number}"] = _tuned(work / f"random-{number}", drawn)
    for name, rows in (("faithful ones", selected), ("some at random", work / "random-1.jsonl")):
        tuned[f"all rows, then {name}"] = _tuned(
            work / f"annealed-{rows.stem}", rows, start_from=work / "all" / "adapter", share=0.2
        )
    return _evaluated(tuned)


def longest(work: Path, run: Path, draws: int) -> list[ModelFigures]:
    """Train on the 60 longest texts of a run's three rounds, and on 60 random ones."""
    texts = [run / "rounds" / f"{n:02}" / "4-dataset" / "generator.jsonl" for n in (1, 2, 3)]
    pool = _written(
        work / "pool.jsonl",
        lambda: [json.loads(line) for path in texts for line in path.read_text().splitlines()],
    )
    selected = work / "longest.jsonl"
    if not selected.exists():
        _curate("longest", pool, "--k", 60, "--out", selected)
    tuned = {"base": models.POCKET, "60 longest rows": _tuned(work / "longest", selected)}
    for number in range(1, draws + 1):
        drawn = _written(work / f"random-{number}.jsonl", partial(_sampled, pool, 60, number))
        tuned[f"60 rows at random, {number}"] = _tuned(work / f"random-{number}", drawn)
    return _evaluated(tuned)


def _sampled(pool: Path, count: int, seed: int) -> list[TrainingRow]:
    rows = [json.loads(line) for line in pool.read_text().splitlines()]
    return random.Random(seed).sample(rows, count)


def _written(path: Path, rows: Callable[[], Iterable[TrainingRow]]) -> Path:
    """Write the rows to a file unless it exists; return its path."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    return path


def _curate(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "selflengthen", "curate", *map(str, words)], check=True)


def _tuned(work: Path, rows: Path, start_from: Path | None = None, share: float = 1.0) -> Path:
    """Train the pocket model as `finish` does, at a `share` of its rate; return the model."""
    merged = work / "merged"
    if not merged.exists():
        work.mkdir(parents=True, exist_ok=True)
        job = job_of(
            CONFIG.train,
            model=str(models.POCKET),
            rows=rows,
            output=work / "adapter",
            start_from=start_from,
            seed=0,
            epochs=CONFIG.finish.epochs if share == 1.0 else 1,
            learning_rate=share * CONFIG.finish.learning_rate,
        )
        log = work / "log"
        asyncio.run(launch.train(job, log=log, on_step=lambda step: None))
        asyncio.run(merge.merge(models.POCKET, work / "adapter", merged, log, CONFIG.sampling))
    return merged


def _evaluated(tuned: dict[str, Path]) -> list[ModelFigures]:
    """Evaluate each model on the pocket benchmark."""
    return [{"tuned": name, **_scores(folder)} for name, folder in tuned.items()]


def _scores(model: Path) -> ModelFigures:
    process = subprocess.run(
        [
            *(sys.executable, "-m", "selflengthen", "evaluate", str(model)),
            *("--benchmark", "pocket", "--json", *AS_POCKET),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    figures: dict[str, Any] = json.loads(process.stdout)["models"][0]
    variety = {name: figures["variety"][name] for name in ("ends", "repeats")}
    return {"overall": figures["overall"], "words": figures["words"]["mean"], **variety}


if __name__ == "__main__":
    main()
