"""Benchmarks that models answer: files, the same scores as `score` gives, bands."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selflengthen.errors import UserError
from selflengthen.evaluate import tasks
from selflengthen.evaluate.length import BENCHMARKS, score, sum_up
from selflengthen.evaluate.responses import read_rows
from selflengthen.length.requirement import read_requirement
from selflengthen.storage.records import Record
from tests.evaluate import data


def answer(number: int, text: str) -> Record:
    return Record(
        id=f"x-{number}",
        source=str(number),
        text=text,
        attempts=1,
        words=0,
        tokens=1,
        seed=0,
        finish_reason="stop",
        seconds=0.0,
    )


@pytest.mark.parametrize(
    ("name", "rows"),
    [("longen", data.longen()), ("longbench-write", data.longbench_write())],
    ids=["longen", "longbench-write"],
)
def test_answers_score_as_responses_on_file(
    name: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    texts = [("sea 海 " * (37 * n)).strip() for n in range(len(rows))]
    instructions = tmp_path / "instructions.jsonl"
    file = tmp_path / "answered.jsonl"
    instructions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pairs = zip(rows, texts, strict=True)
    file.write_text("".join(json.dumps(row | {"response": text}) + "\n" for row, text in pairs))
    task = tasks.TASKS[name]
    answers = [answer(n, text) if text else None for n, text in enumerate(texts)]
    scored = tasks.score(task, tasks.load(task, instructions), answers)
    expected = score(BENCHMARKS[name], read_rows(file))
    assert sum_up(task.benchmark, scored) == expected
    assert expected.empty == 1


def test_the_pocket_benchmark_is_shipped() -> None:
    task = tasks.TASKS["pocket"]
    scored = tasks.score(task, tasks.load(task, None), [None] * 48)
    assert tasks.bands(scored) == ["50-100", "100-200", "200-400"]
    assert {one.score for one in scored} == {0}


def test_bands_of_required_length_are_in_order(tmp_path: Path) -> None:
    file = tmp_path / "instructions.jsonl"
    lengths = [4000, 499, 20_000, 500, 1999, 2000, 100]
    rows = ({"prompt": "x", "length": length} for length in lengths)
    file.write_text("\n".join(map(json.dumps, rows)))
    task = tasks.TASKS["longbench-write"]
    scored = tasks.score(task, tasks.load(task, file), [None] * len(lengths))
    assert tasks.bands(scored) == ["under 500", "500-2k", "2k-4k", "4k and more"]
    assert [one.groups["band"] for one in scored[:3]] == ["4k and more", "under 500", "4k and more"]


def lifebench_file(tmp_path: Path, **fields: Any) -> Path:
    file = tmp_path / "lifebench.jsonl"
    rows = data.lifebench_public()
    file.write_text("".join(json.dumps(row | fields) + "\n" for row in rows))
    return file


def test_lifebenchs_public_files_are_read(tmp_path: Path) -> None:
    task = tasks.TASKS["lifebench"]
    rows = tasks.load(task, lifebench_file(tmp_path))
    assert len(rows) == 3 * 30 + 2
    prompts = [row.text("prompt") for row in rows]
    assert not any("{word_count" in prompt for prompt in prompts)
    assert len(set(prompts)) == len(prompts)
    for row in rows:
        scored = task.benchmark.read(replace(row, fields={**row.fields, "response": "x"}))
        requirement = read_requirement(row.text("prompt").replace(row.text("raw_data"), ""))
        assert requirement is not None
        kind = {"about": "equal to", "below": "at most", "above": "at least"}[requirement.kind]
        assert (kind, requirement.high or requirement.low) == (
            scored.groups["control"],
            scored.required,
        )
    at_most = {row.text("prompt") for row in rows if row.fields["control_method"] == "at most"}
    assert any("你的回答字数必须至多有 8192字。" in prompt for prompt in at_most)
    assert any("Your summary must be at most 128 words long." in prompt for prompt in at_most)
    empty = tasks.score(task, rows, [None] * len(rows))
    assert not any(one.counts for one in empty)
    lengths = [str(16 * 2**power) for power in range(10)]
    assert tasks.bands(empty) == lengths


def test_fields_choose_among_lifebenchs_lengths(tmp_path: Path) -> None:
    task = tasks.TASKS["lifebench"]
    file = lifebench_file(tmp_path, length_constraint=500, control_method="at least")
    assert len(tasks.load(task, file)) == 5
    file = lifebench_file(tmp_path, control_method="equal to")
    assert len(tasks.load(task, file)) == 3 * 10 + 2


@pytest.mark.parametrize("name", ["longen", "longbench-write", "lifebench"])
def test_public_files_are_named(name: str) -> None:
    with pytest.raises(UserError, match="pass it with --data FILE"):
        tasks.load(tasks.TASKS[name], None)


@pytest.mark.parametrize(
    ("name", "row", "says"),
    [
        ("longen", {"constraint": "900 words"}, "has no field 'query'"),
        ("longen", {"query": " ", "constraint": "900 words"}, "'query' is blank"),
        ("longen", {"query": "A poem."}, "field 'query' asks for no length"),
        ("longbench-write", {"prompt": "A poem.", "length": 0}, "'length' is 0"),
        ("lifebench", {"length_constraint": 9, "control_method": "at most"}, "no field 'prompt'"),
        ("lifebench", {"prompt": "A poem.", "length_constraint": 9}, "no field 'control_method'"),
        ("lifebench", {"lang": "en", "task": "Use {word_count} words."}, "has only {word_count};"),
        ("lifebench", {"lang": "fr", "task": "{word_count_type} {word_count}"}, "'lang' is 'fr'"),
        ("lifebench", {"task": "{word_count_type} {word_count} words"}, "no field 'lang'"),
        ("lifebench", {"task": "Write a poem.", "lang": "en"}, "field 'task' asks for no length"),
        ("lifebench", {"task": "Use 5 to 9 words.", "lang": "en"}, "asks for a range of lengths"),
        (
            "lifebench",
            {"task": "{word_count_type} {word_count}", "lang": "en", "length_constraint": 9.5},
            "'length_constraint' is 9.5; it must be a whole number",
        ),
        ("lifebench", {"prompt": "Use {word_count} words.", "lang": "en"}, "is a placeholder"),
    ],
)
def test_bad_files(name: str, row: dict[str, Any], says: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(json.dumps(row))
    with pytest.raises(UserError, match=rf"bad\.jsonl, line 1: .*{re.escape(says)}"):
        tasks.load(tasks.TASKS[name], file)
