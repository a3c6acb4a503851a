"""Refusals, assistant talk and task talk: tables of lines and texts, for and against."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from selflengthen.text import checks
from selflengthen.text.checks import Checks

CASES = Path(__file__).parent / "cases"
REASONS = {
    "refusal": checks.refusal,
    "assistant talk": checks.assistant_talk,
    "task talk": checks.task_talk,
}
ENGLISH = (
    "The keeper climbed the stairs as he had done every evening for thirty years and lit the lamp.",
    "Far below, the fishing boats were coming home with the tide, and he counted them all twice.",
)
CHINESE = (
    "秋天的傍晚，老人独自沿着山路慢慢走回村子，手里提着刚刚采来的野菜。",
    "风吹过稻田，金色的波浪一直延伸到河边，远处传来孩子们的笑声。",
)


def cases(name: str) -> list[dict[str, Any]]:
    path = CASES / f"{name.replace(' ', '_')}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def around(line: str) -> tuple[str, str]:
    return CHINESE if re.search("[一-鿿]", line) else ENGLISH


def placed(reason: str, case: dict[str, Any]) -> Iterator[str]:
    """Yield the text of a case; a line is set at every place where its reason must see it."""
    if "text" in case:
        yield case["text"]
        return
    line = case["line"]
    one, two = around(line)
    yield f"{line}\n\n{one}\n\n{two}"
    yield f"{one}\n\n{two}\n\n{line}"
    # Assistant talk is looked for at the ends alone, task talk where paragraphs open.
    if not case["rejected"] or reason != "assistant talk":
        yield f"{one}\n\n{line}\n\n{two}"
    if not case["rejected"] or reason != "task talk":
        yield f"{line} {one}\n\n{two}"
    if not case["rejected"]:
        yield line


ALL = [(reason, case) for reason in REASONS for case in cases(reason)]


@pytest.mark.parametrize(
    ("reason", "case"), ALL, ids=lambda v: v if isinstance(v, str) else str(v)[:60]
)
def test_a_case_is_rejected_or_passes(reason: str, case: dict[str, Any]) -> None:
    check: Callable[[str], str | None] = REASONS[reason]
    expected = reason if case["rejected"] else None
    for text in placed(reason, case):
        assert check(text) == expected, text


@pytest.mark.parametrize("reason", REASONS)
def test_the_tables_are_large_and_hold_both_languages(reason: str) -> None:
    table = cases(reason)
    assert len(table) >= 120
    for rejected in (True, False):
        chinese = [c for c in table if c["rejected"] is rejected and around(str(c)) is CHINESE]
        assert len(chinese) >= 15
        assert sum(case["rejected"] is rejected for case in table) >= 55


@pytest.mark.parametrize(("reason", "case"), [a for a in ALL if a[1]["rejected"]][::9])
def test_the_new_checks_can_be_left_out(reason: str, case: dict[str, Any]) -> None:
    text = next(placed(reason, case))
    instruction = "写一篇关于秋天的散文。" if around(text) is CHINESE else "Write about the sea."
    today = Checks(language=False, ending=False)
    assert today.reject(text, "stop", instruction) is not None
    older = Checks(
        language=False,
        ending=False,
        task_talk=False,
        refusal=False,
        assistant_talk=False,
        near_repeats=False,
        version=1,
    )
    assert older.reject(text, "stop", instruction) is None


def test_version_1_reads_the_first_and_last_lines_alone() -> None:
    one, two = ENGLISH
    text = f"{one}\n\n{two}\n\nHere's a rewritten version:\n\nHe slept.\n\nNobody came.\n\nThe End."
    assert checks.task_talk(text, version=1) is None
    assert checks.task_talk(text) == "task talk"


def test_talk_inside_quotes_or_behind_a_name_is_speech() -> None:
    line = "I'd be happy to help you with that!"
    one, two = ENGLISH
    assert checks.assistant_talk(f"{line}\n\n{one}") == "assistant talk"
    for speech in (
        f"“{line}” she said.",
        f"She smiled. “Good day! {line} Sit down.”",
        f"Ann: {line}",
    ):
        assert checks.assistant_talk(f"{speech}\n\n{one}\n\n{two}\n\n{speech}") is None
