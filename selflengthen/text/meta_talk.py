"""Talk about the task: "Here is the revised version", "I hope this helps", "以下是扩写后的文章".

Only the edges of a text are read, and a pattern must name the work itself (a version, a draft,
what was asked for): "Here is where the river bends" is how a story begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

# Read are this many lines at each end, and of a line so many characters.
_LINES, _SIZE = 2, 300

_WORK = "(?:version|draft|rewrite|revision|expansion|continuation|response|output)"
_PIECE = (
    "(?:story|essay|article|text|piece|poem|novel|chapter|report|narrative|outline|passage"
    "|speech|script|post|guide|review|paragraphs?|content)"
)
_ANY = f"(?:{_WORK}|{_PIECE})"
_MADE = "(?:expanded|rewritten|lengthened|enriched|reworked|elaborated)"
_DONE = f"(?:{_MADE}|extended|revised|improved|polished|longer|more detailed)"
_HERE = "(?:here(?: is|'s| are)|below (?:is|are)|the following is)"
_SURE = "(?:sure|certainly|of course|absolutely|okay|ok|great|no problem|understood)[,.!:— -]+"
_DO = "(?:expand|extend|rewrite|revise|provide|write|create|draft|craft|elaborate|continue)"

_MADE_ZH = "(?:扩写|续写|改写|重写|扩充|润色)"
_DONE_ZH = f"(?:{_MADE_ZH}|扩展|修改|修订|完善|优化|丰富|补充)"
_PIECE_ZH = (
    "(?:版|文章|内容|文本|全文|正文|故事|作文|草稿|文稿|稿件|小说|散文|大纲|报告|回答|回复|段落)"
)
_SOURCE_ZH = "(?:大纲|提纲|草稿|原文|上文|指令|提示)"

# At the beginning of a first line.
_FIRST = (
    rf"{_SURE}{_HERE} (?:\S+ ){{0,6}}{_ANY}\b",
    rf"{_SURE}(?:i(?:'ll| will| can|'d be| would be)|let me)\b.{{0,30}}\b{_DO}",
    rf"{_HERE} (?:[\w,-]+ ){{0,5}}{_DONE}(?:[ ,-]+\w+){{0,3}} {_ANY}\b",
    rf"{_HERE} (?:\S+ ){{1,4}}{_WORK} (?:based on|for you\b|of your|with (?:more|added|addition))",
    rf"{_HERE} (?:(?!(?:of|in|from) (?:this|the|our)\b)\S+ ){{1,6}}{_ANY}\b[^.!?]*:\W*$",
    rf"{_HERE} .{{0,60}}\byou (?:asked|requested|wanted)\b",
    rf"based on (?:the|your)(?: \w+)? (?:outline|draft|prompt|instructions?)\b.{{0,40}}"
    rf"\b(?:here|below|following|i(?:'ll|'ve)?) (?:is|are|have|will|{_MADE})\b",
    r"as an? (?:ai\b|(?:large )?language) ?(?:language )?(?:model|assistant)\b",
    r"i(?:'m| am) (?:sorry|afraid),? but .{0,30}\b(?:can't|cannot|unable to) .{0,40}\brequest",
    r"i (?:can't|cannot) (?:fulfill?|assist with|comply with|complete) (?:this|that|your|the) ",
    rf"{_DONE} {_WORK}\W*$",
    r"assistant\s*:",
    "(?:好的?|当然(?:可以)?|没问题|可以|明白了?)[，,！!。：: ]+"
    f"(?:以下是|下面是|这里是|(?:我|让我|根据)[^。！？]{{0,12}}(?:{_DONE_ZH}|写|创作|提供|生成))",
    f"(?:以下|下面|这里)(?:就?是|为)[^。！？]{{0,30}}{_DONE_ZH}[^。！？]{{0,6}}{_PIECE_ZH}",
    "(?:以下|下面|这里)(?:就?是|为)"
    f"[^。！？]{{0,40}}(?<!主要)(?<!核心)(?<!具体)(?<!重点){_PIECE_ZH}[^。！？的]{{0,8}}[：:]\\W*$",
    "(?:以下|下面)(?:就?是|为)(?:我)?(?:为|根据|按照|基于|应)(?:您|你)",
    f"(?:根据|按照|基于)[^。！？]{{0,20}}(?:{_SOURCE_ZH}|要求)[^。！？]{{0,15}}{_MADE_ZH}",
    f"(?:根据|按照|基于)[您你][^。！？]{{0,12}}(?:{_SOURCE_ZH}|要求)[^。！？]{{0,10}}(?:以下|下面)",
    "作为一?[个名款位]?(?:大?型?语言模型|(?:ai|人工智能)(?:语言模型|助手|助理))",
    "[很非]?常?(?:抱歉|对不起)，?(?:我|作为)[^。！？]{0,15}(?:无法|不能)"
    "[^。！？]{0,10}(?:提供|完成|满足|协助|回答|生成)",
)
# At the beginning of a last line.
_LAST = (
    rf"note\s*:.{{0,80}}\b(?:{_DONE} {_ANY}|word count|(?:original|given) "
    r"(?:outline|draft|text|prompt))\b",
    r"end of (?:the )?(?:\w+ )?(?:response|expansion|draft|output|text)\W*$",
    f"(?:以上|上述|上面)(?:就?是|为)[^。！？]{{0,25}}(?:{_MADE_ZH}|[您你]所?(?:要求|需要)的)",
    f"(?:注|说明|备注)\\W*：[^。！？]{{0,40}}(?:{_MADE_ZH}|{_SOURCE_ZH}|字数|篇幅)",
)
# At the beginning of either.
_EDGE = (
    r"(?:total )?word count\s*:\W*(?:about|approximately|over)?\W*\d",
    r"(?:全文|本文|正文|总)?(?:共|约)*字数\W*(?:约|共)?\s*\d+\s*字?\W*$",
    r"(?:全文|本文|正文)[^。]{0,6}\d+\s*(?:余|多)?字\W*$",
)
# Anywhere in a line: what each match holds (so that few patterns are tried), and the pattern.
_WITHIN_LAST = (
    (" helps", r"\bhope (?:this|that|it) helps(?:\s*[.!:;)]|\s*$| you\b)"),
    (
        "hope ",
        rf"\bhope (?:you (?:like|enjoy|find) )?(?:this|the|my)(?: {_DONE})? "
        rf"(?:{_WORK}|story|essay|text|piece|outline)\b.{{0,20}}\b(?:help|meets|what you|satisf)",
    ),
    (
        "let me know if you",
        r"if you(?:'d| would)? (?:like|want|need)\b.{0,40}\b(?:expand|continue|revis|rewrit"
        r"|adjust|modif|elaborat|changes|edits|longer|shorter)",
    ),
    ("would you like me to ", r"me to (?:continue|expand|revise|rewrite|elaborate|write|add)\b"),
    (
        "feel free to ",
        r"to (?:modify|adjust|customi[sz]e|edit|tweak|adapt) (?:"
        rf"(?:this|the|it|any)\b.{{0,30}}\b(?:{_ANY}|tone|style|wording|details?)\b"
        r"|(?:this|it)\b.{0,20}\b(?:as (?:needed|you)|your needs))",
    ),
    (
        "希望",
        f"希望(?:我的|这些|这[个篇份段]?|以上|上述|它)?(?:{_DONE_ZH}|建议|信息|版本|{_PIECE_ZH})?"
        "(?:能够?|会|可以)?(?:对[您你]们?(?:能|会)?有?所?帮助|帮助?到?[您你]|(?:符合|满足)了?[您你]的)",
    ),
    (
        "如",
        "(?:如果|如|若)[^。！？]{0,20}(?:修改|调整|扩写|续写|润色|改写)"
        "[^。！？]{0,20}(?:告诉我|告知我|随时提出|请说)",
    ),
    ("要我", "要我(?:继续|再|接着)?(?:写|扩写|续写|修改|补充)[^。！？]{0,10}[吗么][？?]"),
)
_WITHIN = (
    (
        "ve ",
        rf"\bi(?:'ve| have)(?: \w+)? {_MADE}(?: on| upon)? (?:the|your|this)(?: \w+)? "
        rf"(?:{_ANY}|original)\b",
    ),
    ("this ", rf"\bthis {_MADE} {_ANY}\b"),
    ("version of ", rf"\b{_MADE} version of (?:the|your)(?: \w+)? {_ANY}\b"),
    ("revised version of your ", r"revised"),
    ("word count", r"\b(?:reach|meet)\w* the (?:required|requested|target) word count\b"),
    (" next ", r"\bin (?:my|the) next (?:response|message|reply)\b"),
    *((made, f"{made}(?:后|过|之后|完成后?)的{_PIECE_ZH}") for made in _MADE_ZH[3:-1].split("|")),
    *(
        (has, f"{has}经?(?:对|将|把)[^。！？]{{0,4}}{_SOURCE_ZH}[^。！？]{{0,12}}{_DONE_ZH}")
        for has in "我已"
    ),
    ("篇幅", "篇幅(?:所限|有限|限制|原因)[^。！？]{0,10}(?:省略|无法继续|无法完整)"),
)
# Taken off before the beginning of a line is read. Not quotes: a story may begin with speech.
_DRESS = " \t*_#>`~—=-(（[【"


class _Talk:
    """Patterns for one end of a text."""

    def __init__(self, begin: tuple[str, ...], within: tuple[tuple[str, str], ...]) -> None:
        self.begin = re.compile("|".join(f"(?:{pattern})" for pattern in begin + _EDGE))
        self.within = [(word, re.compile(pattern)) for word, pattern in within + _WITHIN]

    def found(self, line: str) -> bool:
        line = line.strip().lower().replace("’", "'")
        return bool(self.begin.match(line.lstrip(_DRESS))) or any(
            word in line and pattern.search(line) for word, pattern in self.within
        )


@cache  # compiled with the first text: that takes a tenth of a second, too long for --help
def _ends() -> tuple[_Talk, _Talk]:
    return _Talk(_FIRST, ()), _Talk(_LAST, _WITHIN_LAST)


def about_task(text: str) -> bool:
    """Say whether one of the first two or last two lines that are not blank talks of the task."""
    at_first, at_last = _ends()
    return any(at_first.found(line[:_SIZE]) for line in _lines(text)) or any(
        at_last.found(line[-_SIZE:]) for line in _lines_backwards(text)
    )


def _lines(text: str) -> Iterator[str]:
    """Yield the first lines, blank ones left out, without splitting all of the text."""
    start, left = 0, _LINES
    while left and 0 <= start < len(text):
        end = text.find("\n", start)
        line = text[start:] if end < 0 else text[start:end]
        if line.strip():
            left -= 1
            yield line
        start = end + 1 if end >= 0 else -1


def _lines_backwards(text: str) -> Iterator[str]:
    """Yield the last lines, the very last first, blank ones left out."""
    end, left = len(text), _LINES
    while left and end >= 0:
        start = text.rfind("\n", 0, end) + 1
        line = text[start:end]
        if line.strip():
            left -= 1
            yield line
        end = start - 1
