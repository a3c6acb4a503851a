"""Lengths are read from hand-written phrases and from the benchmarks' own instructions."""

from __future__ import annotations

import re
import time
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selflengthen.length.mentions import Kind
from selflengthen.length.requirement import LengthRequirement, read_requirement
from tests.evaluate.data import longbench_write, longen

# An instruction, and `kind low high`, with a `c` if characters are counted; empty for no length.
PHRASES = {
    # About, in English: digits, separators, spelled numbers, wordings.
    "Write a 2000-word story about a lighthouse.": "about 2000",
    "Write a story of 2,000 words.": "about 2000",
    "Write a story of 2 000 words.": "about 2000",
    "Write a story of 2\u202f000 words.": "about 2000",
    "Write a 2k word story.": "about 2000",
    "Write a story, 1.5k words.": "about 1500",
    "Write about two thousand words on whales.": "about 2000",
    "I need a two-thousand-word essay.": "about 2000",
    "Compose twenty-five hundred words on bees.": "about 2500",
    "An essay of one thousand five hundred words, please.": "about 1500",
    "Draft a speech of a hundred and fifty words.": "about 150",
    "Draft a speech of a thousand and five words.": "about 1005",
    "Draft a speech of two thousand and five hundred words.": "about 2500",
    "Draft a speech of two thousand three hundred and twenty-one words.": "about 2321",
    "Write 2,000 (two thousand) words on trade.": "about 2000",
    "Uber driver interview script, around 600 words": "about 600",
    "Explain relativity. Approx. 800 words.": "about 800",
    "Roughly 750 words on tea, give or take.": "about 750",
    "Write 500 words or so about cats.": "about 500",
    "Word count: 1500. Topic: the sea.": "about 1500",
    "Discuss the causes of the war. The word count should be around 3,200.": "about 3200",
    "Write an article with a length of 900 words.": "about 900",
    "Write a 200 words abstract for the paper: On Novels": "about 200",
    "Exactly 512 words on moss.": "about 512",
    "Keep the story within about 4000 words.": "about 4000",
    "Write a tweet of 280 characters.": "about 280 c",
    "An introduction in 1200 Chinese characters": "about 1200 c",
    "WRITE A 10,000-WORD ESSAY ABOUT ANTENNAS": "about 10000",
    "In April 1916 a painter is drafted. Tell his life in 9000 words; he was born in 1890.": (
        "about 9000"
    ),
    "Write a 4000 words introduction about pandas": "about 4000",
    "Tell it from the end. 2000 words that make one weep.": "about 2000",
    "Write two thousand words from the perspective of a dog.": "about 2000",
    "The report must follow this outline:\n1. Introduction\n2. Body\n3. 1200 words": "about 1200",
    # Above.
    "At least 400 words on ferries.": "above 400",
    "The story should be no less than 2000 words long.": "above 2000",
    "It must be not fewer than 1,600 words.": "above 1600",
    "Write more than 5000 words.": "above 5000",
    "Ensure the article exceeds 2000 words in length.": "above 2000",
    "An essay of over 2500 words": "above 2500",
    "Minimum length: 800 words.": "above 800",
    "Write an essay, 800 words minimum.": "above 800",
    "800 words or more on salt": "above 800",
    "Describe it in 3000+ words.": "above 3000",
    "Use a minimum of 1,000 words.": "above 1000",
    "Don't write fewer than 900 words.": "above 900",
    "Your text must not be under 1200 words.": "above 1200",
    "Upwards of 3k words, please.": "above 3000",
    "It should not be shorter than 700 words.": "above 700",
    "Let it extend beyond 2000 words.": "above 2000",
    "It should be more than 7,000 words, excluding references (overview: max 250 words).": (
        "above 7000"
    ),
    # Below.
    "Keep it under 500 words.": "below 500",
    "Answer in less than 300 words.": "below 300",
    "No more than 250 words.": "below 250",
    "It must not exceed 6000 words.": "below 6000",
    "It shouldn't be longer than 900 words.": "below 900",
    "Do not write more than 1100 words.": "below 1100",
    "Never go over 1200 words.": "below 1200",
    "At most 4,000 words": "below 4000",
    "Write up to 350 words.": "below 350",
    "Summarise in 100 words or less.": "below 100",
    "a 500-word limit applies": "below 500",
    "The word limit is 1500.": "below 1500",
    "Max. 600 words, in German": "below 600",
    "Stay within 3000 words.": "below 3000",
    "Limit your answer to 200 words.": "below 200",
    "Write a bio, 160 characters max.": "below 160 c",
    "Answer in five words or fewer.": "below 5",
    # Ranges.
    "Write 2000-3000 words.": "range 2000 3000",
    "Write 2000–3000 words.": "range 2000 3000",
    "Write between 2000 and 4000 words.": "range 2000 4000",
    "From 500 to 800 words on rain": "range 500 800",
    "A blog post, 2-3k words": "range 2000 3000",
    "Two to three thousand words on dust": "range 2000 3000",
    "A 1,000- to 1,500-word essay": "range 1000 1500",
    "between one thousand and two thousand words": "range 1000 2000",
    "Write between eleven and fifteen words.": "range 11 15",
    "Between twenty-one and twenty-nine words": "range 21 29",
    "between one hundred and two hundred and fifty words": "range 100 250",
    "between one hundred and fifty and two hundred words": "range 150 200",
    "between one thousand and fifteen hundred words": "range 1000 1500",
    "between one hundred and twenty-five hundred words": "range 100 2500",
    "between one hundred thousand and two hundred thousand words": "range 100000 200000",
    "At least 800 words, but no more than 1,000 words.": "range 800 1000",
    "Word count: 1200 - 1500": "range 1200 1500",
    "Stay within a 4000-5000 word range.": "range 4000 5000",
    "500 or 600 words": "range 500 600",
    # 大约
    "写一篇约2500字的读后感。": "about 2500 c",
    "请写一篇两千字的作文": "about 2000 c",
    "写一篇2千字的散文": "about 2000 c",
    "写一部一万五千字的小说": "about 15000 c",
    "写一部一万五的小说，一万五千字左右": "about 15000 c",
    "写一篇1.5万字的报告": "about 15000 c",
    "写一篇2万5千字的论文": "about 25000 c",
    "写个小说，1w字": "about 10000 c",
    "写篇文章，两千五百字左右。": "about 2500 c",
    "法真简介，200字左右": "about 200 c",
    "字数要求：2000左右": "about 2000 c",
    "讲稿字数1400左右。": "about 1400 c",
    "请以春天为题写一篇300词的英语作文": "about 300",
    "写一篇５００字的日记": "about 500 c",
    "写一篇1，000字的日记": "about 1000 c",
    "请将内容控制在约4000字内。": "about 4000 c",
    "请不超过约4000字详细说明。": "about 4000 c",
    "帮我用英文写一篇 2000 words 的文章": "about 2000",
    "写个百字短文": "about 100 c",
    "写一篇近万字的长文": "about 10000 c",
    "2024年2月27日召开会议，请写三千字的报道，共分5个部分。": "about 3000 c",
    "3、1500字，语言生动": "about 1500 c",
    "写一个60字符左右的广告语": "about 60 c",
    # 以上、以下、之间
    "不少于800字。": "above 800 c",
    "字数不得低于1500字": "above 1500 c",
    "写8000字以上": "above 8000 c",
    "至少写五千字": "above 5000 c",
    "文章需超过6000字。": "above 6000 c",
    "写一篇上万字的小说": "above 10000 c",
    "写2000多字的感想": "above 2000 c",
    "约2000字以上": "above 2000 c",
    "对于雷锋精神的推文，200字以内": "below 200 c",
    "字数请控制在5000以内。": "below 5000 c",
    "总字数不能超过7000字": "below 7000 c",
    "请用不超过三百字介绍。": "below 300 c",
    "全文需在7000字以内。": "below 7000 c",
    "最多写500个字": "below 500 c",
    "字数要求少于5000字。": "below 5000 c",
    "150个单词以内": "below 150",
    "输出不要超过100个字符": "below 100 c",
    "Limit: 300 words": "below 300",
    "写2000到3000字": "range 2000 3000 c",
    "写2000~3000字": "range 2000 3000 c",
    "写2000～3000字": "range 2000 3000 c",
    "写2000字至4000字": "range 2000 4000 c",
    "字数在4000至5000之间": "range 4000 5000 c",
    "写两三千字": "range 2000 3000 c",
    "写2到3千字": "range 2000 3000 c",
    "写1-2万字": "range 10000 20000 c",
    "介于800和1000字之间": "range 800 1000 c",
    "不少于800字，不超过1000字": "range 800 1000 c",
    "No fewer than 1,200 and no more than 1,800 words.": "range 1200 1800",
    "It should be longer than 1k words but shorter than 2k words.": "range 1000 2000",
    "写一篇不低于 1,200、不高于 1,500 字的文章": "range 1200 1500 c",
    "三百到五百字": "range 300 500 c",
    # Several lengths: that of the whole.
    "Write a paper of over 5000 words with an abstract (around 500 words).": "above 5000",
    "Cases must be at least 3000 words. A description, limited to 50 words, is required.": (
        "above 3000"
    ),
    "Write 2000 words in total, 500 words per section.": "about 2000",
    "Summarise this 5000-word article in 200 words.": "about 200",
    "Reduce the text from 2000 words to 500 words.": "about 500",
    "Expand it from 500 to 2000 words.": "about 2000",
    "Cut my 3000-word essay to under 1000 words.": "below 1000",
    "把这篇3000字的文章缩写为500字": "about 500 c",
    "写一篇5000字的论文，摘要300字，每章不少于800字": "about 5000 c",
    "Write a plot summary for a film. The summary should be about 4000 words.": "about 4000",
    "Write 3 chapters of 2000 words each, 6000 words in total.": "about 6000",
    "写5段，每段100字，共500字": "about 500 c",
    # None at all.
    "": "",
    "Write a novel about the year 1984.": "",
    "Write a 50-page novel set in 1982.": "",
    "Describe 15 emojis in 3 paragraphs and 2 tables.": "",
    "A dress costs $2,000; in other words, a fortune.": "",
    "In 2024 words like 'rizz' became common. Explain.": "",
    "Write about a company that charges $0.10 per word.": "",
    "What do I charge per 1000 words?": "",
    "I type 80 words per minute. How do I get faster?": "",
    "He writes 500 words a day. Describe his life.": "",
    "Include a 150-word abstract.": "",
    "Write a paper on moss with a 150-word abstract.": "",
    "Write a research paper. The abstract should be 150 words.": "",
    "Write a report including an abstract of 200 words.": "",
    "Write a story in which each chapter has 800 words.": "",
    "Write five letters, 300 words each.": "",
    "Write three 500-word stories.": "",
    "Write 3 500-word stories.": "",
    "Write 4 paragraphs of 100 words.": "about 400",
    "Write five entries of 400 words each.": "about 2000",
    "Please draft three short cover letters (each 250 words).": "about 750",
    "Write me 5 diary entries, each 200 to 300 words long.": "range 1000 1500",
    "Write ten product descriptions of at most 50 words each.": "below 500",
    "Write an essay with 5 paragraphs of 100 words each.": "",
    "Write a story with three chapters of 1000 words each.": "",
    "Write a 2000-word essay with four sections of 400 words each.": "about 2000",
    "Write emails of 100 words each.": "",
    "Write about 3 cats, with 100 words for each.": "",
    "Summarise these 3 articles of 500 words each.": "",
    "Give me 20 words each on 5 topics.": "",
    "A report: each of the four sections should have 300 words.": "",
    "Summarise my 4000-word essay.": "",
    "My essay is 3000 words. Improve it.": "",
    "I wrote 2000 words. Give me feedback.": "",
    "Help me learn 50 new words.": "",
    "Make a list of 100 words that rhyme.": "",
    "Teach me 20 words from Latin.": "",
    "A story with three main characters and 2 dogs": "",
    "A play with 10 characters": "",
    "Use at least 5 characters in the play.": "",
    "Describe yourself in one word.": "",
    "What is a four-letter word?": "",
    "Fix `max_words = 500 words` in this code.": "",
    "Explain:\n```python\nassert n > 500  # words, at least 500 words\n```": "",
    "Read chapter 12. Words matter.": "",
    "A few thousand words will do.": "",
    "How did Microsoft Word 2000 work?": "",
    "The first 100 words decide. Why?": "",
    "How old was he in 1,500 BC? Answer word for word.": "",
    "写一部关于1984年的小说": "",
    "解释四字成语的来历": "",
    "写一首七字诗": "",
    "每天写500字，坚持一年会怎样？": "",
    "稿费每千字100元，合理吗？": "",
    "1000字50元的稿费合理吗？": "",
    "创作五篇日记，每篇400字左右。": "about 2000 c",
    "在日本五天，每天写一篇，共五篇。每篇不少于300字": "above 1500 c",
    "分两部分写，各写1000字": "about 2000 c",
    "写三篇或五篇作文，每篇800字": "",
    "四个类，每个类不超过700字": "",
    "写一篇论文，附300字的摘要": "",
    "写一篇论文，其中摘要不超过300字": "",
    "请评价《一千字情书》这首歌": "",
    "小学生应该认识1000个字": "",
    "背诵3500个单词有什么方法": "",
    "字段长度为200字节": "",
    "这篇5000字的文章写得怎么样？": "",
    "原文5000字，请润色": "",
    "字数不限，写三个角色的故事": "",
    "千字文是谁写的？": "",
    "写几万字的小说难吗": "",
    "字数：3页": "",
    "大学生每月花费2000元，写一篇调查报告": "",
}


