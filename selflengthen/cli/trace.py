"""Traces a text of a run: what it came from, and what was made from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
    GATE,
    HELD_OUT,
    INSTRUCT,
    ROUND_STAGES,
)
from selflengthen.text.measures import word_count

# The stages of texts, of a round and after the last round, by their names in ids.
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


class TracedText(msgspec.Struct, frozen=True):
    """A text of a stage, as `show --json` prints it."""

    stage: str
    """Its stage's folder, as in `2-draft`; `instruction` for a held-out one, which has no stage."""
    id: str
    """Its id."""
    record: Record | None
    """The accepted text; None where every attempt was rejected."""
    rejections: list[Rejection] = msgspec.field(name="refusals")
    """The rejected attempts, in order."""
    left_out: dict[str, Any] | None = None
    """Why it is left out of training: the gate's verdict, or a line of generator.dropped.jsonl."""


class _LeftOut(msgspec.Struct):
    """What is read of a line of what curation dropped."""

    method: str
    reason: str
    id: str | None = None


def stage_of(run: RunFolder, name: str, number: int | None) -> StageFolder:
    """Return the stage of texts that `name` means: `draft` is 2-draft of round `number`.

    Without a number, it is the last round that has the stage. Names after the last round are
    `demand`, `held-out-base` and, where a round has the same stage, `final/draft`. The names of
    folders work too: 2-draft, final/4-demand, 6-held-out/base.
    """
    of_round = _TEXTS.get(name, name)
    if of_round in _TEXTS.values():
        return run.named(of_round, _last_with(run, of_round) if number is None else number)
    last = name.removeprefix("final/")
    last = _LAST.get(last, last)
    if last not in _LAST.values():
        stages = [*_TEXTS.values(), *(f"final/{folder}" for folder in _LAST.values())]
        raise UserError(f"--stage: no stage of texts {name!r}; choose one of {', '.join(stages)}.")
    if number is not None:
        raise UserError(f"--stage: {name!r} comes after the last round; leave out --round.")
    return run.named(last)


def listing(run: RunFolder, folder: StageFolder) -> list[Record]:
    """Return the accepted texts of a stage, the dropped ones included."""
    if folder.identity() is None:
        raise UserError(f"{run.path}: no stage {folder.title} yet; `status` lists the stages.")
    _require_sound(folder)
    return list(folder.records(dropped=True))


def lineage(run: RunFolder, name: str) -> list[TracedText]:
    """Return a text in the chain it belongs to, from the instruction to the longest expansion.

    `name` is its id, or that of a training row made of it.
    """
    chain = [_find(run, text_of_row(name))]
    while source := _source(chain[0]):
        if chain[0].stage == INSTRUCT.name:
            break  # an instruction of the user's, which may have any id
        if chain[0].stage.startswith(HELD_OUT.name):
            chain[:0] = _held_out(run, chain[0], source)
            break
        if not _ID.fullmatch(source) or source in {text.id for text in chain}:
            break  # a seed; or a circle in a stage in progress, which has no digest to show damage
        chain.insert(0, _find(run, source))
    while child := _longest_child(run, chain[-1]):
        chain.append(child)
    return [msgspec.structs.replace(text, left_out=_left_out(run, text)) for text in chain]


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
        f"{run.path}: no expansions{where} yet; list another stage, as in --stage {DRAFT.title}."
    )


def _find(run: RunFolder, name: str) -> TracedText:
    match = _ID.fullmatch(name)
    if match is None:
        raise UserError(
            f"--id: {name!r:.80} is not the id of a text; "
            "`show RUN --round 1 --stage draft` lists some."
        )
    stage, folder = _stage(run, match)
    _require_sound(folder)
    record = next((r for r in folder.records(dropped=True) if r.id == name), None)
    rejections = sorted(_rejections(folder, name), key=lambda r: r.attempt)
    if record is None and not rejections:
        raise _no_text(run, name)
    return TracedText(stage, name, record, rejections)


def _no_text(run: RunFolder, name: str) -> UserError:
    return UserError(f"{run.path}: no text {name!r:.80}; list texts with --round and --stage.")


def _stage(run: RunFolder, match: re.Match[str]) -> tuple[str, StageFolder]:
    """Return the name and the folder of the stage that an id belongs to."""
    if match["round"]:
        name = _TEXTS.get(match["stage"], _TEXTS["held-out"])
        return name, run.named(name, int(match["round"]))
    if match["stage"] not in _LAST:
        raise _no_text(run, match[0])
    name = _LAST[match["stage"]]
    return name, run.named(name)


def _rejections(folder: StageFolder, name: str) -> Iterator[Rejection]:
    return (r for r in folder.rejections() if r.id == name)


def _source(text: TracedText) -> str | None:
    if text.record is not None:
        return text.record.source
    return text.rejections[0].source


def _held_out(run: RunFolder, answer: TracedText, name: str) -> list[TracedText]:
    """Return the held-out instruction that a text answers; runs of old versions have none."""
    for row in run.held_out(final=answer.stage != HELD_OUT.name):
        if row.id == name:
            record = Record(
                id=name,
                source=None,
                text=row.instruction,
                attempts=0,
                words=word_count(row.instruction),
                tokens=0,
                seed=0,
                finish_reason="",
                seconds=0.0,
            )
            return [TracedText("instruction", name, record, [])]
    return []


def _longest_child(run: RunFolder, text: TracedText) -> TracedText | None:
    """Return the longest text that was made from this one, or None."""
    stage = {INSTRUCT.name: DRAFT.name, DRAFT.name: EXPAND.name}.get(text.stage)
    match = _ID.fullmatch(text.id)
    if stage is None or match is None:
        return None
    if stage == EXPAND.name and not match["round"]:
        return None  # drafts after the last round are not expanded
    folder = run.named(stage, int(match["round"]) if match["round"] else None)
    _require_sound(folder)
    children = (r for r in folder.records(dropped=True) if r.source == text.id)
    longest = max(children, key=lambda r: (r.words, r.id), default=None)
    if longest is None:
        return None
    return TracedText(stage, longest.id, longest, list(_rejections(folder, longest.id)))


def _require_sound(folder: StageFolder) -> None:
    """Raise DamagedFile where the texts of a stage are not what was written."""
    from selflengthen.runner.verify import require_sound  # late: `show --help` needs no pydantic

    require_sound(folder)


def _left_out(run: RunFolder, text: TracedText) -> dict[str, Any] | None:
    match = _ID.fullmatch(text.id)
    if text.stage != EXPAND.name or match is None or not match["round"]:
        return None
    for judged in run.stage(GATE, int(match["round"])).records(dropped=True):
        if judged.source == text.id and judged.dropped:
            return {"method": GATE.title, "reason": judged.dropped, **judged.details}
    folder = run.stage(CURATE, int(match["round"]))
    path = folder.path / "generator.dropped.jsonl"
    lines = zip(read_structs(path, _LeftOut, folder.remedy), read_raw(path), strict=True)
    return next((msgspec.json.decode(raw) for line, raw in lines if line.id == text.id), None)


def _last(run: RunFolder) -> int:
    return max((int(f.title.split("/")[0]) for f in run.stages()), default=0)


def _last_with(run: RunFolder, name: str) -> int:
    """Return the last round that has begun a stage; the first where none has."""
    rounds = (f.number for f in run.stages() if f.spec.name == name)
    return max((number for number in rounds if number is not None), default=1)
