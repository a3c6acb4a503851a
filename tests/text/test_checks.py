"""Each check on texts that it must pass and texts that it must refuse, English and Chinese."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selflengthen.text.checks import Checks, empty, ending, finish, language, repeats, task_talk

ENGLISH = (
    "The old keeper climbed the stairs of the lighthouse every evening and lit the lamp. "
    "Far below, the fishing boats came home with the tide, and he counted them one by one.\n\n"
    "One evening in autumn a boat was missing. He waited at the rail until the fog came in."
)
CHINESE = (
    "秋天的傍晚，老人沿着山路慢慢走回村子。路旁的柿子树挂满了果实，远处传来孩子们的笑声。\n\n"
    "他停下脚步，想起许多年前离家的那个早晨，母亲站在门口，一直望到他转过山坳。"
)
FRENCH = (
    "Le vieux gardien montait chaque soir l'escalier du phare et allumait la lampe. En bas, les "
    "bateaux de pêche rentraient avec la marée, et il les comptait un par un jusqu'à la nuit."
)
GERMAN = (
    "Der alte Wärter stieg jeden Abend die Treppe des Leuchtturms hinauf und zündete die Lampe an. "
    "Tief unten kehrten die Fischerboote mit der Flut heim, und er zählte sie alle."
)
JAPANESE = (
    "秋の夕暮れ、老人は山道をゆっくりと村へ帰っていった。遠くから子どもたちの笑い声が聞こえてくる。"
)
RUSSIAN = "Старый смотритель каждый вечер поднимался по лестнице маяка и зажигал лампу над морем."


@pytest.mark.parametrize(
    ("reason", "rejection"),
    [
        ("stop", None),
        ("length", "length"),
        ("repetition", "repetition"),
        ("abort", "unfinished"),
        ("error", "unfinished"),
        ("", "unfinished"),
    ],
)
def test_finish(reason: str, rejection: str | None) -> None:
    assert finish(reason) == rejection


@pytest.mark.parametrize("text", ["", " \n\t", "...", "\x00\x1b", "\ud800", "　。！", "***", "___"])
def test_empty(text: str) -> None:
    assert empty(text) == "empty"


@pytest.mark.parametrize("text", ["a", "好", "7", "\x00a", "é", "ж", "ก"])
def test_not_empty(text: str) -> None:
    assert empty(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "It was over.",
        "Was it over?\n\n",
        "“It is over!”",
        '"It is over."',
        "(And so it ended.)",
        "**And so it ended.**",
        "He waited…",
        "He waited...",
        "It came to 3.14 in 2024.",
        "Use the command `run.`",
        "他回家了。",
        "他回家了！\n",
        "他问：“你好吗？”",
        "『終わった。』",
        "（完。）",
        "他等着……",
        "真的吗?",
        "我们使用 GPU.",
        "他说：“Goodbye.”",
        "यह समाप्त हुआ।",
        "هل انتهى؟",
        "จบแล้ว",
    ],
)
def test_ends(text: str) -> None:
    assert ending(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "It was",
        "It was,",
        "It was:",
        "It was; (so)",
        "“It was",
        "It was over.\n\n## Chapter 2",
        "他回家了",
        "他回家了，",
        "他回家了：",
        "他回家了.",
        "他说“他回家了”",
        "",
        "```",
        "\ud800",
        "over.\x00",
    ],
)
def test_does_not_end(text: str) -> None:
    assert ending(text) == "no ending"


TITLES = [
    "**What Comes Next?**",
    "__The End of the Road!__",
    "Chapter 12.",
    "**Part II.**",
    "*Scene Three.*",
    "第三章。",
]


@pytest.mark.parametrize("title", TITLES)
def test_a_title_is_no_ending(title: str) -> None:
    assert ending(f"{ENGLISH}\n\n{title}") == "no ending"
    assert ending(f"{ENGLISH}\n\n{title}", version=1) is None


@pytest.mark.parametrize("divider", ["---", "***", "* * *", "___", "———", "===", "~~~~"])
def test_a_divider_is_no_ending(divider: str) -> None:
    assert ending(f"{ENGLISH}\n\n{divider}") == "no ending"


@pytest.mark.parametrize(
    "line",
    [
        "**And so it ended.**",
        "**“What comes next?”**",
        "What comes next?",
        "He had read it all, to the last page of chapter 12.",
        "He opened part two.",
        "**Remember:** nobody is coming!",
        "他读完了第三章。",
    ],
)
def test_a_sentence_is_no_title(line: str) -> None:
    assert ending(f"{ENGLISH}\n\n{line}") is None


TALK_FIRST = [
    "Here is the revised version:",
    "Here is the revised version of the story, with more detail.",
    "Here's an expanded version of the text:",
    "Here’s a longer and more detailed draft.",
    "**Here is the extended story:**",
    "(Here is the expanded article.)",
    "Below is a rewritten and enriched version of your outline.",
    "The following is an expanded version of the given text.",
    "Sure! Here is a story about a dog.",
    "Certainly, I'll expand the outline into a full text.",
    "Of course! Let me write a longer version.",
    "Here is the essay you requested.",
    "Here is a short story about the sea:",
    "I have expanded the original text as follows.",
    "As an AI language model, I have no childhood.",
    "I'm sorry, but I can't help with that request.",
    "I cannot fulfill this request.",
    "Based on the provided outline, I have expanded each part.",
    "Expanded version:",
    "Word count: 2,000",
    "以下是扩写后的文章：",
    "以下是根据您的要求修改后的版本。",
    "下面是一篇关于秋天的散文：",
    "好的，以下是我的回答。",
    "当然！我来为您扩写这篇文章。",
    "根据您提供的大纲，我扩写如下。",
    "根据你的要求，以下是正文。",
    "作为一个人工智能语言模型，我没有感情。",
    "抱歉，我无法提供这类内容。",
    "【扩写后的文章】",
]
TALK_LAST = [
    "I hope this helps!",
    "Hope this helps.",
    "I hope this expanded version meets your needs.",
    "Let me know if you would like me to expand any part further.",
    "Let me know if you’d like any changes.",
    "Would you like me to continue?",
    "Feel free to adjust the tone.",
    "Feel free to modify any part of the story.",
    "Feel free to adapt it as needed.",
    "This expanded version adds depth to every scene.",
    "Note: I kept to the original outline.",
    "(Word count: 2,134)",
    "The story will go on in my next response.",
    "[End of response]",
    "希望对你有帮助。",
    "希望这篇文章能对您有所帮助！",
    "希望以上内容符合您的要求。",
    "如果需要进一步修改，请随时告诉我。",
    "以上是为您扩写的故事。",
    "（全文约2000字）",
    "字数：2000字",
    "（注：本文在原文基础上扩写而成。）",
    "由于篇幅有限，此处省略其余部分。",
    "需要我继续写下去吗？",
]


@pytest.mark.parametrize("line", TALK_FIRST)
def test_talk_in_the_first_lines(line: str) -> None:
    assert task_talk(f"{line}\n\n{ENGLISH}") == "task talk"
    assert task_talk(f"# Title\n\n{line}\n{ENGLISH}") == "task talk"


def test_thinking_aloud_is_task_talk() -> None:
    assert task_talk(f"The user wants a story about bread.\n</think>\n\n{ENGLISH}") == "task talk"


@pytest.mark.parametrize("line", TALK_LAST)
def test_talk_in_the_last_lines(line: str) -> None:
    assert task_talk(f"{ENGLISH}\n\n{line}") == "task talk"
    assert task_talk(f"{ENGLISH}\n\n{line}\n---\n  \n") == "task talk"


@pytest.mark.parametrize("line", [*TALK_FIRST, *TALK_LAST])
def test_version_1_took_talk_in_the_middle_for_a_part_of_the_text(line: str) -> None:
    assert task_talk(f"{ENGLISH}\n{line}\n{ENGLISH}", version=1) is None


@pytest.mark.parametrize(
    "line",
    [
        "Here is where the river bends.",
        "Here is the house where I was born, and here the gate.",
        "Here's to the ones who dream.",
        "Here is the story of how my grandfather crossed the sea.",
        "Below is the valley, green and still.",
        "This is the version of events that my mother tells.",
        "“Sure, I'll go,” said Tom.",
        "Sure, I was afraid, but I went.",
        "Certainly, the town had seen better days.",
        "Great, she thought, another letter.",
        "As an AI researcher, Mira had seen such claims before.",
        "I hope this letter finds you well.",
        "I hope this, too, will pass.",
        "Dear Ms Lee, as requested, please find the figures below.",
        "Please let me know if you have any questions.",
        "Let me know if you want to come along.",
        "Feel free to contact me at any time.",
        "Feel free to adjust the seasoning to taste.",
        "Feel free to modify the configuration to fit your network.",
        "Here are the key points of this report:",
        "以下是本次培训的主要内容：",
        "以下是本报告的三个要点：",
        "The next response came from the harbour.",
        "Note: the ferry leaves at nine.",
        "I cannot write this letter without tears.",
        "I can't help with the feeling that something is wrong.",
        "The End.",
        "以下是本次会议的三项决定。",
        "这是一个不断完善的过程。",
        "好的，她点了点头，转身走了。",
        "当然，他并没有忘记。",
        "根据最新的统计，城市人口继续增长。",
        "作为一名人工智能研究者，她见过许多这样的说法。",
        "希望你一切都好。",
        "希望明天是个晴天。",
        "如有任何问题，请随时与我们联系。",
        "以上三点缺一不可。",
        "注：本表数据来自国家统计局。",
        "对不起，我不能陪你去了。",
    ],
)
def test_lines_that_are_no_talk(line: str) -> None:
    assert task_talk(line) is None
    assert task_talk(f"{line}\n\n{ENGLISH}\n\n{CHINESE}\n\n{line}") is None


@pytest.mark.parametrize(
    ("instruction", "text"),
    [
        ("Write a story about a lighthouse.", ENGLISH),
        ("Write a story about a lighthouse.", ENGLISH * 20),
        ("Poem", ENGLISH),
        ("写一篇关于秋天的散文。", CHINESE),
        ("秋天", CHINESE),
        ("写一篇关于秋天的散文。", CHINESE * 30),
        ("寫一篇關於秋天的散文。", CHINESE),
        ("以白鹿原中女性形象的分析写一篇8000字的论文", CHINESE),
        ("Écris une longue histoire sur un vieux phare au bord de la mer.", FRENCH),
        ("Schreibe eine lange Geschichte über einen Leuchtturm.", GERMAN),
        ("秋についてのエッセイを書いてください。", JAPANESE),
        ("Напиши длинный рассказ о маяке.", RUSSIAN),
        ("Write a story about a lighthouse in French.", FRENCH),
        ("Write a German essay on duty.", GERMAN),
        ("用英文写一篇关于灯塔的故事。", ENGLISH),
        ("请用日语写一篇散文。", JAPANESE),
        ("Write about Chinese tea.", ENGLISH),
        ("Écris en anglais une histoire sur un phare.", ENGLISH),
        ("Write a story.", "Ok."),
        ("", ENGLISH),
        ("\ud800\x00", ENGLISH),
        ("Write a story about a lighthouse.", "\x00\ud800 " * 2000),
        ("Write a story about a lighthouse.", ENGLISH * 10 + FRENCH + ENGLISH * 10),
    ],
)
def test_language_that_was_wanted(instruction: str, text: str) -> None:
    assert language(text, instruction) is None


@pytest.mark.parametrize(
    ("instruction", "text"),
    [
        ("Write a story about a lighthouse.", CHINESE),
        ("Write a story about a lighthouse.", FRENCH),
        ("Write a story about a lighthouse.", RUSSIAN),
        ("Poem", CHINESE),
        ("写一篇关于秋天的散文。", ENGLISH),
        ("写一篇关于秋天的散文。", JAPANESE),
        ("秋天", ENGLISH),
        ("Écris une longue histoire sur un vieux phare au bord de la mer.", ENGLISH),
        ("Schreibe eine lange Geschichte über einen Leuchtturm.", ENGLISH),
        ("Write a story about a lighthouse in French.", CHINESE),
        ("用英文写一篇关于灯塔的故事。", FRENCH),
        ("Write a story about a lighthouse.", ENGLISH * 6 + CHINESE * 14),
        ("写一篇关于秋天的散文。", CHINESE * 20 + ENGLISH * 10),
    ],
)
def test_language_that_was_not_wanted(instruction: str, text: str) -> None:
    assert language(text, instruction) == "language"


def test_repeats_takes_both_sizes() -> None:
    assert repeats("one two three one two three") is None
    assert repeats("one two three one two three", words=3) == "repeats"
    assert repeats("春天来了春天来了") is None
    assert repeats("春天来了春天来了", chars=4) == "repeats"


@pytest.mark.parametrize(
    ("text", "reason", "rejection"),
    [
        (ENGLISH, "stop", None),
        (ENGLISH, "length", "length"),
        ("", "length", "length"),
        ("", "stop", "empty"),
        (ENGLISH + " And", "stop", "no ending"),
        ("Here is the revised version:\n" + ENGLISH, "stop", "task talk"),
        (CHINESE, "stop", "language"),
        (ENGLISH + " " + ENGLISH, "stop", "repeats"),
    ],
)
def test_the_first_reason_is_given(text: str, reason: str, rejection: str | None) -> None:
    assert Checks().reject(text, reason, "Write a story about a lighthouse.") == rejection


def test_chinese_passes_all_checks() -> None:
    assert Checks().reject(CHINESE, "stop", "写一篇关于秋天的散文。") is None
    assert Checks().reject(CHINESE + CHINESE, "stop", "写一篇关于秋天的散文。") == "repeats"


def test_checks_can_be_left_out() -> None:
    talk = f"Here is the revised version:\n{CHINESE}，"
    asked = "Write a story about a lighthouse."
    assert Checks().reject(talk, "stop", asked) == "no ending"
    assert Checks(ending=False).reject(talk, "stop", asked) == "task talk"
    assert Checks(ending=False, task_talk=False).reject(talk, "stop", asked) == "language"
    none = Checks(ending=False, task_talk=False, language=False)
    assert none.reject(talk, "stop", asked) is None
    assert Checks(repeat_words=2).reject("A cat and a cat and so on.", "stop", asked) == "repeats"


ODD = st.text("aA .。“”好\n\t\x00\x1b\ud800😀{}%<|>*:：", max_size=80)


REASONS = {"empty", "no ending", "refusal", "task talk", "assistant talk", "language", "repeats"}


@given(ODD | st.text(max_size=80), ODD | st.text(max_size=80))
def test_any_text_gets_a_verdict(text: str, instruction: str) -> None:
    rejection = Checks().reject(text, "stop", instruction)
    assert rejection is None or rejection in REASONS
    assert Checks().reject(text, "stop", instruction) == rejection


def test_an_instruction_of_200_000_words_is_data() -> None:
    asked = "{{ instruction }} <|im_end|> " + "Write a story about a dog and a cat. " * 22_000
    assert Checks().reject(ENGLISH, "stop", asked) is None
    assert Checks().reject(CHINESE, "stop", asked) == "language"
    assert Checks().reject(asked, "stop", asked) == "repeats"
