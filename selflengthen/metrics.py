"""What a round is measured by, from its files alone."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from selflengthen.config import HeldOutConfig
from selflengthen.files import read_sealed, write_sealed
from selflengthen.marks import Metrics, check_figures
from selflengthen.records import Record
from selflengthen.store import STAGES, RunFolder, StageFolder
from selflengthen.text import distinct, gzip_ratio, has_repeat, repetition

_VARIETY: dict[str, Callable[[str], float]] = {
    "repeats": has_repeat,
    "rep_4": partial(repetition, n=4),
    "distinct_2": partial(distinct, n=2),
    "distinct_3": partial(distinct, n=3),
    "gzip_ratio": gzip_ratio,
}


def summary(folder: StageFolder, items: int, seconds: float, tokens: int) -> dict[str, Any]:
    """Return what DONE.json says of a stage of texts.

    `seconds` and `tokens` are those of the start that finished it; a stage that was interrupted
    has more tokens on file.
    """
    # A stage's texts may not fit into memory together.
    words, dropped = [], Counter[str]()
    for record in folder.records(dropped=True):
        words.append(record.words)
        dropped.update([record.dropped] if record.dropped else [])
    reasons = Counter(refusal.reason for refusal in folder.refusals())
    return {
        "items": items,
        "accepted": len(words),
        "dropped": dict(dropped),
        "refusals": dict(reasons.most_common()),
        "words": spread(words),
        "seconds": round(seconds, 2),
        "tokens": tokens,
        "tokens_per_second": round(tokens / seconds, 1) if seconds else None,
    }


def spread(values: Sequence[int]) -> dict[str, float]:
    """Return mean, median and 90th percentile; zeros for nothing."""
    if not values:
        return {"mean": 0.0, "median": 0.0, "p90": 0.0}
    ordered = sorted(values)
    return {
        "mean": round(statistics.fmean(ordered), 1),
        "median": round(statistics.median(ordered), 1),
        "p90": float(ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]),
    }


def quality(records: Iterable[Record]) -> dict[str, Any]:
    """Return lengths, the shares that end by themselves and that repeat a 10-gram, and variety."""
    # A stage's texts may not fit into memory together.
    found = [(r.words, r.finish_reason == "stop", _measured(r.text)) for r in records]
    return {
        "texts": len(found),
        "words": spread([words for words, _, _ in found]),
        "ends": mean(ends for _, ends, _ in found),
        **_means([measured for _, _, measured in found]),
    }


def variety(texts: Iterable[str]) -> dict[str, float]:
    """Return the share of texts that repeat a 10-gram, and the mean variety; zeros for nothing."""
    return _means([_measured(text) for text in texts])


def _means(measured: Sequence[tuple[float, ...]]) -> dict[str, float]:
    return {name: mean(each[i] for each in measured) for i, name in enumerate(_VARIETY)}


def _measured(text: str) -> tuple[float, ...]:
    return tuple(measure(text) for measure in _VARIETY.values())


def of_round(run: RunFolder, number: int) -> dict[str, Any]:
    """Return the metrics of a finished round."""
    stages = _stages(run, number)
    expand = stages["expand"]
    return {
        "round": number,
        "acceptance": round(expand["accepted"] / max(1, expand["items"]), 4),
        "drafts": quality(run.stage(number, "2-draft").records(dropped=True)),
        "expansions": quality(run.stage(number, "3-expand").records(dropped=True)),
        "held_out": quality(run.stage(number, "6-held-out").records()),
        "stages": {
            name: {k: v for k, v in done.items() if k not in ("key", "version", "files")}
            for name, done in stages.items()
        },
    }


def on_file(run: RunFolder, number: int) -> dict[str, Any] | None:
    """Return the metrics of a finished round as they were written, if they are those of its files.

    Reading them costs nothing; making them reads and measures every text of the round. Raises
    DamagedFile where they were changed since.
    """
    path, remedy = run.metrics(number), "remove the file, and `run` makes it again"
    figures = read_sealed(path, remedy)
    if figures is None:
        return None
    check_figures(path, figures, Metrics, remedy)
    made_of = {name: stage.get("digest") for name, stage in figures["stages"].items()}
    now = {name: done.get("digest") for name, done in _stages(run, number).items()}
    return figures if made_of == now else None


def write(run: RunFolder, number: int, figures: dict[str, Any]) -> None:
    """Write the metrics of a round."""
    write_sealed(run.metrics(number), figures)


def stop_reason(held_out: dict[str, Any], config: HeldOutConfig) -> str | None:
    """Say why no further round should be made after held-out texts of this quality, or None."""
    if not held_out["texts"]:
        return None
    if held_out["ends"] < config.min_ends:
        return (
            f"only {held_out['ends']:.0%} of the held-out texts end by themselves "
            f"(held_out.min_ends is {config.min_ends:.0%})"
        )
    if held_out["repeats"] > config.max_repeats:
        return (
            f"{held_out['repeats']:.0%} of the held-out texts repeat themselves "
            f"(held_out.max_repeats is {config.max_repeats:.0%})"
        )
    return None


def _stages(run: RunFolder, number: int) -> dict[str, dict[str, Any]]:
    """Return the DONE.json of every stage of a round, by name; empty for what is not done."""
    folders = {name.split("-", 1)[1]: name for name in STAGES if name != "5-train"}
    if not run.stage(number, "4b-curate").done():  # only where rows are chosen
        del folders["curate"]
    folders |= {f"train {role}": f"5-train/{role}" for role in ("generator", "expander")}
    return {name: run.stage(number, folder).done() or {} for name, folder in folders.items()}


def mean(values: Iterable[float]) -> float:
    """Return the mean to four places; 0 for nothing."""
    listed = list(values)
    return round(statistics.fmean(listed), 4) if listed else 0.0
