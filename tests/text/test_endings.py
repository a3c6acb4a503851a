"""How whole texts end, and how texts that were cut off do, in English and Chinese."""

from __future__ import annotations

import time

import pytest

from selflengthen.text.checks import ending
from selflengthen.text.endings import ends

LETTER = "Dear Ms Lee,\n\nI would like to thank you for the kind welcome in Boston.\n\n"
LETTER_ZH = "尊敬的李老师：\n\n感谢您在过去一年里对我的帮助和指导。\n\n"
TABLE = "The prices:\n\n| Fruit | Price |\n| --- | ---: |\n| Apple | 3 |\n"

WHOLE = [
    # Signatures, and blanks for them.
    LETTER + "Sincerely,\nJane Doe",
    LETTER + "Sincerely,\n\nJane Doe\nHead of Marketing\nAcme Ltd",
    LETTER + "Sincerely,\n\n[Your Name]",
    LETTER + "Sincerely,\n[Name]\n[Contact Information]",
    LETTER + "**Best regards,**\n\n**Jane Doe**",
    LETTER + "Best regards, Jane",
    LETTER + "Kind regards\nTom",
    LETTER + "Yours faithfully,\nDr. A. B. Smith\n+44 20 7946 0958",
    LETTER + "With love and gratitude,\nmom",
    LETTER + "Thank you,\nJane Doe\njane.doe@example.com",
    LETTER + "[Your Name]",
    LETTER + "Date: [Date]",
    LETTER + "[City, State] [Date]",
    LETTER + "Mit freundlichen Grüßen\nHans Müller",
    "We shall overcome.\n\n— Jane Doe",
    "“Be brave.”\n\n-- Maria von Trapp, The Long Way",
    "They lived there ever after.\n\nThe End",
    "They lived there ever after.\n\n— END —",
    LETTER_ZH + "此致\n敬礼",
    LETTER_ZH + "此致\n敬礼！\n\n张三\n2024年5月1日",
    LETTER_ZH + "此致 敬礼",
    LETTER_ZH + "祝您身体健康！\n\n您的学生\n李明",
    LETTER_ZH + "顺祝商祺\n\n王经理",
    LETTER_ZH + "敬请台安\n\n王明",
    LETTER_ZH + "即颂近安！\n\n王明",
    "市政府周二表示，大桥将于下月关闭。（完）",
    LETTER_ZH + "学生 李明 敬上",
    LETTER_ZH + "【您的姓名】",
    LETTER_ZH + "[公司名称]\n[日期]",
    "请各部门遵照执行。\n\n北京市教育局\n二〇二四年五月一日",
    "请各部门遵照执行。\n\n××公司\nXXXX年XX月XX日",
    "世上本没有路，走的人多了，也便成了路。\n\n——鲁迅",
    "他们从此过上了幸福的生活。\n\n（全文完）",
    "他们从此过上了幸福的生活。\n\n完",
    # Emoji.
    "Happy birthday, my dear friend! 🎉",
    "Thank you all. ❤️ 👨‍👩‍👧 🇫🇷",
    "欢迎大家点赞、收藏、转发！❤️",
    # Code, with fences and without.
    "Call it like this:\n\n```python\nprint(add(1, 2))\n```",
    "这样调用：\n\n```python\nprint(add(1, 2))\n```\n",
    "Then:\n\n~~~\nmake install\n~~~",
    "1. Run it:\n   ```sh\n   make\n   ```",
    "#include <stdio.h>\nint main() {\n  printf(\"hi\");\n  return 0;\n}",
    "def add(a, b):\n    return a + b\n\nprint(add(1, 2))",
    "def add(a, b):\n    return a + b",
    "for name in names:\n    total += 1",
    "x = add(1, 2)  # 3",
    "const f = (a) => {\n  return a;\n};",
    "SELECT name FROM users WHERE age > 18 ORDER BY name;",
    "if [ -f x ]; then\n  echo yes\nfi",
    "\\begin{document}\nHello\n\\end{document}",
    # Data and markup.
    '{"name": "Jane", "age": 7}',
    'The answer is:\n\n{\n  "name": "Jane",\n  "tags": ["a", "b"]\n}',
    '结果如下：\n\n{\n  "姓名": "张三"\n}',
    '[{"a": 1}, {"a": 2}]',
    "<!DOCTYPE html>\n<html>\n<body>\n<p>Hi</p>\n</body>\n</html>",
    "<p>And so it ended</p>",
    "<note>\n  <to/>\n</note>",
    TABLE + "| Pear | 4 |",
    TABLE,
    "价格如下：\n\n| 水果 | 价格 |\n|---|---|\n| 苹果 | 三元 |",
    "Fruit | Price\n--- | ---\nApple | 3",
    # Links.
    "More of it is at https://example.com/a/b?c=1",
    "More of it is at <https://example.com/>",
    "Write to us: jane.doe@example.com",
    "Read [the manual](https://example.com/manual)",
    "Read **[the manual][1]**",
    "更多信息请访问：https://example.com/news",
    "联系我们：news@example.com",
    "详情见[官方网站](https://example.com)",
]  # fmt: skip

