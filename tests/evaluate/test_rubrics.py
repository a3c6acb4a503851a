"""Rubrics: valid and invalid answers of a judge, the figures, and what the prompts name."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from selflengthen.evaluate.rubrics import LANGUAGES, LONGBENCH_WRITE, LONGEN, Rubric, language_of

GOOD = {"analysis": "Fine {so far}.", **dict.fromkeys(LONGBENCH_WRITE.dimensions, 4)}
ANSWER = json.dumps(GOOD)
RUBRICS = pytest.mark.parametrize("rubric", [LONGEN, LONGBENCH_WRITE], ids=lambda r: r.name)


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER,
        json.dumps(GOOD, indent=2),
        f"<think>{{hm}} [4]</think>\nHere it is:\n```json\n{ANSWER}\n```\nAs asked.",
        ANSWER.replace("breadth_and_depth", "Breadth and Depth").replace("clarity", " Clarity"),
        ANSWER.replace("4", "4.0"),
        '{"analysis": "first thoughts"} ' + ANSWER,
        json.dumps(GOOD | {"overall": "good"}),
    ],
)
def test_valid_answers(answer: str) -> None:
    assert LONGBENCH_WRITE.read(answer) == dict.fromkeys(LONGBENCH_WRITE.dimensions, 4)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "All of it deserves a 4.",
        ANSWER[:-1],
        "[" * 100_000,
        "{" * 1000,
        '{"a":' * 10_000,
        json.dumps({name: 4 for name in GOOD if name != "clarity"}),
        *(
            json.dumps(GOOD | {"clarity": value})
            for value in (0, 6, 4.5, -1, "4", None, True, [4], {"score": 4}, 1e400)
        ),
        ANSWER.replace("4", "NaN"),
        json.dumps([4] * 6),
    ],
    ids=lambda answer: answer[-30:] or "nothing",
)
def test_invalid_answers(answer: str) -> None:
    assert LONGBENCH_WRITE.read(answer) is None


@RUBRICS
def test_answers_in_the_schema_are_read(rubric: Rubric) -> None:
    schema: Any = rubric.schema()
    assert schema["required"] == list(schema["properties"]) == ["analysis", *rubric.dimensions]
    for grade in schema["properties"]["relevance"]["enum"]:
        answer = {"analysis": ""} | dict.fromkeys(rubric.dimensions, grade)
        assert rubric.read(json.dumps(answer)) == dict.fromkeys(rubric.dimensions, grade)
    assert len(schema["properties"]["relevance"]["enum"]) == rubric.max_grade


def test_figures() -> None:
    assert LONGBENCH_WRITE.figure([]) is None and LONGBENCH_WRITE.means([])["clarity"] is None
    low, high = LONGBENCH_WRITE.lowest(), dict.fromkeys(LONGBENCH_WRITE.dimensions, 5)
    assert LONGBENCH_WRITE.figure([low]) == 0 and LONGBENCH_WRITE.figure([high]) == 100
    mixed = high | {"clarity": 2}
    expected = (25 * 4 * 5 + 25 * 1) / 6
    assert LONGBENCH_WRITE.figure([mixed]) == pytest.approx(expected, abs=1e-9)
    assert LONGBENCH_WRITE.means([mixed, high])["clarity"] == 3.5
    seven = dict(zip(LONGEN.dimensions, range(1, 8), strict=True))
    assert LONGEN.figure([seven, dict.fromkeys(LONGEN.dimensions, 10)]) == 7


@RUBRICS
@pytest.mark.parametrize("language", LANGUAGES)
def test_prompts_name_every_dimension_and_the_scale(rubric: Rubric, language: str) -> None:
    text = rubric.prompts()[language]
    for name in rubric.dimensions:
        assert text.count(name) == 2, f"{name}: once in the explanation, once in the form"
    assert {"1", str(rubric.max_grade)} <= set(re.findall(r"\d+", text))
    assert '"analysis"' in text


def test_digests_depend_on_the_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LONGEN.digest() != LONGBENCH_WRITE.digest()
    before = LONGEN.digest()
    prompts = LONGEN.prompts()
    monkeypatch.setattr(
        Rubric, "prompts", lambda self: prompts | {"en": prompts["en"] + " Be brief."}
    )
    assert LONGEN.digest() != before


def test_the_judges_prompt_has_the_language_of_the_request() -> None:
    assert language_of("写一篇关于大海的散文，两千字。") == "zh"
    assert language_of("Write about the sea.") == "en"
