"""The measures of text.py and likeness.py against naive ones, on texts of every kind."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from selflengthen.text.measures import (
    distinct,
    gzip_ratio,
    is_divider,
    paragraphs,
    repetition,
    tokens,
    word_count,
)
from selflengthen.text.near_duplicates import NearDuplicates, rouge_l
from selflengthen.text.repeats import has_repeat

# White space of several kinds, marks, wide characters, kana, an astral ideograph, a lone surrogate.
CHARACTERS = "ab é“\n\t\x1c\x85\u00a0\u2003\u3000中文。，，カＡ𠀀😀\x00\ud800"
ANY_TEXT = st.text(CHARACTERS, max_size=60) | st.text(max_size=60)
LONG_WORDS = st.lists(
    st.builds(
        "".join,
        st.tuples(
            st.sampled_from(["", "abcdefgh", "абвгдежз", "中"]),
            st.sampled_from(["", "x", "y", "xxxxxxxxx", "xxxxyxxxx", "é"]),
            st.sampled_from(["", "stuvwxyz", "z" * 9]),
        ),
    ),
    max_size=40,
).map(" ".join)


def is_cjk(character: str) -> bool:
    code = ord(character)
    return (
        0x3000 <= code <= 0x312F
        or 0x31A0 <= code <= 0x31BF
        or 0x31F0 <= code <= 0x31FF
        or 0x3400 <= code <= 0x4DBF
        or 0x4E00 <= code <= 0x9FFF
        or 0xF900 <= code <= 0xFAFF
        or 0xFF00 <= code <= 0xFFEF
        or 0x1B000 <= code <= 0x1B16F
        or 0x20000 <= code <= 0x3FFFF
    )


def naive_tokens(text: str) -> list[str]:
    return "".join(f" \ue000{c} " if is_cjk(c) else c for c in text).split()


def naive_repeat(text: str, words: int, chars: int) -> bool:
    text = text.replace("\ue000", "?")
    split = naive_tokens(text)

    def twice(n: int, mixed: bool) -> bool:
        grams = [tuple(split[i : i + n]) for i in range(len(split) - n + 1)]
        grams = [g for g in grams if any(t[0] == "\ue000" for t in g) == mixed]
        return len(grams) != len(set(grams))

    return twice(words, mixed=False) or twice(chars, mixed=True)


@given(ANY_TEXT)
def test_tokens_are_cjk_characters_and_what_white_space_parts(text: str) -> None:
    text = text.replace("\u3000", "中").replace("\ue000", "?")  # this one is white space to split()
    expected = [token.lstrip("\ue000") for token in naive_tokens(text)]
    assert tokens(text) == expected
    assert word_count(text) == len(expected)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        (" \n\t ", 0),
        ("One two  three.\n\nFour", 4),
        ("今天天气很好。", 7),
        ("我用GPU训练model三次，OK", 10),
        ("“好”", 3),
        ("ＡＢ１２", 4),
        ("　　第一段", 5),
        ("한국어 문장", 2),
        ("カタカナ", 4),
        ("𠀀𠀁", 2),
        ("café déjà-vu", 2),
        ("\ud800 \udfff", 2),
        ("a\x00b \x1b[0m", 2),
    ],
)
def test_word_count(text: str, count: int) -> None:
    assert word_count(text) == count


@given(st.text("ab c\n\x1c\t", max_size=80), st.integers(1, 12))
def test_words_repeat_where_the_sliding_tuples_say_so(text: str, n: int) -> None:
    split = text.split()
    grams = [tuple(split[i : i + n]) for i in range(len(split) - n + 1)]
    assert has_repeat(text, n) == (len(set(grams)) != len(grams))


@given(ANY_TEXT | LONG_WORDS, st.integers(1, 5), st.integers(1, 6))
@example("中文中文", 10, 2)
@example("a 中 b a 中 b", 3, 3)
@example("好 a b c d 好 a b c d", 4, 13)
def test_windows_repeat_where_the_naive_ones_do(text: str, words: int, chars: int) -> None:
    text = text.replace("\u3000", "、")
    assert has_repeat(text, words, chars) == naive_repeat(text, words, chars)


@given(st.integers(0, 40), st.integers(0, 40), st.sampled_from(["w", "é", "ж", "中", "😀"]))
def test_a_planted_repeat_is_found_and_one_that_is_shorter_is_not(
    before: int, between: int, letter: str
) -> None:
    cjk = letter == "中"
    least, blank = (13, "") if cjk else (10, " ")
    fresh = (chr(0x4E00 + i) if cjk else f"{letter}{i}" for i in range(1000))
    planted = [next(fresh) for _ in range(least)]
    head, middle = [next(fresh) for _ in range(before)], [next(fresh) for _ in range(between)]
    near = blank.join([*head, *planted, next(fresh), *middle, *planted[1:]])
    assert not has_repeat(near)
    assert has_repeat(blank.join([*head, *planted, next(fresh), *middle, *planted]))


def test_windows_may_overlap() -> None:
    assert has_repeat("la " * 11)
    assert not has_repeat("la " * 10)
    assert has_repeat("哈" * 14)
    assert not has_repeat("哈" * 13)


def test_english_inside_a_chinese_text_is_held_to_ten_words() -> None:
    phrase = "one two three four five six seven eight nine ten"
    assert has_repeat(f"他说：{phrase}。她也说：{phrase}。")
    assert not has_repeat(f"他说：{phrase}。她也说：{phrase.removesuffix('ten')}。")


def test_a_phrase_that_mixes_scripts_is_found() -> None:
    phrase = "我们每天用 GPU 训练 LoRA 模型三遍"
    assert has_repeat(f"首先{phrase}，然后{phrase}。")
    assert not has_repeat(f"首先{phrase}，然后{phrase.removesuffix('遍')}。")


def test_words_that_look_alike_to_the_hash_are_no_repeat() -> None:
    # Same length, same first and last eight characters: one key for all of them.
    words = [f"abcdefgh{i:05d}stuvwxyz" for i in range(20_000)]
    assert not has_repeat(" ".join(words))
    assert has_repeat(" ".join(words + words[:10]))
    assert not has_repeat(" ".join(words + words[:9]))


def test_a_word_is_not_the_same_with_a_nul_behind_it() -> None:
    words = [f"w{i}" for i in range(10)]
    assert not has_repeat(" ".join(words + [f"{w}\x00" for w in words]))


@pytest.mark.parametrize("text", ["", " ", "a", "中", "\ud800", "\x00" * 50])
def test_short_texts_have_no_repeat(text: str) -> None:
    assert not has_repeat(text)


def test_a_long_text_of_few_words_is_judged_soon() -> None:
    rng = random.Random(3)
    assert has_repeat(" ".join(rng.choices("ab", k=200_000)))
    assert has_repeat("x" * 1_000_000 + " y" * 11)


@pytest.mark.parametrize(
    ("text", "parts", "separator"),
    [
        ("", (), "\n\n"),
        ("\n \n", (), "\n\n"),
        ("one", ("one",), "\n\n"),
        ("a\n\nb\n \t\nc", ("a", "b", "c"), "\n\n"),
        ("a\nb\n\nc\n\n\n\nd", ("a\nb", "c", "d"), "\n\n"),
        ("a\nb\n\n c ", ("a", "b", "c"), "\n"),
        ("a\n\nb", ("a", "b"), "\n\n"),
        ("a\r\n\r\nb\r\n\r\nc", ("a", "b", "c"), "\n\n"),
        ("　第一段。\n　第二段。", ("第一段。", "第二段。"), "\n"),
        ("a\n\n---\n\nb\n\nc", ("a", "b", "c"), "\n\n"),
        ("a\n***\nb\n * * * \nc", ("a", "b", "c"), "\n\n"),
        ("___\na\n\n———", ("a",), "\n\n"),
        ("---", (), "\n\n"),
        ("- a\n-- b\n| --- | --- |", ("- a", "-- b", "| --- | --- |"), "\n"),
    ],
)
def test_paragraphs(text: str, parts: tuple[str, ...], separator: str) -> None:
    found = paragraphs(text)
    assert (found.parts, found.separator) == (parts, separator)
    assert str(found) == separator.join(parts)


@pytest.mark.parametrize(
    ("text", "parts", "separator"),
    [
        ("a\n\n---\n\nb\n\nc", ("a", "---", "b", "c"), "\n\n"),
        ("a\n***\nb\n * * * \nc", ("a", "***", "b", "* * *", "c"), "\n\n"),
        ("a\nb\n***\nc\nd", ("a", "b", "***", "c", "d"), "\n"),
        ("a\n\nb\n\nc", ("a", "b", "c"), "\n\n"),
    ],
)
def test_dividing_lines_stand_among_paragraphs_if_wanted(
    text: str, parts: tuple[str, ...], separator: str
) -> None:
    split = paragraphs(text, dividers=True)
    assert (split.parts, split.separator) == (parts, separator)
    assert paragraphs(text).separator == separator


@pytest.mark.parametrize(
    ("count", "half", "two_thirds"),
    [(1, 1, 1), (2, 1, 1), (3, 2, 2), (4, 2, 3), (5, 3, 3), (6, 3, 4), (7, 4, 5), (9, 5, 6)],
)
def test_the_first_share_of_the_paragraphs(count: int, half: int, two_thirds: int) -> None:
    text = paragraphs("\n\n".join(map(str, range(count))))
    assert text.first(1 / 2) == "\n\n".join(map(str, range(half)))
    assert text.first(2 / 3) == "\n\n".join(map(str, range(two_thirds)))


def test_the_first_share_of_nothing_is_nothing() -> None:
    assert paragraphs("").first(1 / 2) == ""


@given(ANY_TEXT)
def test_paragraphs_keep_every_token(text: str) -> None:
    assume(not any(map(is_divider, text.replace("\r\n", "\n").split("\n"))))
    assert "".join(str(paragraphs(text)).split()) == "".join(text.split())


def test_variety() -> None:
    assert distinct("a b a b", 1) == 0.5
    assert distinct("a b a b", 2) == pytest.approx(2 / 3)
    assert distinct("春天来了春天", 2) == pytest.approx(4 / 5)
    assert distinct("a", 2) == distinct("", 1) == 1.0
    assert repetition("a b c d " * 2) == pytest.approx(1 / 5)
    assert repetition("a b c d e f g") == repetition("") == 0.0


def test_gzip_ratio_grows_with_repetition() -> None:
    rng = random.Random(1)
    varied = " ".join(str(rng.random()) for _ in range(500))
    assert gzip_ratio("the same again " * 500) > 10 * gzip_ratio(varied) > 10
    assert gzip_ratio("") == 0
    assert gzip_ratio("\ud800") > 0


def naive_rouge(a: list[str], b: list[str]) -> float:
    row = [0] * (len(b) + 1)
    for x in a:
        new = [0]
        for j, y in enumerate(b):
            new.append(row[j] + 1 if x == y else max(row[j + 1], new[j]))
        row = new
    return 2 * row[-1] / (len(a) + len(b)) if a and b else 0.0


SENTENCES = st.lists(st.sampled_from(["a", "b", "Cat", "cat", "über", "1"]), max_size=12)


@given(SENTENCES, SENTENCES)
def test_rouge_l_is_the_longest_common_subsequence(a: list[str], b: list[str]) -> None:
    expected = naive_rouge([w.lower() for w in a], [w.lower() for w in b])
    assert rouge_l(" ".join(a), ", ".join(b) + "!") == pytest.approx(expected)


def test_rouge_l_of_examples() -> None:
    assert rouge_l("Write a story.", "write, a STORY") == 1.0
    assert rouge_l("写一个故事。", "写一个童话") == pytest.approx(2 * 3 / 10)
    assert rouge_l("", "") == rouge_l("?!", "?!") == rouge_l("。", "。") == 0.0


@given(st.lists(SENTENCES.map(" ".join), max_size=8), SENTENCES.map(" ".join), st.floats(0.1, 1.0))
def test_near_duplicates_are_those_of_a_plain_search(
    pool: list[str], text: str, threshold: float
) -> None:
    near = NearDuplicates(pool[:4], threshold)
    for other in pool[4:]:
        near.add(other)
    assert len(near) == len(pool)
    similarities = [rouge_l(text, other) for other in pool]
    if all(abs(s - threshold) > 1e-9 for s in similarities):
        assert near.matches(text) == any(s > threshold for s in similarities)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("Write a long story about an old dog.", True),
        ("Write a long tale about an old dog at sea.", True),
        ("Describe the harbour at dawn.", False),
        ("写一篇关于秋天的散文", True),
        ("介绍一下量子力学", False),
        ("", False),
        ("\ud800", False),
    ],
)
def test_near_duplicates_of_instructions(text: str, near: bool) -> None:
    pool = ["Write a long story about an old dog.", "写一篇关于秋天的长篇散文。", ""]
    assert NearDuplicates(pool).matches(text) == near


def test_the_threshold_itself_is_near() -> None:
    assert NearDuplicates(["a b c d e f g h i j"]).matches("a b c d e f g x y z")
    assert not NearDuplicates(["a b c d e f g h i j"], 0.71).matches("a b c d e f g x y z")


@pytest.mark.parametrize("measure", [word_count, has_repeat, gzip_ratio, tokens, paragraphs])
def test_200_000_words_are_a_text(measure: Callable[[str], object]) -> None:
    assert measure("word " * 200_000)


def test_a_seed_of_200_000_words_may_be_in_the_pool() -> None:
    near = NearDuplicates(["word " * 200_000, "Write a story."])
    assert near.matches("write a story")
    assert not near.matches("word " * 400)