def expected(answer: str) -> LengthRequirement | None:
    if not answer:
        return None
    name, *numbers = answer.removesuffix(" c").split()
    kind: Kind = next(kind for kind in get_args(Kind) if kind == name)
    values = [int(number) for number in numbers]
    low = None if kind == "below" else values[0]
    high = None if kind == "above" else values[-1]
    return LengthRequirement(kind, low, high, "characters" if answer.endswith(" c") else "words")


@pytest.mark.parametrize("text", PHRASES)
def test_phrases(text: str) -> None:
    assert read_requirement(text) == expected(PHRASES[text])


def test_the_table_is_large_enough() -> None:
    chinese = [text for text in PHRASES if re.search("[一-鿿]", text)]
    assert len(chinese) >= 60 and len(PHRASES) - len(chinese) >= 80


def truth(row: dict[str, Any]) -> LengthRequirement:
    """Parse `around 2000 words`, `2000字至3000字` and the like without the code under test."""
    numbers = [int(number) for number in re.findall(r"\d+", row["constraint"])]
    return LengthRequirement(
        row["type"],
        None if row["type"] == "below" else numbers[0],
        None if row["type"] == "above" else numbers[-1],
        "words" if row["language"] == "en" else "characters",
    )


def names_a_length(text: str) -> bool:
    """Say whether a number of three digits or more, or a spelled one, stands near a unit."""
    number = r"\d[\d,]{2,}|\d\s?k\b|[一二两三四五六七八九]千|thousand|hundred|[百千万]"
    return (
        re.search(rf"(?i)(?:{number})[^。\n]{{0,12}}?(?:words?\b|字|词)|字数\D*\d", text)
        is not None
    )


