"""Choosing rows inside a run: between a round's data set and its trainings, and before an anneal.

This differs from the command in four ways. It runs in a child process, so that the memory of models
that score rows is free again before training. A `k` larger than the data set keeps all rows, since
the number of rows in a round is not known in advance. The random draw of `mix` depends on the run's
seed. General rows get ids, as training rows have them.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from selflengthen.curate import steps
from selflengthen.curate.io import write
from selflengthen.curate.io.load import open_rows
from selflengthen.curate.io.rows import AppliedStep, Rows, digest
from selflengthen.errors import SelfLengthenError, UserError
from selflengthen.runner.verify import digest_of as digest_of_file
from selflengthen.storage.atomic import RESTORE, read_json, rewrite
from selflengthen.storage.jsonl import read_ids
from selflengthen.storage.records import TrainingRow, derive_seed, encode, text_of_row
from selflengthen.storage.schemas import Selection
from selflengthen.training import child, guard

GENERAL = "general-"
"""The prefix of a general row's id."""

_USER_ERROR = 2


class StepCounts(msgspec.Struct):
    """What is read of a step in the report: the rows it dropped, by reason."""

    dropped: dict[str, int]


class InRunReport(msgspec.Struct):
    """What is read of the report.

    Attributes:
        rows: how many rows there were.
        kept: how many are left, general ones included.
        general: how many general rows were added.
        steps: the steps in order.
    """

    rows: int
    kept: int
    general: int
    steps: list[StepCounts]


async def choose(listed: Sequence[Any], source: Path, out: Path, seed: int) -> InRunReport:
    """Apply steps (plain values) to training rows, and write the kept ones to `out`.

    The dropped rows and the report are written next to it, as by `curate`. Raises UserError if a
    step rejects its input, SelfLengthenError if the child fails otherwise.
    """
    encoded = msgspec.json.encode(listed).decode()
    log = write.beside(out, "log")
    args = (encoded, source, out, str(seed))
    code, message = await child.run("selflengthen.curate.in_run", *args, log=log)
    if code == _USER_ERROR:
        raise UserError(message)
    if code:
        raise SelfLengthenError(f"Choosing rows failed: {message:.300} The log: {log}")
    return msgspec.convert(read_json(write.beside(out, "report.json")), InRunReport)


def copy_matching(chosen: Path, source: Path, out: Path) -> int:
    """Write the rows of `source` whose text has a row in `chosen`, in their order.

    Returns their number; a text may have several rows.
    """
    texts = set(read_ids(chosen))
    matches = [text_of_row(name) in texts for name in read_ids(source)]
    with open(source, "rb") as lines:
        rewrite(out, itertools.compress(lines, matches))
    return sum(matches)


def digest_of(files: Iterable[Path]) -> str:
    """Return the SHA-256 over the SHA-256 of each file, in their order."""
    hasher = hashlib.sha256()
    for path in files:
        hasher.update(bytes.fromhex(digest_of_file(path, RESTORE)))
    return hasher.hexdigest()


def summary(report: InRunReport) -> Selection:
    """Return what DONE.json says of a selection with this report."""
    reasons: Counter[str] = Counter()
    for step in report.steps:
        reasons.update(step.dropped)
    return Selection(rows=report.kept, of=report.rows, added=report.general, dropped=dict(reasons))


def describe(report: InRunReport) -> str:
    """Return how many rows were chosen, as a phrase."""
    general = f" and {report.general:,} general ones" if report.general else ""
    return f"{report.kept - report.general:,} of {report.rows:,} rows chosen{general}"


def play(listed: Sequence[Any], source: Path, out: Path, seed: int) -> None:
    """Do the work of `choose`, in the child; the report is written last."""
    rows = open_rows(str(source))
    total = len(rows)
    context = steps.StepContext(on_progress=_print_progress)
    configured = steps.parse_steps(listed, "curate")
    steps.check(configured, context)
    applied: list[AppliedStep] = []
    adapted: list[tuple[str, steps.CurationStep]] = []
    for place, (name, step) in enumerate(configured):
        step = _adapted(step, rows, derive_seed(seed, place))
        choice = step(rows, context)
        adapted.append((name, step))
        applied.append(AppliedStep(name, rows, choice))
        rows = choice.rows
    report = {
        "rows": total,
        "kept": len(rows),
        "general": int((rows.numbers >= total).sum()),
        "steps": [step.as_json() for step in steps.report(applied, adapted)],
    }
    rewrite(out, _lines(rows, total))
    write.write_dropped(applied, out)
    write.write_report(report, out)


def _adapted(step: steps.CurationStep, rows: Rows, seed: int) -> steps.CurationStep:
    """Lower a `k` above the number of rows, and mix the run's seed into that of `mix`."""
    if isinstance(step, steps.MixStep):
        return msgspec.structs.replace(step, seed=derive_seed(seed, step.seed))
    if isinstance(step, steps.LongestStep):
        return msgspec.structs.replace(step, k=min(step.k, len({digest(row) for row in rows})))
    if isinstance(step, steps.QualityStep):
        return msgspec.structs.replace(step, k=min(step.k, len(rows)))
    return step


def _lines(rows: Rows, total: int) -> Iterator[bytes]:
    """Yield training rows: the first `total` numbers unchanged, general ones with an id."""
    for number, raw in zip(rows.numbers.tolist(), rows.originals(), strict=True):
        if number < total:
            yield raw
        else:
            row = msgspec.json.decode(raw)
            name = f"{GENERAL}{number - total:06d}"
            yield encode(TrainingRow(id=name, prompt=row["prompt"], completion=row["completion"]))


def _print_progress(name: str, done: int, total: int) -> None:
    print(f"{name}: {done:,}/{total:,} rows", flush=True)


def main(listed: str, source: str, out: str, seed: str) -> int:
    """Choose rows; a user's mistake is the last line of the output."""
    try:
        play(msgspec.json.decode(listed), Path(source), Path(out), int(seed))
    except UserError as error:
        print(error, flush=True)
        return _USER_ERROR
    return 0


if __name__ == "__main__":
    guard.die_with_parent()
    sys.exit(main(*sys.argv[1:]))
