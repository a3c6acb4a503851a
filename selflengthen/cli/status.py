"""`status`: where a run stands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.cli.output.format import duration, reasons, visible


def main(words: Sequence[str]) -> int:
    """Print where a run stands."""
    parser = Parser("status", "Say where a run stands, from its files; also while it goes on.")
    parser.add_argument(
        "run", metavar="RUN", type=file_name, help="folder of a run, or its name below runs/"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse(words)

    from selflengthen.cli.final_state import ending
    from selflengthen.cli.final_state import lines as last_lines
    from selflengthen.cli.run_state import open_run, standing

    run, config = open_run(asked.run)
    figures = standing(run, config) | {"final": ending(run, config)}
    if asked.json:
        print(json.dumps(figures, indent=1))
        return 0
    last = last_lines(figures["final"])
    for line in [*_where(figures), *last, "", *_stages(figures), "", *table(figures)]:
        print(line)
    return 0


def table(figures: dict[str, Any]) -> Iterator[str]:
    """Write the table of rounds; in brackets, how many times the round before."""
    if figures["base"] is None:
        return
    heads = (
        "round", "draft words", "expansion words", "accepted", "held-out words", "end", "repeat",
    )  # fmt: skip
    rows = [heads, ("base", "", "", "", *_held(figures["base"], None))]
    before: dict[str, Any] = dict(figures["base"])
    for row in figures["rounds"]:
        rows.append(
            (
                str(row["round"]), _grown(row, before, "draft_words"),
                _grown(row, before, "expansion_words"), f"{row['acceptance']:.0%}",
                *_held(row, before),
            )
        )  # fmt: skip
        before = row
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    for row in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if figures["rounds"] and figures["base"]["held_out_words"]:
        growth = before["held_out_words"] / figures["base"]["held_out_words"]
        yield ""
        yield f"Held-out texts are {growth:.1f} times as long as the base model's."


def verdict(figures: dict[str, Any]) -> str:
    """Say in a line whether a run is complete, stopped, at work, or standing still."""
    rounds = len(figures["rounds"])
    if figures["stopped"]:
        return f"Stopped after round {rounds}: {figures['stopped']}."
    if figures["complete"]:
        return f"Complete: {rounds} of {figures['iterations']} rounds."
    holder = figures["controller"]
    state = f"At work ({holder})" if holder else "Standing still; the same `run` command goes on"
    return f"{state}: {rounds} of {figures['iterations']} rounds done."


def _where(figures: dict[str, Any]) -> Iterator[str]:
    yield f"{visible(figures['run'])}: {verdict(figures)}"
    now = figures["current"]
    if now:
        total = "?" if now["total"] is None else f"{now['total']:,}"
        yield (
            f"Round {now['round']}, {now['stage']}: {now['done']:,} of {total}, "
            f"about {duration(now['seconds_left'])} left in this stage."
        )


def _stages(figures: dict[str, Any]) -> Iterator[str]:
    """Write a line a stage: texts, their words, rejections by reason."""
    for stage in figures["stages"]:
        mark = "" if stage["done"] else " …"
        said = []
        if "accepted" in stage:
            spread = stage["words"]
            said.append(f"{stage['accepted']:,} texts")
            said.append(f"{spread['mean']:,.0f} words (median {spread['median']:,.0f})")
        if stage.get("dropped") and isinstance(stage["dropped"], dict):
            said.append("dropped: " + reasons(stage["dropped"]))
        if stage.get("refusals"):
            said.append("rejected: " + reasons(stage["refusals"]))
        if "strategy" in stage:
            said.append(f"chosen: {stage['strategy']}")
        if "rows" in stage:
            of = f" of {stage['of']:,}" if "added" in stage else ""
            said.append(f"{stage['rows']:,}{of} rows")
        if stage.get("expander_rows") is not None:
            said.append(f"{stage['expander_rows']:,} of parts")
            if stage.get("added"):
                said.append(f"{stage['added']:,} of them general")
        if stage.get("last_loss") is not None:
            said.append(f"loss {stage['first_loss']:.3g} to {stage['last_loss']:.3g}")
        if stage.get("skipped"):
            said.append("too few to train")
        if "step" in stage:
            said.append(f"step {stage['step']} of {stage['steps'] or '?'}")
        if stage.get("seconds"):
            said.append(duration(stage["seconds"]))
        yield f"{stage['stage']:<20} {', '.join(said)}{mark}"


def _held(row: dict[str, Any], before: dict[str, Any] | None) -> tuple[str, str, str]:
    words = _grown(row, before or {}, "held_out_words")
    return words, f"{row['held_out_ends']:.0%}", f"{row['held_out_repeats']:.0%}"


def _grown(row: dict[str, Any], before: dict[str, Any], name: str) -> str:
    earlier = before.get(name)
    factor = f" (×{row[name] / earlier:.2f})" if earlier else ""
    return f"{row[name]:,.0f}{factor}"
