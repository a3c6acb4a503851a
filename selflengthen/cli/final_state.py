"""Where the end of a run stands, what comes after its last round, read from its files alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from selflengthen.cli.output.format import duration
from selflengthen.cli.run_state import far
from selflengthen.config import Config
from selflengthen.release.products import figures_of
from selflengthen.runner.sources import require_whole
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_table import FINISH_HELD_OUT, MERGE, UNION


def ending(run: RunFolder, config: Config) -> dict[str, Any] | None:
    """Return what `status --json` says of it; None where nothing of it was begun."""
    begun = run.last_stages()
    if not begun:
        return None
    require_whole(run, begun)
    united = run.stage(UNION).done() or {}
    measured = figures_of(run) or {}
    finished = bool(measured and run.stage(FINISH_HELD_OUT, part="final").done())
    working = [folder for folder in begun if not folder.done()]
    return {
        "collected": bool(united),
        "finished": finished,
        "merged": bool(run.stage(MERGE).done()),
        "rounds": united.get("of"),
        "rows": united.get("rows"),
        "from": united.get("from"),
        "stale": _stale(run, united),
        "current": {"stage": working[0].title} | far(run, working[0], config) if working else None,
        "base": measured.get("base") if finished else None,
        "final": measured.get("final") if finished else None,
    }


def lines(figures: dict[str, Any] | None) -> Iterator[str]:
    """Say it for people."""
    if figures is None:
        return
    if figures["collected"]:
        source = figures["from"]
        yield (
            f"Collected: {figures['rows']:,} texts, {source['rounds']:,} of {figures['rounds']} "
            f"round(s) and {source['collected']:,} by the last generator."
        )
    if figures["stale"]:
        yield "The rounds are others now; `finish --redo instruct` makes the end again."
    if now := figures["current"]:
        total = "?" if now["total"] is None else f"{now['total']:,}"
        left = duration(now["seconds_left"])
        yield f"{now['stage']}: {now['done']:,} of {total}, about {left} left in this stage."
    elif figures["finished"]:
        yield f"Finished{', and merged' if figures['merged'] else ''}."
    if figures["finished"] and figures["base"]["texts"]:
        yield from ["", *table(figures)]


def table(figures: dict[str, Any]) -> Iterator[str]:
    """Write how well held-out length requirements are met, by base model and finished model."""
    sides = [(name, figures[name]) for name in ("base", "final")]
    kinds = [k for k, found in figures["base"]["by_kind"].items() if found["texts"]]
    rows = [("length requirements", "score", *kinds, "satisfied", "words", "end")]
    for name, side in sides:
        scores = (f"{side['by_kind'][kind]['score'] or 0:.2f}" for kind in kinds)
        words = f"{side['words']['mean']:,.0f}"
        shares = f"{side['satisfied']:.0%}", words, f"{side['ends']:.0%}"
        rows.append((name, f"{side['score'] or 0:.2f}", *scores, *shares))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _stale(run: RunFolder, united: dict[str, Any]) -> bool:
    """Whether rounds were made or made again since."""
    if united and united["of"] != run.finished():
        return True
    for folder in run.last_stages():
        for name, digest in (folder.identity() or {})["inputs"].items():
            number, _, stage = name.partition("/")
            if number.isdecimal():
                done = run.named(stage, int(number)).done() or {}
                if done.get("digest") != digest:
                    return True
    return False
