"""Finds a text in a run, what it came from, and what was made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from selflengthen.errors import UserError
from selflengthen.storage.jsonl import read_raw, read_structs
from selflengthen.storage.records import Record, Rejection, text_of_row
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import (
    CURATE,
    DRAFT,
    EXPAND,
    FINAL_STAGES,
    HELD_OUT,
    INSTRUCT,
    ROUND_STAGES,
)
from selflengthen.text.measures import word_count

# The stages that have texts, of a round and after the last, as they are called in ids.
_TEXTS = {spec.title: spec.name for spec in ROUND_STAGES if spec.makes == "texts"}
_LAST = {
    folder.partition("-")[2].replace("/", "-"): folder
    for spec in FINAL_STAGES
    if spec.makes == "texts"
    for folder in spec.folders
}
_ID = re.compile(
    r"(?:r(?P<round>\d+)|final)-(?P<stage>{})-.+".format(
        "|".join(sorted({*_TEXTS, *_LAST}, key=len, reverse=True))
    ),
    re.DOTALL,
)


@dataclass(frozen=True)
class Found:
    """A text of a stage with the attempts that were refused before it; the text may be missing.

    A held-out instruction, which no model wrote here, has the stage `instruction` and a record
    without attempts. `left_out` is the line of what curation dropped, where this text was not
    trained on for that.
    """

    stage: str
    id: str
    record: Record | None
    rejections: list[Rejection]
    left_out: dict[str, Any] | None = None

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "stage": self.stage,
            "id": self.id,
            "record": msgspec.to_builtins(self.record),
            "refusals": msgspec.to_builtins(self.rejections),
            "left_out": self.left_out,
        }


class _LeftOut(msgspec.Struct):
    """What is read of a line of what curation dropped."""

    method: str
    reason: str
    id: str | None = None


def stage_of(run: RunFolder, asked: str, number: int | None) -> StageFolder:
    """Return the stage of texts that is asked for: `draft` is 2-draft of round `number`.

    Without a number it is the last round that has the stage.

    After the last round: `demand`, `held-out-base`; `final/draft` where a round has such a stage.
    Each may be written as its folder is called: 2-draft, final/4-demand, 6-held-out/base.
    """
    here = _TEXTS.get(asked, asked)
    if here in _TEXTS.values():
        return run.named(here, _last_with(run, here) if number is None else number)
    later = asked.removeprefix("final/")
    later = _LAST.get(later, later)
    if later not in _LAST.values():
        stages = [*_TEXTS.values(), *(f"final/{name}" for name in _LAST.values())]
        raise UserError(f"--stage: {asked!r} has no texts; say one of {', '.join(stages)}.")
    if number is not None:
        raise UserError(f"--stage: {asked!r} comes after the last round; leave out --round.")
    return run.named(later)


def listing(run: RunFolder, folder: StageFolder) -> list[Record]:
    """Return the accepted texts of a stage, those set aside included."""
    if folder.identity() is None:
        raise UserError(f"{run.path}: has no stage {folder.title} yet; see status.")
    _require_sound(folder)
    return list(folder.records(dropped=True))


def lineage(run: RunFolder, name: str) -> list[Found]:
    """Return the chain that a text stands in, instruction first, its longest offspring last.

    The id of a training row is as good as that of the text that the row was made of.
    """
    here = _find(run, text_of_row(name))
    chain = [here]
    while source := _source(chain[0]):
        if chain[0].stage.startswith(HELD_OUT.name):
            chain[:0] = _held_out(run, chain[0], source)
            break
        if not _ID.fullmatch(source) or source in {found.id for found in chain}:
            break  # a seed; or a stage in work is damaged, which nothing can tell yet
        chain.insert(0, _find(run, source))
    while child := _offspring(run, chain[-1]):
        chain.append(child)
    return [replace(found, left_out=_left_out(run, found)) for found in chain]


def median_example(run: RunFolder, number: int | None) -> str:
    """Return the id of the expansion of median length of a round, by default of the last."""
    rounds = [number] if number is not None else range(_last(run), 0, -1)
    for candidate in rounds:
        folder = run.stage(EXPAND, candidate)
        _require_sound(folder)
        records = list(folder.records())
        if records:
            return sorted(records, key=lambda r: (r.words, r.id))[len(records) // 2].id
    where = "" if number is None else f" in round {number}"
    raise UserError(
        f"{run.path}: has no expansions{where} yet; list a stage with --stage {DRAFT.title}."
    )


def _find(run: RunFolder, name: str) -> Found:
    match = _ID.fullmatch(name)
    if match is None:
        raise UserError(
            f"--id: {name!r:.80} is no id of a text; `show RUN --round 1 --stage draft` lists some."
        )
    stage, folder = _stage(run, match)
    _require_sound(folder)
    record = next((r for r in folder.records(dropped=True) if r.id == name), None)
    rejections = sorted(_rejections(folder, name), key=lambda r: r.attempt)
    if record is None and not rejections:
        raise _no_text(run, name)
    return Found(stage, name, record, rejections)


def _no_text(run: RunFolder, name: str) -> UserError:
    return UserError(f"{run.path}: has no text {name!r:.80}; --round and --stage list them.")


def _stage(run: RunFolder, match: re.Match[str]) -> tuple[str, StageFolder]:
    """Return the name and the folder of the stage that an id stands for."""
    if match["round"]:
        name = _TEXTS.get(match["stage"], _TEXTS["held-out"])
        return name, run.named(name, int(match["round"]))
    if match["stage"] not in _LAST:
        raise _no_text(run, match[0])
    name = _LAST[match["stage"]]
    return name, run.named(name)


def _rejections(folder: StageFolder, name: str) -> Iterator[Rejection]:
    return (r for r in folder.rejections() if r.id == name)


def _source(found: Found) -> str | None:
    if found.record is not None:
        return found.record.source
    return found.rejections[0].source


def _held_out(run: RunFolder, answer: Found, name: str) -> list[Found]:
    """Return the held-out instruction that a text answers; runs of old versions have none."""
    for row in run.held_out(final=answer.stage != HELD_OUT.name):
        if row.id == name:
            text = row.instruction
            record = Record(
                id=name, source=None, text=text, attempts=0, words=word_count(text), tokens=0,
                seed=0, finish_reason="", seconds=0.0,
            )  # fmt: skip
            return [Found("instruction", name, record, [])]
    return []


def _offspring(run: RunFolder, found: Found) -> Found | None:
    """Return the longest text that was made of this one, or None."""
    later = {INSTRUCT.name: DRAFT.name, DRAFT.name: EXPAND.name}.get(found.stage)
    match = _ID.fullmatch(found.id)
    if later is None or match is None:
        return None
    if later == EXPAND.name and not match["round"]:
        return None  # what is drafted after the last round is not expanded
    folder = run.named(later, int(match["round"]) if match["round"] else None)
    _require_sound(folder)
    made = [r for r in folder.records(dropped=True) if r.source == found.id]
    if not made:
        return None
    longest = max(made, key=lambda r: (r.words, r.id))
    return Found(later, longest.id, longest, list(_rejections(folder, longest.id)))


def _require_sound(folder: StageFolder) -> None:
    """Raise DamagedFile where the texts of a stage are not what was written."""
    from selflengthen.runner.verify import require_sound  # late: help must not wait for pydantic

    require_sound(folder)


def _left_out(run: RunFolder, found: Found) -> dict[str, Any] | None:
    match = _ID.fullmatch(found.id)
    if found.stage != EXPAND.name or match is None or not match["round"]:
        return None
    folder = run.stage(CURATE, int(match["round"]))
    path = folder.path / "generator.dropped.jsonl"
    lines = zip(read_structs(path, _LeftOut, folder.remedy), read_raw(path), strict=True)
    return next((msgspec.json.decode(raw) for line, raw in lines if line.id == found.id), None)


def _last(run: RunFolder) -> int:
    return max((int(f.title.split("/")[0]) for f in run.stages()), default=0)


def _last_with(run: RunFolder, name: str) -> int:
    """Return the last round that has begun a stage; the first where none has."""
    rounds = (f.number for f in run.stages() if f.spec.name == name)
    return max((number for number in rounds if number is not None), default=1)