CUT = [
    # Headings and titles, and images.
    "It was over.\n\n## Chapter 2",
    "It was over.\n\n## What comes next?",
    "他回家了。\n\n## 第二章：真的结束了吗？",
    "# The Lighthouse",
    "It was over.\n\n**Chapter 2**",
    "他回家了。\n\n第二章 归途",
    "他回家了。\n\n三、结语",
    "他回家了。\n\n【第二部分】",
    "It was over.\n\n[Chapter 2]",
    "It was over.\n\n[Verse 2]",
    "<p>It was over.</p>\n<h2>Chapter 2</h2>",
    "A library.\n\n![build](https://example.com/build.svg)",
    "A library.\n\n[![build](https://example.com/b.svg)](https://example.com)",
    "A library.\n\n![a](https://example.com/a.svg) ![b](https://example.com/b.svg)",
    "A library.\n\n[![a][1]][2] [![b][3]][4]",
    "一个库。\n\n![构建](https://example.com/build.svg)",
    'A library.\n\n<img src="https://example.com/a.svg">',
    # Sentences.
    "It was",
    "He went down to the sea and",
    "He said (and he meant it)",
    "See you 😊",
    "It was great!\n✅",
    "It was over.\n\n## What comes next? 🎉",
    "1. First wake up.\n2. Then drink water.\n3.",
    "The steps are these.\n\n1.",
    "步骤如下。\n\n1. 早睡。\n2.",
    "He went down (as always);",
    "I worked at [Company Name]",
    "As others have shown [1]",
    "We went to https://example.com and",
    "Read [the manual](https://example.com/manual) before",
    "The list is [a, b",
    "Dear Ms Lee,\n\nI would like to",
    "他走到海边，然后",
    "他走到海边（和往常一样）",
    "我在【公司名称】工作",
    "请访问 https://example.com 然后",
    # Letters.
    LETTER + "Sincerely,",
    LETTER + "Sincerely,\nI hope that we",
    LETTER + "Sincerely,\nJane Doe\njane.doe@example.com |",
    LETTER + "Sincerely,\nJane Doe and all the others who came to the harbour with",
    LETTER + "Sincerely,\nJane Doe\n\n## Part 2",
    LETTER + "Best regards, and I hope that",
    "She looked at him.\n\n— And then he",
    "He left.\n\nThe end of the",
    LETTER_ZH + "此致\n敬礼\n\n附件一：",
    LETTER_ZH + "祝您",
    "请全体员工准时参加。\n\n特此",
    "敬请光临。\n\n人事",
    "请大家注意安全。\n\n此外",
    "任务还没（完）",
    # Code, data and markup.
    "Call it like this:\n\n```python",
    "Call it like this:\n\n```python\nprint(add(1, 2))",
    "A:\n```\na\n```\nB:\n```",
    "int main() {\n  printf(\"hi\");",
    "def add(a, b):",
    "print(add(1,",
    "for (i = 0;",
    "return home",
    '{"name": "Jane", "age":',
    '{\n  "name": "Jane",\n  "tags": ["a", "b"]',
    '{\n  "people": [\n    {"name": "Jane"},',
    '{\n  "people": {\n    "name": "Jane"\n  }',
    "<html>\n<body>\n<p>Hi</p>",
    "<ul>\n<li>One</li>",
    "<p>It was",
    "The prices:\n\n| Fruit | Price |",
    "The prices:\n\n| Fruit | Price |\n| --- | --- |",
    TABLE + "| Pear",
    "价格如下：\n\n| 水果 | 价格 |\n|---|---|",
    "\\begin{document}\nHello",
]  # fmt: skip


@pytest.mark.parametrize("text", WHOLE)
def test_whole_texts_end(text: str) -> None:
    assert ending(text) is None
    assert ending(f"{text}\n  \n") is None


@pytest.mark.parametrize("text", CUT)
def test_texts_that_were_cut_off_do_not_end(text: str) -> None:
    assert ending(text) == "no ending"


@pytest.mark.parametrize(
    "line", ["[" * 5000 + "]" * 5000, "a" * 50_000, "}" * 50_000, "|-" * 20_000, "![" * 20_000,
             "</a" * 20_000, "=(" * 20_000, "a.b@" * 10_000, "a" + "(a" * 9_999 + ")" * 9_999]
)  # fmt: skip
def test_no_line_takes_long(line: str) -> None:
    start = time.thread_time()
    ends(line)
    ends(f"It was\n{line}\n\n{line}")
    assert time.thread_time() - start < 2
