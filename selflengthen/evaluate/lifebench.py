"""Turns LIFEBench's public files (arXiv 2505.16234) into instructions.

A line has a language and a `task` with two placeholders: one for the kind of length constraint, one
for the number. The benchmark combines each task with three kinds and ten lengths. In one of its
files, refactor, each task has its length in the text instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from selflengthen.evaluate.responses import ResponseRow
from selflengthen.length.requirement import read_requirement

CONTROLS = ("equal to", "at most", "at least")
LENGTHS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)

_CONTROL = "{word_count_type}"
_LENGTH = "{word_count}"
_LANGUAGES = ("en", "cn")
_CHINESE = {"equal to": "等于", "at most": "至多有", "at least": "至少有"}
_CONTROL_OF_KIND = {"about": "equal to", "below": "at most", "above": "at least"}


def instructions(row: ResponseRow) -> Iterator[ResponseRow]:
    """Yield the instructions of a line, with `prompt`, `control_method` and `length_constraint`.

    A line with a `prompt` is one instruction and is not changed. A task with placeholders gives one
    for each combination of control and length; the line's own `control_method` or
    `length_constraint` restrict these.
    """
    if "prompt" in row or "task" not in row:
        yield row
        return
    task = row.text("task")
    present = [placeholder for placeholder in (_CONTROL, _LENGTH) if placeholder in task]
    if not present:
        control, length = required_length(row, "task")
        yield _filled(row, task, control, length)
    elif len(present) == 1:
        row.fail(f"field 'task' has only {present[0]}; it needs both {_CONTROL} and {_LENGTH}.")
    else:
        yield from _combinations(row, task)


def required_length(row: ResponseRow, field: str) -> tuple[str, float]:
    """Return the control and the length of a line: from its fields, or else from text `field`."""
    if "length_constraint" in row:
        return row.one_of("control_method", *CONTROLS), row.length("length_constraint")
    text = row.text(field)
    if _CONTROL in text or _LENGTH in text:
        row.fail(f"has no field 'length_constraint', and the length in {field!r} is a placeholder.")
    requirement = read_requirement(_without_material(row, text))
    if requirement is None:
        row.fail(f"field {field!r} asks for no length; remove instructions without one.")
    if requirement.kind == "range":
        row.fail(f"field {field!r} asks for a range of lengths; LIFEBench has no ranges.")
    return _CONTROL_OF_KIND[requirement.kind], requirement.number


def _combinations(row: ResponseRow, task: str) -> Iterator[ResponseRow]:
    chinese = row.one_of("lang", *_LANGUAGES) == "cn"
    controls: tuple[str, ...] = CONTROLS
    lengths: tuple[int, ...] = LENGTHS
    if "control_method" in row:
        controls = (row.one_of("control_method", *CONTROLS),)
    if "length_constraint" in row:
        lengths = (_whole_length(row),)
    for control in controls:
        prompt = task.replace(_CONTROL, _CHINESE[control] if chinese else control)
        for length in lengths:
            yield _filled(row, prompt.replace(_LENGTH, str(length)), control, length)


def _whole_length(row: ResponseRow) -> int:
    length = row.length("length_constraint")
    if length != int(length):
        row.fail(f"field 'length_constraint' is {length}; it must be a whole number.")
    return int(length)


def _filled(row: ResponseRow, prompt: str, control: str, length: float) -> ResponseRow:
    fields = {"prompt": prompt, "control_method": control, "length_constraint": length}
    return replace(row, fields={**row.fields, **fields})


def _without_material(row: ResponseRow, text: str) -> str:
    """Remove the text to work on, which may mention lengths of its own."""
    material = row.optional_text("raw_data")
    return text.replace(material, " ") if material else text
