"""The metrics of a round, computed from its files alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from selflengthen.config import HeldOutConfig
from selflengthen.storage.atomic import write_sealed
from selflengthen.storage.figures import RoundMetrics, TextQuality, read_metrics
from selflengthen.storage.records import Record
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import Done, Spread, TextsDone
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


def texts_done(
    folder: StageFolder, digest: str, *, items: int, seconds: float, tokens: int
) -> TextsDone:
    """Return the DONE.json of a settled stage of texts with this digest.

    `seconds` and `tokens` are those of the start that finished it; a stage that was interrupted
    has more tokens on file.
    """
    # A stage's texts may not fit into memory together.
    words, dropped = [], Counter[str]()
    for record in folder.records(dropped=True):
        words.append(record.words)
        dropped.update([record.dropped] if record.dropped else [])
    reasons = Counter(rejection.reason for rejection in folder.rejections())
    return TextsDone(
        key=folder.key(),
        digest=digest,
        items=items,
        accepted=len(words),
        dropped=dict(dropped),
        refusals=dict(reasons.most_common()),
        words=Spread(**spread(words)),
        seconds=round(seconds, 2),
        tokens=tokens,
        tokens_per_second=round(tokens / seconds, 1) if seconds else None,
    )


def quality(records: Iterable[Record]) -> TextQuality:
    """Return lengths, the shares that end by themselves and that repeat a 10-gram, and variety."""
    # A stage's texts may not fit into memory together.
    measures = [(r.words, r.finish_reason == "stop", text_variety(r.text)) for r in records]
    return TextQuality(
        texts=len(measures),
        words=Spread(**spread([words for words, _, _ in measures])),
        ends=mean(ends for _, ends, _ in measures),
        **mean_variety([variety for _, _, variety in measures]),
    )


def of_round(run: RunFolder, number: int) -> RoundMetrics:
    """Return the metrics of a finished round."""
    expand = run.stage(EXPAND, number)
    done = expand.require_done(TextsDone)
    return RoundMetrics(
        round=number,
        acceptance=round(done.accepted / max(1, done.items), 4),
        drafts=quality(run.stage(DRAFT, number).records(dropped=True)),
        expansions=quality(expand.records(dropped=True)),
        held_out=quality(run.stage(HELD_OUT, number).records()),
        stages={
            name: done.as_json(without=("key", "version", "files")) if done else {}
            for name, done in _stages(run, number).items()
        },
    )


def on_file(run: RunFolder, number: int) -> RoundMetrics | None:
    """Return a finished round's metrics.json, or None if it is missing or its stages changed.

    Reading it costs nothing; computing the metrics reads and measures every text of the round.
    Raises DamagedFile if the file was edited.
    """
    figures = read_metrics(run.metrics(number), "remove the file, and `run` makes it again")
    if figures is None:
        return None
    measured = {name: stage.get("digest") for name, stage in figures.stages.items()}
    now = {name: done.digest if done else None for name, done in _stages(run, number).items()}
    return figures if measured == now else None


def write(run: RunFolder, figures: RoundMetrics) -> None:
    """Write the metrics of a round."""
    write_sealed(run.metrics(figures.round), msgspec.to_builtins(figures))


def stop_reason(held_out: TextQuality, config: HeldOutConfig) -> str | None:
    """Return why no round should follow held-out texts of this quality, or None."""
    if not held_out.texts:
        return None
    if held_out.ends < config.min_ends:
        return (
            f"only {held_out.ends:.0%} of the held-out texts end by themselves "
            f"(held_out.min_ends is {config.min_ends:.0%})"
        )
    if held_out.repeats > config.max_repeats:
        return (
            f"{held_out.repeats:.0%} of the held-out texts repeat themselves "
            f"(held_out.max_repeats is {config.max_repeats:.0%})"
        )
    return None


def _stages(run: RunFolder, number: int) -> dict[str, Done | None]:
    """Return the DONE.json of every stage of a round, by title; None for what is not done.

    Stages that only some rounds have, such as the one that chooses rows, are left out of others.
    """
    stages = {
        spec.title: done
        for spec in ROUND_STAGES
        if spec is not TRAIN
        and ((done := run.stage(spec, number).done()) is not None or spec not in (STRATEGY, CURATE))
    }
    trainings = {f"{TRAIN.title} {role}": run.stage(TRAIN, number, role).done() for role in ROLES}
    return stages | trainings
