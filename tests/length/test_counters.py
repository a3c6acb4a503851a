"""The counters agree with the benchmarks' own patterns."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selflengthen.length.counters import lifebench_words, longbench_words, longen_words

WIDE = "[\u4e00-\u9fff\u3000-\u303f\uff00-\uffef]"
TRICKY = "ab1_--'' \n\t'é中文，。ＡＢ\u3000カ한𠀀😀\x1c\x85\u00a0\ud800Ⅷ²́"
ANY_TEXT = st.text(TRICKY, max_size=60) | st.text("ab1_- \n'", max_size=60) | st.text(max_size=60)


def longen(text: str) -> int:
    return len(re.findall(WIDE, text)) + len(re.sub(WIDE, " ", text).split())


def longbench(text: str) -> int:
    return len(re.findall("[\u4e00-\u9fff]", text)) + len(re.findall(r"\b[a-zA-Z]+\b", text))


def lifebench(text: str) -> int:
    return len(re.findall("[\u4e00-\u9fff]", text)) + len(re.findall(r"\b[a-zA-Z0-9'-]+\b", text))


@settings(max_examples=400)
@given(ANY_TEXT)
def test_counts_are_those_of_the_patterns(text: str) -> None:
    assert longen_words(text) == longen(text)
    assert longbench_words(text) == longbench(text)
    assert lifebench_words(text) == lifebench(text)


@pytest.mark.parametrize(
    ("text", "in_longen", "in_longbench"),
    [
        ("", 0, 0),
        (" \n\u3000", 1, 0),
        ("One two, three.", 3, 3),
        ("don't stop: GPT4 and GPT_x", 5, 4),
        ("1,000 words", 2, 1),
        ("café naïve", 2, 0),
        ("今天，天气好。", 7, 5),
        ("我用GPU训练", 5, 4),
        ("我用 GPU 训练", 5, 5),
        ("カタカナ", 1, 0),
        ("ＡＢ", 2, 0),
        ("😀 a", 2, 1),
    ],
)
def test_counts(text: str, in_longen: int, in_longbench: int) -> None:
    assert (longen_words(text), longbench_words(text)) == (in_longen, in_longbench)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("don't stop: GPT-4 and GPT_x", 4),
        ("1,000 words", 3),
        ("-- ' - well-being --", 1),
        ("今天，天气好。", 5),
        ("我用GPU训练", 4),
        ("a-b_c", 1),
        ("é-a", 1),
    ],
)
def test_lifebench_counts(text: str, words: int) -> None:
    assert lifebench_words(text) == words
