"""What the methods of curation do, on the pocket model: real tunings, compared.

    python -m benchmarks.experiments --work runs/experiments

Rows are made by the pocket model's grammar, so that what is good in them is known. What is done
already in --work is not done again.
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
from pathlib import Path
from typing import Any

from selflengthen.cli.options import settings
from selflengthen.inputs import models, prompts
from selflengthen.length.mentions import KINDS as DEMANDS
from selflengthen.length.phrasing import append_requirement, draw_requirement
from selflengthen.pocket.language import Story, Text, render
from selflengthen.training import launch, merge
from selflengthen.training.job import job_of

PROMPTS = prompts.load(prompts.shipped("pocket"))
CONFIG = settings.resolve("pocket", {}, None).config
# An evaluated model is none of ours by name: what the preset `pocket` says must be said again.
AS_POCKET = [
    *("--language", "pocket", "--engine.context", str(CONFIG.engine.context)),
    *(
        word
        for name in ("temperature", "top_p", "top_k", "repetition_penalty", "max_tokens")
        for word in (f"--sampling.{name}", str(getattr(CONFIG.sampling, name)))
    ),
]
INDICATORS = "output_length,mtld,perplexity"
Row = dict[str, Any]


def main() -> None:
    """Do all experiments and write what they showed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--run", type=Path, default=Path("runs/pocket"), help="a finished run")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--draws", type=int, default=2, help="random choices to compare with")
    asked = parser.parse_args()
    found = {
        "rules": rules(asked.work / "rules"),
        "faithful": faithful(asked.work / "faithful", asked.draws),
        "longest": longest(asked.work / "longest", asked.run, asked.draws),
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "experiments.json").write_text(json.dumps(found, indent=1) + "\n")
    shutil.copy(asked.work / "rules" / "best.curve.png", asked.out / "loss-over-size.png")
    plot_rule(found["rules"], asked.out / "loss-over-perplexity.png")
    plot(found, asked.out / "experiments.png")
    for name in ("faithful", "longest"):
        print(f"\n{name}\n\n{table(found[name])}")
    rule = found["rules"]
    print(f"\n{rule['rule']}\n{rule['base']}\n{rule['kept']}\n{rule['curve']}")


def table(made: list[Row]) -> str:
    """Return a Markdown table of the models of an experiment."""
    head = ["rows tuned on", "score", "mean words", "end", "repeat"]
    lines = [head, ["---"] * len(head)]
    for m in made:
        shares = [f"{m[name]:.0%}" for name in ("ends", "repeats")]
        lines.append([m["tuned"], f"{m['overall']:.3f}", f"{m['words']:.0f}", *shares])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plot_rule(found: dict[str, Any], path: Path) -> None:
    """Draw the loss after tuning on a subset over the subset's perplexity."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.4), dpi=150)
    perplexities = [subset["indicators"]["perplexity"] for subset in found["subsets"]]
    losses = [subset["loss"] for subset in found["subsets"]]
    axes.plot(perplexities, losses, "o", color="#1f5fa8")
    axes.axhline(found["base"], color="#888888", linewidth=1)
    axes.annotate("not tuned", (min(perplexities), found["base"]), (0, 4),
                  textcoords="offset points", fontsize=9)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("perplexity of the subset's responses (mean)")
    axes.set_ylabel("loss after tuning on it")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def plot(found: dict[str, Any], path: Path) -> None:
    """Draw the score after tuning on faithful rows, and the words after tuning on long ones."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, sides = pyplot.subplots(1, 2, figsize=(9.6, 3.4), dpi=150)
    for axes, name, key, label in (
        (sides[0], "faithful", "overall", "LonGen's score on the pocket benchmark"),
        (sides[1], "longest", "words", "words (mean)"),
    ):
        values = [m[key] for m in found[name]]
        bars = axes.barh([m["tuned"] for m in found[name]], values, color="#1f5fa8", height=0.6)
        axes.bar_label(bars, fmt="%.2f" if key == "overall" else "%.0f", padding=3)
        axes.set_xlabel(label)
        axes.margins(x=0.12)
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout(w_pad=3)
    figure.savefig(path)


