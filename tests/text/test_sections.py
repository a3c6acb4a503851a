"""Texts in parts: nothing is lost, parts are workable, and what changed is joined with care."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selflengthen.text.measures import paragraphs, word_count
from selflengthen.text.sections import (
    copied,
    first_sentence,
    go_on,
    join_sections,
    opening,
    sentences,
    split_sections,
    tail,
)

SENTENCE = "It rained all day and nobody came."
BLOCKS = st.sampled_from(
    [
        SENTENCE,
        " ".join([SENTENCE] * 9),
        "# A heading",
        "**Bold heading**",
        "## Heading\nand a line below it.",
        "Dear Anna,",
        "***",
        "1. First item",
        "- a\n- b",
        'Mr. Smith said: "Go!" They went.',
        "雨下了一整天。没有人来。他说：“走吧！”他们走了。",
        "第一章 雨",
        "",
        "  ",
    ]
)
TEXTS = st.one_of(
    st.text(), st.builds("\n\n".join, st.lists(BLOCKS)), st.builds("\n".join, st.lists(BLOCKS))
)


@given(TEXTS, st.integers(3, 200))
def test_nothing_is_lost_where_no_part_grows(text: str, most: int) -> None:
    parts = split_sections(text, most)
    joined = join_sections(parts, [part.body for part in parts])
    assert joined == str(paragraphs(text, dividers=True))


@given(TEXTS, st.integers(3, 200), st.data())
def test_every_part_is_there_once_in_its_place_whatever_grew(
    text: str, most: int, data: st.DataObject
) -> None:
    parts = split_sections(text, most)
    grown = [part.body and data.draw(st.booleans()) for part in parts]
    bodies = [
        f"Grown {place}." if is_grown else part.body
        for place, (part, is_grown) in enumerate(zip(parts, grown, strict=True))
    ]
    joined = join_sections(parts, bodies)
    start = 0
    for part, body in zip(parts, bodies, strict=True):
        start = joined.index(part.with_body(body), start) + len(part.with_body(body))
    blocks = paragraphs(joined).parts
    for place, is_grown in enumerate(grown):
        if is_grown:  # what grew stands by itself, below its heading at most
            assert any(block.endswith(f"Grown {place}.") for block in blocks)


@given(st.text())
def test_sentences_put_together_are_the_text(text: str) -> None:
    assert "".join(sentences(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. Smith came. He sat.", ["Mr. Smith came. ", "He sat."]),
        ("“Go!” She went. it rained", ["“Go!” ", "She went. it rained"]),
        ("J. R. Ward wrote it. Then…", ["J. R. Ward wrote it. ", "Then…"]),
        ("他来了。“走吧！”她说。", ["他来了。", "“走吧！”", "她说。"]),
        ("Version 1.5 is out, e.g. here.", ["Version 1.5 is out, e.g. here."]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_short_paragraphs_are_grouped_and_long_ones_divided() -> None:
    long = " ".join([SENTENCE] * 20)
    parts = split_sections(f"{SENTENCE}\n\n{SENTENCE}\n\n{SENTENCE}\n\n{long}\n\nShort end.", 60)
    assert parts[0].body == f"{SENTENCE}\n\n{SENTENCE}\n\n{SENTENCE}"
    assert [word_count(part.body) for part in parts] == [21, 49, 49, 44]
    assert parts[1].gap == "\n\n" and parts[2].gap == " "
    assert parts[-1].body.endswith("\n\nShort end.")


def test_headings_and_dividers_stay_with_what_follows() -> None:
    blocks = ["# Title", "Dear Anna,", SENTENCE, "***", SENTENCE, f"**Two**\n{SENTENCE}"]
    text = "\n\n".join([*blocks, "Yours,", "Jo"])
    parts = split_sections(text, 90)
    assert [part.lead for part in parts] == [
        "# Title\n\nDear Anna,\n\n",
        "***\n\n",
        "**Two**\n",
        "Yours,\n\nJo\n\n",
    ]
    assert [part.body for part in parts] == [SENTENCE, SENTENCE, SENTENCE, ""]


def test_list_items_are_no_headings() -> None:
    items = "\n\n".join(f"{n}. Take the bread out of the oven" for n in range(1, 5))
    (part,) = split_sections(items, 90)
    assert part.lead == "" and part.body == items


def test_a_part_is_begun_with_its_first_sentence() -> None:
    assert first_sentence("It rained. Nobody came.") == "It rained."
    assert first_sentence("It rained.") == first_sentence("") == ""
    assert first_sentence("1. It rained. Nobody came.") == "1. It rained."
    assert go_on("It rained.", " Nobody came. ") == "It rained. Nobody came."
    assert go_on("It rained.", "Nobody came.") == "It rained. Nobody came."
    assert go_on("It rained.", "\n\nNobody.") == "It rained.\n\nNobody."
    assert go_on("下雨了。", "没有人来。") == "下雨了。没有人来。"
    assert go_on("", "Nobody.") == "Nobody."


def test_what_stands_around_a_part_is_bounded() -> None:
    text = "First one here. Second one here. Third one here."
    assert tail(text, 6) == "Second one here. Third one here."
    assert tail(text, 1) == "Third one here."
    assert tail("", 5) == ""
    assert opening("One two\n\nthree four", 3) == "One two three …"
    assert opening("雨下了一整天。", 3) == "雨下了 …"
    assert opening("One two", 3) == "One two"


def test_what_is_copied_from_a_neighbour_is_measured() -> None:
    mine = "The river rose in the night and took the bridge with it."
    next_part = "In the morning the mayor called everybody to the square and counted them."
    assert copied(mine, next_part, mine) == 0
    assert copied(f"{mine} {next_part.upper()}", next_part, mine) == 1
    assert copied(f"{mine} {next_part}", next_part, f"{mine} {next_part}") == 0
    half = "In the morning the mayor called everybody away."
    assert 0.2 < copied(half, next_part, mine) < 0.5
    assert copied("雨下了一整天，没有人到村里来。", "雨下了一整天，没有人到村里来。", "") == 1
    assert copied("anything", "too few", "") == 0
