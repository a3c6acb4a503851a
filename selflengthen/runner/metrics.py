"""What a round is measured by, from its files alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from selflengthen.config import HeldOutConfig
from selflengthen.storage.atomic import read_sealed, write_sealed
from selflengthen.storage.records import Record
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import Metrics, check_figures
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import (
    CURATE,
    DRAFT,
    EXPAND,
    HELD_OUT,
    ROLES,
    ROUND_STAGES,
    STRATEGY,
    TRAIN,
)
from selflengthen.text.statistics import mean, mean_variety, spread, text_variety


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
    reasons = Counter(rejection.reason for rejection in folder.rejections())
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


def quality(records: Iterable[Record]) -> dict[str, Any]:
    """Return lengths, the shares that end by themselves and that repeat a 10-gram, and variety."""
    # A stage's texts may not fit into memory together.
    found = [(r.words, r.finish_reason == "stop", text_variety(r.text)) for r in records]
    return {
        "texts": len(found),
        "words": spread([words for words, _, _ in found]),
        "ends": mean(ends for _, ends, _ in found),
        **mean_variety([measured for _, _, measured in found]),
    }


def of_round(run: RunFolder, number: int) -> dict[str, Any]:
    """Return the metrics of a finished round."""
    stages = _stages(run, number)
    expand = stages["expand"]
    return {
        "round": number,
        "acceptance": round(expand["accepted"] / max(1, expand["items"]), 4),
        "drafts": quality(run.stage(DRAFT, number).records(dropped=True)),
        "expansions": quality(run.stage(EXPAND, number).records(dropped=True)),
        "held_out": quality(run.stage(HELD_OUT, number).records()),
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
    """Return the DONE.json of every stage of a round, by title; empty for what is not done.

    Stages that only some rounds have, such as the one that chooses rows, are left out of others.
    """
    stages = {
        spec.title: done or {}
        for spec in ROUND_STAGES
        if spec is not TRAIN
        and ((done := run.stage(spec, number).done()) is not None or spec not in (STRATEGY, CURATE))
    }
    trainings = {role: run.stage(TRAIN, number, role).done() for role in ROLES}
    return stages | {f"{TRAIN.title} {role}": done or {} for role, done in trainings.items()}