def rules(work: Path) -> dict[str, Any]:
    """Fit a rule on 24 tuned subsets, and search how many of the best rows to take.

    The pool has 50 rows of each kind of `KINDS`; the evaluation set has only whole, long ones.
    """
    pool = _written(work / "pool.jsonl", lambda: _pool(random.Random(1), 50))
    held = _written(work / "held-out.jsonl", lambda: _whole_ones(random.Random(2), 64))
    learning = ["--model", "pocket", "--train.generator.epochs", "2"]
    rule, best = work / "rule.yaml", work / "best.jsonl"
    if not rule.exists():
        _curate(
            *("fit", pool, "--evaluation", held, "--indicators", INDICATORS, "--out", rule),
            *("--language-model", models.POCKET, "--subsets", 24, "--rows", 60, *learning),
        )
    if not best.exists():
        _curate(
            *("search", pool, "--evaluation", held, "--rule", rule, "--out", best),
            *("--language-model", models.POCKET, "--trials", 14, *learning),
        )
    kinds = [json.loads(line)["kind"] for line in best.read_text().splitlines()]
    made = sorted((work / "rule.work" / "subsets").glob("*/tuned.json"))
    return {
        "base": _loss_of_base(held),
        "subsets": [json.loads(file.read_text()) for file in made],
        "rule": rule.read_text(),
        "curve": json.loads((work / "best.curve.json").read_text()),
        "kept": {kind: kinds.count(kind) for kind in KINDS},
    }