def test_longens_instructions_are_read() -> None:
    rows = longen()
    wrong = [
        (row["constraint"], read_requirement(row["query"]))
        for row in rows
        if read_requirement(row["query"]) != (truth(row) if names_a_length(row["query"]) else None)
    ]
    assert len(wrong) <= 0.03 * len(rows), wrong


def test_longbench_writes_instructions_are_read() -> None:
    wrong = []
    for row in longbench_write():
        read = read_requirement(row["prompt"])
        # The benchmark's field has the upper end of a range.
        named = read and (read.low if read.kind == "above" else read.high)
        if named != (row["length"] if names_a_length(row["prompt"]) else None):
            wrong.append((row["length"], read, row["prompt"][:80]))
    assert len(wrong) <= 0.07 * len(longbench_write()), wrong


def test_the_constraints_themselves_are_read() -> None:
    assert [row for row in longen() if read_requirement(row["constraint"]) != truth(row)] == []


@given(st.integers(100, 99_999), st.sampled_from(["{}", "{:,}"]), st.sampled_from("en zh".split()))
def test_any_number_is_read_back(value: int, form: str, language: str) -> None:
    number = form.format(value)
    en, zh = f"Write a story of at least {number} words.", f"写一篇不少于{number}字的故事。"
    unit = "words" if language == "en" else "characters"
    assert read_requirement(en if language == "en" else zh) == LengthRequirement(
        "above", value, None, unit
    )


