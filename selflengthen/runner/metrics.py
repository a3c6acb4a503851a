"""The metrics of a round, computed from its files alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from selflengthen.config import HeldOutConfig
from selflengthen.storage.atomic import write_sealed
from selflengthen.storage.figures import (
    Growth,
    Relevance,
    RoundMetrics,
    TextQuality,
    read_metrics,
    read_relevance,
)
from selflengthen.storage.records import Record
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import Done, Spread, TextsDone
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import (
    CURATE,
    DRAFT,
    EXPAND,
    GATE,
    HELD_OUT,
    ROLES,
    ROUND_STAGES,
    STRATEGY,
    TRAIN,
)
from selflengthen.text.assistant_talk import is_assistant_talk
from selflengthen.text.padding import near_repeats, new_bigrams
from selflengthen.text.statistics import mean, mean_variety, spread, text_variety

_OPTIONAL = (STRATEGY, GATE, CURATE)


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
    words: list[int] = []
    ended: list[int] = []
    varieties: list[tuple[float, ...]] = []
    repeated: list[float] = []
    tenths: list[list[float]] = []
    talking = 0
    for record in records:
        words.append(record.words)
        ended += [record.words] if record.finish_reason == "stop" else []
        varieties.append(text_variety(record.text))
        repeated.append(near_repeats(record.text))
        tenths += [new] if (new := new_bigrams(record.text)) else []
        talking += is_assistant_talk(record.text)
    return TextQuality(
        texts=len(words),
        words=Spread(**spread(words)),
        ends=round(len(ended) / max(1, len(words)), 4),
        **mean_variety(varieties),
        assistant_talk=round(talking / max(1, len(words)), 4),
        relevance=None,
        ended_words=Spread(**spread(ended)),
        near_repeats=mean(repeated),
        new_bigrams=[mean(tenth) for tenth in zip(*tenths, strict=True)],
    )


def growth(held_out: TextQuality, base: TextQuality) -> Growth:
    """Return how many times as long held-out texts are as the base model's."""
    ended, base_ended = held_out.ended_words, base.ended_words
    return Growth(
        mean=_quotient(held_out.words.mean, base.words.mean),
        median=_quotient(held_out.words.median, base.words.median),
        ended_mean=_quotient(ended.mean, base_ended.mean) if ended and base_ended else None,
        ended_median=_quotient(ended.median, base_ended.median) if ended and base_ended else None,
    )


def _quotient(one: float, other: float) -> float | None:
    return round(one / other, 4) if one and other else None


def of_held_out(run: RunFolder, number: int) -> TextQuality:
    """Return the quality of a round's held-out texts; round 0 has the base model's."""
    folder = run.stage(HELD_OUT, number)
    measured = quality(folder.records())
    return msgspec.structs.replace(measured, relevance=relevance_on_file(run, number))


def relevance_on_file(run: RunFolder, number: int) -> Relevance | None:
    """Return what relevance.json says of a round's held-out texts, if they are still the same.

    Raises DamagedFile if the file was edited.
    """
    figures = read_relevance(run.relevance(number), "remove the file; it holds figures alone")
    done = run.stage(HELD_OUT, number).done()
    return figures if figures and done and figures.of == done.digest else None


def of_round(run: RunFolder, number: int) -> RoundMetrics:
    """Return the metrics of a finished round."""
    expand = run.stage(EXPAND, number)
    done = expand.require_done(TextsDone)
    held_out = of_held_out(run, number)
    return RoundMetrics(
        round=number,
        acceptance=round(done.accepted / max(1, done.items), 4),
        drafts=quality(run.stage(DRAFT, number).records(dropped=True)),
        expansions=quality(expand.records(dropped=True)),
        held_out=held_out,
        stages={
            name: done.as_json(without=("key", "version", "files")) if done else {}
            for name, done in _stages(run, number).items()
        },
        growth=growth(held_out, of_held_out(run, 0)),
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


def stop_reason(held_out: TextQuality, base: TextQuality, config: HeldOutConfig) -> str | None:
    """Return why no round should follow held-out texts of this quality, or None.

    Both bounds are relative to the base model, so that no round that is as good as it stops a run.
    """
    if not held_out.texts:
        return None
    if held_out.ends < config.min_ends * base.ends:
        return (
            f"only {held_out.ends:.0%} of the held-out texts end by themselves, and "
            f"{base.ends:.0%} of the base model's (held_out.min_ends is {config.min_ends:.0%} of "
            "those)"
        )
    if 1 - held_out.repeats < (1 - config.max_repeats) * (1 - base.repeats):
        return (
            f"{held_out.repeats:.0%} of the held-out texts repeat themselves, and "
            f"{base.repeats:.0%} of the base model's (held_out.max_repeats is "
            f"{config.max_repeats:.0%} of those that do not)"
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
        and ((done := run.stage(spec, number).done()) is not None or spec not in _OPTIONAL)
    }
    trainings = {f"{TRAIN.title} {role}": run.stage(TRAIN, number, role).done() for role in ROLES}
    return stages | trainings