def _loss_of_base(rows: Path) -> float:
    """Return the loss of the model that nothing was tuned on."""
    from transformers import AutoModelForCausalLM

    from selflengthen.curate.indicators.losses import Evaluation

    job = job_of(
        CONFIG.train, model=str(models.POCKET), rows=rows, output=rows.parent, start_from=None,
        seed=0, learning_rate=0, epochs=0,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(models.POCKET, dtype="float32")
    return Evaluation(rows, job).loss_of(model).loss


def faithful(work: Path, draws: int) -> list[Row]:
    """Tune on rows that keep the length they ask for, and on as many at random; then anneal."""
    pool = _written(work / "pool.jsonl", lambda: _demanding(random.Random(3), 240))
    kept = work / "faithful.jsonl"
    if not kept.exists():
        _curate("faithful", pool, "--out", kept)
    count = len(kept.read_text().splitlines())
    made = {"base": models.POCKET, "all rows": _tuned(work / "all", pool)}
    made["faithful rows"] = _tuned(work / "faithful", kept)
    for number in range(1, draws + 1):
        drawn = _written(work / f"random-{number}.jsonl", lambda n=number: _some(pool, count, n))
        made[f"as many at random, {number}"] = _tuned(work / f"random-{number}", drawn)
    for name, rows in (("faithful ones", kept), ("some at random", work / "random-1.jsonl")):
        made[f"all rows, then {name}"] = _tuned(
            work / f"annealed-{rows.stem}", rows, start_from=work / "all" / "adapter", share=0.2
        )
    return _evaluated(made)


def longest(work: Path, run: Path, draws: int) -> list[Row]:
    """Tune on the 60 longest texts of a run's three rounds, and on 60 at random."""
    texts = [run / "rounds" / f"{n:02}" / "4-dataset" / "generator.jsonl" for n in (1, 2, 3)]
    pool = _written(
        work / "pool.jsonl",
        lambda: [json.loads(line) for path in texts for line in path.read_text().splitlines()],
    )
    kept = work / "longest.jsonl"
    if not kept.exists():
        _curate("longest", pool, "--k", 60, "--out", kept)
    made = {"base": models.POCKET, "60 longest rows": _tuned(work / "longest", kept)}
    for number in range(1, draws + 1):
        drawn = _written(work / f"random-{number}.jsonl", lambda n=number: _some(pool, 60, n))
        made[f"60 rows at random, {number}"] = _tuned(work / f"random-{number}", drawn)
    return _evaluated(made)


def _pool(rng: random.Random, each: int) -> Iterable[Row]:
    """Yield rows of every kind, in an order left to chance."""
    rows = []
    for kind, spoil in KINDS.items():
        for number in range(each):
            story = Story(rng)
            rows.append(_row(f"{kind}-{number}", story.request(), spoil(story, rng), kind=kind))
    rng.shuffle(rows)
    return rows


def _whole_ones(rng: random.Random, count: int) -> Iterable[Row]:
    stories = [Story(rng) for _ in range(count)]
    return [_row(str(n), s.request(), render(_grown(s, 2))) for n, s in enumerate(stories)]


def _grown(story: Story, times: int) -> Text:
    text = story.text([1] * story.rng.choice([3, 3, 4]))
    for _ in range(times):
        text = story.longer(text)
    return text


def _cut(story: Story, rng: random.Random) -> str:
    words = render(_grown(story, 2)).split(" ")
    return " ".join(words[: rng.randint(len(words) // 3, len(words) - 3)])


def _said_again(story: Story, _: random.Random) -> str:
    text = _grown(story, 1)
    return render([*text[:-1], *text[:-1], *text[-1:]])


def _shuffled(story: Story, rng: random.Random) -> str:
    words = render(_grown(story, 2)).split(" ")
    return " ".join(rng.sample(words, len(words)))


KINDS: dict[str, Callable[[Story, random.Random], str]] = {
    "long": lambda story, rng: render(_grown(story, 2)),
    "short": lambda story, rng: render(_grown(story, 0)),
    "of another request": lambda story, rng: render(_grown(Story(rng), 2)),
    "cut off": _cut,
    "said twice": _said_again,
    "words shuffled": _shuffled,
}


def _demanding(rng: random.Random, count: int) -> Iterable[Row]:
    """Yield rows that ask for a length: a third of the texts are meant to keep it."""
    for number in range(count):
        story = Story(rng)
        text = render(_grown(story, number % 4))
        keeps = rng.random() < 1 / 3
        words = len(text.split()) if keeps else rng.randint(50, 400)
        demand = draw(words, "pocket", dict.fromkeys(DEMANDS, 1.0), rng)
        woven = weave(story.request(), demand, "pocket", False, rng)
        if woven:
            yield _row(str(number), woven.text, text)


def _some(pool: Path, count: int, seed: int) -> Iterable[Row]:
    rows = [json.loads(line) for line in pool.read_text().splitlines()]
    return random.Random(seed).sample(rows, count)


def _row(name: str, request: str, text: str, **more: str) -> Row:
    prompt = PROMPTS.fill("draft.user", instruction=request)
    return {
        "id": name, **more,
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": text}],
    }  # fmt: skip


def _written(path: Path, rows: Callable[[], Iterable[Row]]) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    return path


def _curate(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "selflengthen", "curate", *map(str, words)], check=True)


def _tuned(work: Path, rows: Path, start_from: Path | None = None, share: float = 1.0) -> Path:
    """Tune the pocket model as `finish` does, at a `share` of its rate; return the merged model."""
    merged = work / "merged"
    if not merged.exists():
        work.mkdir(parents=True, exist_ok=True)
        job = job_of(
            CONFIG.train, model=str(models.POCKET), rows=rows, output=work / "adapter",
            start_from=start_from, seed=0, epochs=CONFIG.finish.epochs if share == 1.0 else 1,
            learning_rate=share * CONFIG.finish.learning_rate,
        )  # fmt: skip
        log = work / "log"
        asyncio.run(launch.train(job, log=log, on_step=lambda step: None))
        asyncio.run(merge.merge(models.POCKET, work / "adapter", merged, log))
    return merged


def _evaluated(made: dict[str, Path]) -> list[Row]:
    """Let each model answer the pocket benchmark."""
    return [{"tuned": name, **_scores(folder)} for name, folder in made.items()]


def _scores(model: Path) -> Row:
    said = subprocess.run(
        [
            *(sys.executable, "-m", "selflengthen", "evaluate", str(model)),
            *("--benchmark", "pocket", "--json", *AS_POCKET),
        ],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    figures: Row = json.loads(said.stdout)["models"][0]
    variety = {name: figures["variety"][name] for name in ("ends", "repeats")}
    return {"overall": figures["overall"], "words": figures["words"]["mean"], **variety}


if __name__ == "__main__":
    main()
