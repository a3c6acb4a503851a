"""Rows that ask for a length and keep it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from selflengthen.curate.methods.faithful import score
from selflengthen.length.requirement import LengthRequirement, read_requirement
from selflengthen.length.scores import s_l
from tests.curate.conftest import lines, read

Command = Callable[..., str]


def demand_of(text: str) -> LengthRequirement:
    """Return the demand of an instruction that has one."""
    demand = read_requirement(text)
    assert demand is not None
    return demand


@pytest.mark.parametrize(
    ("prompt", "response", "value"),
    [
        ("Write about 100 words.", "word " * 100, 100),
        ("Write about 100 words.", "word " * 160, s_l(100, 160)),
        ("Write about 100 words.", "word " * 60, s_l(100, 60)),
        ("Write about 100 words.", "", 0),
        # Bounds are kept by what lies within them; outside the nearest counts.
        ("Write at least 100 words.", "word " * 1000, 100),
        ("Write at least 100 words.", "word " * 50, s_l(100, 50)),
        ("Write no more than 100 words.", "word " * 10, 100),
        ("Write no more than 100 words.", "word " * 130, s_l(100, 130)),
        ("Write 100 to 200 words.", "word " * 150, 100),
        ("Write 100 to 200 words.", "word " * 250, s_l(200, 250)),
        ("写一篇两百字的文章。", "字" * 150 + "。", s_l(200, 150)),
        ("Write a post of 500 characters.", "abc " * 100, s_l(500, 400)),
    ],
)
def test_the_score(prompt: str, response: str, value: float) -> None:
    assert score(demand_of(prompt), response) == pytest.approx(value)


def test_rows_are_kept_and_dropped(work: Path, curate: Command) -> None:
    rows = [
        ("Write a 10-word poem.", "word " * 10),  # kept
        ("Write a poem.", "word " * 10),  # asks for nothing
        ("Write a 10-word poem.", "word " * 4),  # S_L 25
        ("Write a 10-word poem.", "word " * 16),  # S_L 80
        ("Write a 10-word poem.", "word " * 17),  # S_L 76.67
    ]
    Path("a.jsonl").write_text(lines({"prompt": p, "response": r} for p, r in rows))
    output = curate("faithful", "a.jsonl", "--out", "out.jsonl")
    assert "no demand 1, length 2" in output
    assert [len(r["response"].split()) for r in read("out.jsonl")] == [10, 16]
    assert [(r["row"], r["reason"], r.get("s_l")) for r in read("out.dropped.jsonl")] == [
        (1, "no demand", None),
        (2, "length", 25.0),
        (4, "length", 76.67),
    ]
    curate("faithful", "a.jsonl", "--least", "20", "--out", "more.jsonl")
    assert len(read("more.jsonl")) == 4


def test_nothing_is_left(work: Path, refused: Command) -> None:
    error = refused("faithful", "six.jsonl", "--out", "out.jsonl")
    assert "would drop every row of six.jsonl: 0 of 6 ask for a length" in error
    error = refused("faithful", "six.jsonl", "--least", "101", "--out", "out.jsonl")
    assert "--least: expected `float` <= 100" in error