@given(st.text("1ab,-. \n字词约每个千to至wordsu`《》(（", max_size=200) | st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    requirement = read_requirement(text)
    if requirement is not None:
        low, high = requirement.low, requirement.high
        assert requirement.kind in get_args(Kind) and (low or high)
        assert low is None or high is None or 0 < low <= high


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 10**6))
def test_satisfied(one: int, other: int, words: int) -> None:
    low, high = sorted((one, other))
    assert LengthRequirement("above", low, None).satisfied(words) == (words >= low)
    assert LengthRequirement("below", None, high).satisfied(words) == (0 < words <= high)
    assert LengthRequirement("range", low, high).satisfied(words) == (low <= words <= high)
    assert LengthRequirement("about", low, low).satisfied(words) == (
        4 * low <= 5 * words <= 6 * low
    )


def test_a_text_of_any_length_is_read_quickly() -> None:
    """An instruction may contain a whole book, and no pattern may backtrack without end."""
    long = ["2000 words " * 100_000, "a 5 " * 50_000 + "words", "字" * 200_000, "一" * 9000 + "字"]
    long += [
        f"Write 900 words.\n{'x y. ' * 10**6}",
        "1," * 5000 + "1 words",
        "each " * 2000 + "5 words",
    ]
    long += [
        "《" * 9000 + "5字",
        "write " * 1500 + "the summary: 50 words",
        "not " * 2400 + "5 words",
    ]
    began = time.process_time()
    read = [read_requirement(text) for text in long]
    assert time.process_time() - began < 10
    assert read[4] == LengthRequirement("about", 900, 900)
