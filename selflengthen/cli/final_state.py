"""The progress of what comes after a run's last round, read from its files alone."""

from __future__ import annotations

from collections.abc import Iterator

from selflengthen.cli.output.format import counted, duration
from selflengthen.cli.output.tables import print_table
from selflengthen.cli.run_state import current_stage
from selflengthen.cli.status_json import FinalStatus
from selflengthen.config import Config
from selflengthen.release.products import figures_of
from selflengthen.runner.sources import require_whole
from selflengthen.storage.figures import LengthFollowing
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import UnionDone
from selflengthen.storage.stage_table import FINISH_HELD_OUT, MERGE, UNION


def final_status(run: RunFolder, config: Config) -> FinalStatus | None:
    """Return what `status --json` has under `final`; None where nothing of it was begun.

    Raises DamagedFile where a file that it needs is not what was written.
    """
    begun = run.last_stages()
    if not begun:
        return None
    require_whole(run, begun)
    union = run.stage(UNION).done_as(UnionDone)
    figures = figures_of(run)
    if not run.stage(FINISH_HELD_OUT, part="final").done():
        figures = None
    working = next((folder for folder in begun if not folder.done()), None)
    return FinalStatus(
        collected=union is not None,
        finished=figures is not None,
        merged=bool(run.stage(MERGE).done()),
        rounds=union.of if union else None,
        rows=union.rows if union else None,
        sources=union.sources if union else None,
        stale=_is_stale(run, union),
        current=current_stage(run, working, config, title=working.title) if working else None,
        base=figures.base if figures else None,
        final=figures.final if figures else None,
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


def _table(base: LengthFollowing, final: LengthFollowing) -> Iterator[list[str]]:
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


def _is_stale(run: RunFolder, union: UnionDone | None) -> bool:
    """Whether rounds were added or redone since."""
    if union and union.of != run.finished():
        return True
    for folder in run.last_stages():
        for name, digest in (folder.identity() or {})["inputs"].items():
            number, _, stage = name.partition("/")
            if number.isdecimal():
                done = run.named(stage, int(number)).done()
                if (done.digest if done else None) != digest:
                    return True
    return False
