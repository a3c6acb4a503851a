"""The progress of what comes after a run's last round, read from its files alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from selflengthen.cli.output.format import counted, duration
from selflengthen.cli.output.tables import print_table
from selflengthen.cli.run_state import current_stage
from selflengthen.cli.status_json import FinalStatus
from selflengthen.config import Config
from selflengthen.release.products import figures_of
from selflengthen.runner.sources import require_whole
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import KindScore, Side, Sources, Spread
from selflengthen.storage.stage_table import FINISH_HELD_OUT, MERGE, UNION


def final_status(run: RunFolder, config: Config) -> FinalStatus | None:
    """Return what `status --json` has under `final`; None where nothing of it was begun.

    Raises DamagedFile where a file that it needs is not what was written.
    """
    begun = run.last_stages()
    if not begun:
        return None
    require_whole(run, begun)
    union = run.stage(UNION).done() or {}
    figures = figures_of(run) or {}
    finished = bool(figures and run.stage(FINISH_HELD_OUT, part="final").done())
    working = next((folder for folder in begun if not folder.done()), None)
    return FinalStatus(
        collected=bool(union),
        finished=finished,
        merged=bool(run.stage(MERGE).done()),
        rounds=union.get("of"),
        rows=union.get("rows"),
        sources=_sources(union["from"]) if union else None,
        stale=_is_stale(run, union),
        current=current_stage(run, working, config, title=working.title) if working else None,
        base=_side(figures["base"]) if finished else None,
        final=_side(figures["final"]) if finished else None,
    )


def print_final(status: FinalStatus | None, prefix: str = "") -> None:
    """Print it for people; `prefix` stands before the line about the data set."""
    if status is None:
        return
    if status.sources is not None:
        print(
            f"{prefix}Collected: {counted(status.rows or 0, 'text')}, {status.sources.rounds:,} "
            f"from {counted(status.rounds or 0, 'round')} and {status.sources.collected:,} from "
            "the last generator's drafts."
        )
    if status.stale:
        print("The rounds have changed since; `finish --redo instruct` redoes this part.")
    if now := status.current:
        total = "?" if now.total is None else f"{now.total:,}"
        left = duration(now.seconds_left)
        print(f"{now.stage}: {now.done:,} of {total}, about {left} left in this stage.")
    elif status.finished:
        print(f"Finished{', and merged' if status.merged else ''}.")
    if status.base is not None and status.final is not None and status.base.texts:
        print()
        print_table(_table(status.base, status.final))


def _table(base: Side, final: Side) -> Iterator[list[str]]:
    """Yield how well held-out length requirements are followed, by both models."""
    kinds = [kind for kind, score in base.by_kind.items() if score.texts]
    yield ["length requirements", "score", *kinds, "satisfied", "words", "end"]
    for name, side in (("base", base), ("final", final)):
        scores = [side.score, *(side.by_kind[kind].score for kind in kinds)]
        yield [
            name,
            *(f"{score or 0:.2f}" for score in scores),
            f"{side.satisfied:.0%}",
            f"{side.words.mean:,.0f}",
            f"{side.ends:.0%}",
        ]


def _is_stale(run: RunFolder, union: Mapping[str, Any]) -> bool:
    """Whether rounds were added or redone since."""
    if union and union["of"] != run.finished():
        return True
    for folder in run.last_stages():
        for name, digest in (folder.identity() or {})["inputs"].items():
            number, _, stage = name.partition("/")
            if number.isdecimal():
                done = run.named(stage, int(number)).done() or {}
                if done.get("digest") != digest:
                    return True
    return False


def _sources(counts: Mapping[str, int]) -> Sources:
    return Sources(rounds=counts["rounds"], collected=counts["collected"])


def _side(figures: Mapping[str, Any]) -> Side:
    """Return a model's figures, with whole numbers as they are on file."""
    scores = {
        kind: KindScore(texts=score["texts"], score=score["score"])
        for kind, score in figures["by_kind"].items()
    }
    return Side(
        texts=figures["texts"],
        score=figures["score"],
        by_kind=scores,
        satisfied=figures["satisfied"],
        words=Spread(**{name: figures["words"][name] for name in ("mean", "median", "p90")}),
        ends=figures["ends"],
    )
