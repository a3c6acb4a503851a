"""LIFEBench's public files (arXiv 2505.16234) as instructions.

A line has its language and a `task` with two placeholders: one for how a length is asked for, one
for the number. The benchmark asks each task in three ways for ten lengths. In one of its files,
refactor, the length is part of the task instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from selflengthen.evaluate.responses import Row
from selflengthen.length.requirement import LengthRequirement, read_requirement

CONTROLS = ("equal to", "at most", "at least")
LENGTHS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)

_CONTROL, _LENGTH = "{word_count_type}", "{word_count}"
_LANGUAGES = ("en", "cn")
_CHINESE = {"equal to": "等于", "at most": "至多有", "at least": "至少有"}
_OF_KIND = {"about": "equal to", "below": "at most", "above": "at least"}


def instructions(row: Row) -> Iterator[Row]:
    """Yield what a line of a file asks for, as rows with a `prompt` and the length in fields.

    A line that has a `prompt` is one instruction as it is. A task with placeholders is as many as
    there are ways and lengths; `control_method` and `length_constraint` in the line choose among
    them.
    """
    if "prompt" in row or "task" not in row:
        yield row
        return
    task = row.text("task")
    present = [place for place in (_CONTROL, _LENGTH) if place in task]
    if not present:
        yield _filled(row, task, *named(row, "task"))
    elif len(present) == 1:
        row.fail(f"field 'task' has {present[0]} alone; it needs {_CONTROL} and {_LENGTH}.")
    else:
        yield from _in_all_ways(row, task)


def named(row: Row, field: str) -> tuple[str, float]:
    """Return the control and the length of a line, from its fields or else from a text in it."""
    if "length_constraint" in row:
        return row.one_of("control_method", *CONTROLS), row.length("length_constraint")
    text = row.text(field)
    if _CONTROL in text or _LENGTH in text:
        row.fail(f"has no field 'length_constraint'; the length in {field!r} is a placeholder.")
    demand = read_requirement(_without_material(row, text))
    if demand is None:
        row.fail(f"field {field!r} names no length; leave out instructions that ask for none.")
    if demand.kind == "range":
        row.fail(f"field {field!r} asks for a range of lengths; LIFEBench knows none.")
    return _OF_KIND[demand.kind], _number(demand)


def _in_all_ways(row: Row, task: str) -> Iterator[Row]:
    chinese = row.one_of("lang", *_LANGUAGES) == "cn"
    controls: tuple[str, ...] = CONTROLS
    lengths: tuple[int, ...] = LENGTHS
    if "control_method" in row:
        controls = (row.one_of("control_method", *CONTROLS),)
    if "length_constraint" in row:
        lengths = (_whole(row),)
    for control in controls:
        half = task.replace(_CONTROL, _CHINESE[control] if chinese else control)
        for length in lengths:
            yield _filled(row, half.replace(_LENGTH, str(length)), control, length)


def _whole(row: Row) -> int:
    length = row.length("length_constraint")
    if length != int(length):
        row.fail(f"field 'length_constraint' is {length}; it has to be a whole number.")
    return int(length)


def _filled(row: Row, prompt: str, control: str, length: float) -> Row:
    fields = {"prompt": prompt, "control_method": control, "length_constraint": length}
    return replace(row, fields={**row.fields, **fields})


def _without_material(row: Row, text: str) -> str:
    """Take out the text that is to be worked on: it may speak of lengths, too."""
    material = row.optional_text("raw_data")
    return text.replace(material, " ") if material else text


def _number(demand: LengthRequirement) -> int:
    return (demand.low if demand.high is None else demand.high) or 0
