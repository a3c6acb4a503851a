"""Choosing inside a run: between the rows of a round and its trainings, and before an anneal.

What differs from the command: it runs in a child process, so that no memory of a model that
scores rows is held while another trains; a `k` larger than the set keeps all of it, since how many
rows a round makes is not known when it starts; the lot of `mix` is drawn by the run's seed; and
general rows get ids, as training rows have.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from selflengthen.curate import steps
from selflengthen.curate.io import write
from selflengthen.curate.io.load import open_rows
from selflengthen.curate.io.rows import Choice, Rows, digest
from selflengthen.errors import SelfLengthenError, UserError
from selflengthen.storage.atomic import read_json, rewrite
from selflengthen.storage.jsonl import read_ids
from selflengthen.storage.records import Row, derive_seed, encode, text_of_row
from selflengthen.training import child, guard

GENERAL = "general-"
"""How the id of a general row begins."""

_MISTAKE = 2


async def choose(listed: Sequence[Any], source: Path, out: Path, seed: int) -> dict[str, Any]:
    """Play steps (plain values) on training rows; write what is kept to `out`; return the report.

    Beside it stand what was dropped and the report, as after `curate`. Raises UserError for what
    the steps refuse, SelfLengthenError where the child fails otherwise.
    """
    asked = msgspec.json.encode(listed).decode()
    log = write.beside(out, "log")
    words = (asked, source, out, str(seed))
    code, said = await child.run("selflengthen.curate.in_run", *words, log=log)
    if code == _MISTAKE:
        raise UserError(said)
    if code:
        raise SelfLengthenError(f"Choosing rows failed: {said:.300} The log: {log}")
    report: dict[str, Any] = read_json(write.beside(out, "report.json"))
    return report


def follow(kept: Path, source: Path, out: Path) -> int:
    """Write the rows of `source` whose text has a row in `kept`, in their order.

    Returns their number; a text may have several.
    """
    texts = set(read_ids(kept))
    chosen = [text_of_row(name) in texts for name in read_ids(source)]
    with open(source, "rb") as lines:
        rewrite(out, itertools.compress(lines, chosen))
    return sum(chosen)


def digest_of(files: Iterable[Path]) -> str:
    """Return the digest of files by content, in their order."""
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what DONE.json says: rows kept, of how many, added general ones, dropped by reason."""
    reasons: dict[str, int] = {}
    for step in report["steps"]:
        for reason, count in step["dropped"].items():
            reasons[reason] = reasons.get(reason, 0) + count
    return {
        "rows": report["kept"],
        "of": report["rows"],
        "added": report["general"],
        "dropped": reasons,
    }


def told(report: Mapping[str, Any]) -> str:
    """Say in a few words what was chosen."""
    general = f" and {report['general']:,} general ones" if report["general"] else ""
    return f"{report['kept'] - report['general']:,} of {report['rows']:,} rows chosen{general}"


def play(listed: Sequence[Any], source: Path, out: Path, seed: int) -> None:
    """Do what `choose` says, in the child; the report is written last."""
    rows = open_rows(str(source))
    own, setting = len(rows), steps.Setting(tell=_tell)
    made = steps.made(listed, "curate")
    steps.check(made, setting)
    played: list[tuple[str, Rows, Choice]] = []
    fitted: list[tuple[str, steps.Step]] = []
    for place, (name, step) in enumerate(made):
        fitted.append((name, _fitted(step, rows, derive_seed(seed, place))))
        choice = fitted[-1][1](rows, setting)
        played.append((name, rows, choice))
        rows = choice.rows
    report = {
        "rows": own,
        "kept": len(rows),
        "general": int((rows.numbers >= own).sum()),
        "steps": steps.report(played, fitted),
    }
    rewrite(out, _lines(rows, own))
    write.write_dropped(played, out)
    write.write_report(report, out)


def _fitted(step: steps.Step, rows: Rows, chance: int) -> steps.Step:
    """Lower a `k` that is larger than what there is to keep; draw a lot by the run's seed."""
    if isinstance(step, steps.Mix):
        return msgspec.structs.replace(step, seed=derive_seed(chance, step.seed))
    if isinstance(step, steps.Longest):
        return msgspec.structs.replace(step, k=min(step.k, len({digest(row) for row in rows})))
    if isinstance(step, steps.Quality):
        return msgspec.structs.replace(step, k=min(step.k, len(rows)))
    return step


def _lines(rows: Rows, own: int) -> Iterator[bytes]:
    """Yield training rows: those of the set as they are, general ones with an id."""
    for number, raw in zip(rows.numbers.tolist(), rows.originals(), strict=True):
        if number < own:
            yield raw
        else:
            made = msgspec.json.decode(raw)
            name = f"{GENERAL}{number - own:06d}"
            yield encode(Row(id=name, prompt=made["prompt"], completion=made["completion"]))


def _tell(name: str, done: int, total: int) -> None:
    print(f"{name}: {done:,}/{total:,} rows", flush=True)


def main(asked: str, source: str, out: str, seed: str) -> int:
    """Choose; say a user's mistake in the last line."""
    try:
        play(msgspec.json.decode(asked), Path(source), Path(out), int(seed))
    except UserError as error:
        print(error, flush=True)
        return _MISTAKE
    return 0


if __name__ == "__main__":
    guard.die_with_parent()
    sys.exit(main(*sys.argv[1:]))
