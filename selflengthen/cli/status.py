"""`status`: the progress of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.cli.output.format import counted, duration, reasons, visible
from selflengthen.cli.output.tables import print_table
from selflengthen.cli.status_json import HeldOutFigures, RoundFigures, RunStatus, StageStatus
from selflengthen.storage.schemas import Spread


def main(words: Sequence[str]) -> int:
    """Print the progress of a run."""
    parser = Parser(
        "status",
        "Show the progress of a run, read from its files; works while the run is going on.",
    )
    parser.add_argument(
        "run", metavar="RUN", type=file_name, help="folder of a run, or its name in runs/"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse(words)

    from selflengthen.cli.final_state import final_status, print_final
    from selflengthen.cli.run_state import open_run, run_status

    run, config = open_run(args.run)
    status = run_status(run, config)
    status = msgspec.structs.replace(status, final=final_status(run, config))
    if args.json:
        print(status.to_json())
        return 0
    _print_verdict(status)
    print_final(status.final)
    print()
    width = max((len(stage.stage) for stage in status.stages), default=0)
    for stage in status.stages:
        mark = "" if stage.done else " …"
        print(f"{stage.stage:<{width}}  {', '.join(_counts(stage))}{mark}")
    print()
    print_rounds(status)
    return 0


def print_rounds(status: RunStatus) -> None:
    """Print the table of rounds; in brackets, how many times the figure of the round before."""
    base = status.base
    if base is None:
        return
    rows = [
        [
            "round",
            "draft words",
            "expansion words",
            "accepted",
            "held-out words",
            "end",
            "repeat",
        ],
        ["base", "", "", "", *_held_out(base, None)],
    ]
    before: RoundFigures | None = None
    for figures in status.rounds:
        rows.append(
            [
                str(figures.round),
                _grown(figures.draft_words, before.draft_words if before else None),
                _grown(figures.expansion_words, before.expansion_words if before else None),
                f"{figures.acceptance:.0%}",
                *_held_out(figures, before or base),
            ]
        )
        before = figures
    print_table(rows)
    if before and base.held_out_words:
        print()
        for line in _compared(before, base):
            print(line)


def _compared(last: RoundFigures, base: HeldOutFigures) -> Iterator[str]:
    """Yield lines that compare the last round's held-out texts with the base model's."""
    growth = last.held_out_words / base.held_out_words
    yield f"Held-out texts are {growth:.1f} times as long as the base model's."
    ended, base_ended = last.held_out_ended_words, base.held_out_ended_words
    if ended and base_ended and base.held_out_words_median:
        medians = last.held_out_words_median / base.held_out_words_median
        yield f"By the median {medians:.1f} times; those that end, {ended / base_ended:.1f} times."
    if last.held_out_near_repeats is not None and base.held_out_near_repeats is not None:
        yield (
            f"Sentences that say an earlier one again: {last.held_out_near_repeats:.1%}; of the "
            f"base model's {base.held_out_near_repeats:.1%}."
        )
    if last.held_out_assistant_talk or base.held_out_assistant_talk:
        yield (
            f"Texts that talk as an assistant: {last.held_out_assistant_talk or 0:.0%}; of the "
            f"base model's {base.held_out_assistant_talk or 0:.0%}."
        )
    if last.held_out_relevance is not None and base.held_out_relevance is not None:
        yield (
            f"Texts that owe something to their instruction: {last.held_out_relevance:.0%}; of "
            f"the base model's {base.held_out_relevance:.0%}."
        )


def verdict(status: RunStatus) -> str:
    """Say in a line whether a run is complete, stopped, running, or interrupted."""
    rounds = len(status.rounds)
    if status.stopped:
        return f"Stopped after round {rounds}: {status.stopped}."
    if status.complete:
        return f"Complete: {rounds} of {status.iterations} rounds."
    state = "Interrupted; the same `run` command resumes it"
    if status.controller:
        state = f"Running ({status.controller})"
    return f"{state}: {rounds} of {status.iterations} rounds done."


def _print_verdict(status: RunStatus) -> None:
    print(f"{visible(status.run)}: {verdict(status)}")
    if now := status.current:
        total = "?" if now.total is None else f"{now.total:,}"
        print(
            f"Round {now.round}, {now.stage}: {now.done:,} of {total}, "
            f"about {duration(now.seconds_left)} left in this stage."
        )


class _Counts(msgspec.Struct, kw_only=True):
    """What is shown of a stage, of whatever kind."""

    accepted: int | None = None
    words: Spread | None = None
    dropped: dict[str, int] | int = 0
    refusals: dict[str, int] = {}
    strategy: str | None = None
    rows: int | None = None
    of: int | None = None
    added: int | None = None
    expander_rows: int | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    skipped: bool = False
    step: int | None = None
    steps: int | None = None
    seconds: float = 0


def _counts(stage: StageStatus) -> Iterator[str]:
    """Yield texts, their words, rejections by reason; rows; steps and losses; the time taken."""
    counts = msgspec.convert(msgspec.to_builtins(stage.counts), _Counts)
    if counts.accepted is not None and counts.words is not None:
        yield counted(counts.accepted, "text")
        yield f"{counts.words.mean:,.0f} words (median {counts.words.median:,.0f})"
    if counts.dropped and isinstance(counts.dropped, dict):
        yield "dropped: " + reasons(counts.dropped)
    if counts.refusals:
        yield "rejected: " + reasons(counts.refusals)
    if counts.strategy:
        yield f"chosen: {counts.strategy}"
    if counts.rows is not None:
        if counts.added is not None and counts.of is not None:  # after a selection
            yield f"{counts.rows:,} of {counted(counts.of, 'row')}"
        else:
            yield counted(counts.rows, "row")
    if counts.added:
        yield f"{counts.added:,} of them general"
    if counts.expander_rows is not None:
        yield counted(counts.expander_rows, "row") + " of parts"
    if counts.last_loss is not None:
        yield f"loss {counts.first_loss:.3g} to {counts.last_loss:.3g}"
    if counts.skipped:
        yield "too few to train"
    if counts.step is not None:
        yield f"step {counts.step} of {counts.steps or '?'}"
    if counts.seconds:
        yield duration(counts.seconds)


def _held_out(
    figures: HeldOutFigures | RoundFigures, before: HeldOutFigures | RoundFigures | None
) -> list[str]:
    return [
        _grown(figures.held_out_words, before.held_out_words if before else None),
        f"{figures.held_out_ends:.0%}",
        f"{figures.held_out_repeats:.0%}",
    ]


def _grown(words: float, before: float | None) -> str:
    factor = f" (×{words / before:.2f})" if before else ""
    return f"{words:,.0f}{factor}"
