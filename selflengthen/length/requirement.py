"""Reads the length that an instruction asks for from its English or Chinese text.

Each length in the text (see mentions.py) is that of the response, of a part of it (a 150-word
abstract, each chapter, 每篇), or of something else (the text to be summarised, a vocabulary, a
price). Only lengths of the response count; of several, the longest is taken, since a response is at
least as long as its parts. If the instruction asks only for parts (five entries of 400 words each),
their length is multiplied by their number. Otherwise there is no requirement; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from selflengthen.length import mentions, numerals
from selflengthen.length.exclusions import is_excluded
from selflengthen.length.mentions import Kind, LengthMention, Unit
from selflengthen.length.qualifiers import REJECTED

ABOUT = Fraction(1, 5)  # the deviation that still counts as about the length (LonGen)
# Characters. A longer instruction than twice this includes a text: only its ends are read.
_END = 5000


@dataclass(frozen=True, slots=True)
class LengthRequirement:
    """A length as an instruction asks for it.

    Attributes:
        kind: `about`, `range`, `above` or `below`.
        low: The lower bound; None for below. For about, the number itself.
        high: The upper bound; None for above. For about, the number itself.
        unit: What the bounds count. Nothing is converted; 字 are characters.
        text: The words of the instruction that state the length, in lower case.
    """

    kind: Kind
    low: int | None
    high: int | None
    unit: Unit = "words"
    text: str = field(default="", compare=False)

    @property
    def number(self) -> int:
        """The length as one number; of a range, the upper end."""
        return (self.low if self.high is None else self.high) or 0

    def satisfied(self, words: int) -> bool:
        """Say whether a response of this length, counted in `unit`, meets the requirement.

        About allows a deviation of a fifth. Bounds are included. An empty response never meets it.
        """
        slack = ABOUT if self.kind == "about" else 0
        above = self.low is None or words >= (1 - slack) * self.low
        below = self.high is None or words <= (1 + slack) * self.high
        return words > 0 and above and below


def read_requirement(text: str) -> LengthRequirement | None:
    """Return the length that an instruction asks for, or None if it asks for none."""
    if len(text) > 2 * _END:
        text = f"{text[:_END]}\n{text[-_END:]}"
    plain = mentions.normalize(text)
    lengths = list(mentions.find(plain))
    of_response = [length for length in lengths if _is_of_response(length, plain)]
    if not of_response:
        return _all_parts(lengths, plain)
    return _both_bounds(of_response) or _requirement(max(of_response, key=_rank))


def _rank(length: LengthMention) -> tuple[bool, int]:
    return bool(_TOTAL.search(length.left)), length.high


def _requirement(length: LengthMention) -> LengthRequirement:
    low = None if length.kind == "below" else length.low
    high = None if length.kind == "above" else length.high
    return LengthRequirement(length.kind, low, high, length.unit, length.text)


def _both_bounds(lengths: Sequence[LengthMention]) -> LengthRequirement | None:
    """Join a floor and a ceiling to a range: at least 800 words, but no more than 1,000."""
    floors = {length.low for length in lengths if length.kind == "above"}
    ceilings = {length.high for length in lengths if length.kind == "below"}
    if {length.kind for length in lengths} != {"above", "below"} or max(floors) >= min(ceilings):
        return None
    text = " … ".join(length.text for length in lengths)
    return LengthRequirement("range", max(floors), min(ceilings), lengths[0].unit, text)


def _is_of_response(length: LengthMention, plain: str) -> bool:
    return not (_is_of_each(length) or is_excluded(length) or _is_part(length, plain))


def _is_of_each(length: LengthMention) -> bool:
    if REJECTED.match(length.right):  # entries under 500 words will be rejected
        return False
    return bool(_EACH.search(length.left) or _EACH_AFTER.match(length.right))


def _all_parts(lengths: Sequence[LengthMention], plain: str) -> LengthRequirement | None:
    """Multiply the length of a part by the number of parts, if nothing else is asked for.

    This reads `write five entries of 400 words each` and 写三篇作文,每篇800字. Parts of something
    longer (an essay with five sections of 400 words each) give no length: it may have other parts.
    """
    each = [length for length in lengths if _is_of_each(length) and not is_excluded(length)]
    if len(each) != 1 or len(lengths) != 1:
        return None
    length = each[0]
    count = _count_before(length) or _count_of_measure(length, plain)
    if count is None:
        return None
    part = _requirement(length)
    low, high = (None if n is None else n * count for n in (part.low, part.high))
    return LengthRequirement(part.kind, low, high, part.unit, part.text)


def _count_before(length: LengthMention) -> int | None:
    """Return the number of parts before a length: write five entries of (400 words)."""
    numbers = numerals.find(length.left)
    if not numbers or not 1 < numbers[-1].low <= _MOST_PARTS:
        return None
    number = numbers[-1]
    verbs = list(_VERB.finditer(length.left[: number.start]))
    if not verbs or verbs[-1]["joins"] or not _PARTS_OF.fullmatch(length.left, number.end):
        return None
    return number.low if _DIRECTLY.fullmatch(length.left, verbs[-1].end(), number.start) else None


def _count_of_measure(length: LengthMention, plain: str) -> int | None:
    """Return the number of parts that 每篇, 每章 or 各 refers to."""
    measure = _MEASURE.search(length.left)
    if measure is None:
        return None
    word = measure["measure"]
    counted = rf"([0-9一二两三四五六七八九十]+)(?:{word})" if word else _DIVIDED
    counts = {numbers[0].low for n in re.findall(counted, plain) if (numbers := numerals.find(n))}
    counts.discard(1)  # 每天一篇
    return counts.pop() if len(counts) == 1 and max(counts) <= _MOST_PARTS else None


_MOST_PARTS = 50  # a larger number counts something else
_PARTS_OF = re.compile(
    r"\s+(?:(?!(?:of|and|or|to|in|with)\b)[a-z'-]+\s+){0,3}?(?:[a-z'-]*s|children)"
    r"\s*(?:,\s*|\(\s*)?(?:(?:each|of|with|at|having)\s+){1,3}",
)
_DIRECTLY = re.compile(r"\s+(?:(?:me|us|out|exactly|a (?:set|series) of)\s+)*")
_MEASURE = re.compile(r"每(?P<measure>[篇段章节封首则]|部分)[^,、天]{0,10}$|各(?:写|自|约|为|有)*$")
_DIVIDED = r"分(?:成|为)?([0-9一二两三四五六七八九十]+)个?(?:部分|[篇段章节])"


_TOTAL = re.compile(r"\b(?:total|overall|altogether)\b|总字数|全文|总共|共计|总计|一共")


# The length of a part: each section should have 300 words; 300 words each; 每篇400字; 各写1000字.
_EACH = re.compile(
    r"\b(?:each|every)(?:\s+[\w'-]+){0,3}?\s+(?:should|must|is|be|being|has|have|having|of|needs?"
    r"|will|can|may|at|contain(?:s|ing)?|with)\b[^,;]*$"
    r"|\b(?:each|every|per|apiece|another)[\s:(-]*$"
    r"|\b(?:paragraphs|sections|chapters|parts|essays|stories|articles|letters|emails|posts|poems"
    r"|answers|responses|summaries|entries|reviews)\s+(?:each\s+)?(?:(?:is|be|are)\s+)?(?:of\s+)?$"
    r"|每[^,、天]{0,12}$|各(?:部分|自|段|篇|章|节)?(?:写|约|为|有|占)*$|分别[^,]{0,6}$",
)
_EACH_AFTER = re.compile(
    r"\s*(?:in length\s+|long\s+)?,?\s*(?:\(?each\b|apiece\b|per\b|for (?:each|every)\b)"
    r"|\s*(?:左右)?\s*(?:[/一每](?:[篇段章节个份]))",
)


def _is_part(length: LengthMention, plain: str) -> bool:
    """Say whether only a part of the text has this length: with a 150-word abstract, 摘要300字.

    If the instruction asks for just that part, it is the response: write a 200-word abstract for …
    """
    if length.attributive and _JOINED_WITH.search(length.left):
        return True
    before = _PART_BEFORE.search(length.left)
    part = before or _PART_AFTER.match(length.right)
    if part is None:
        return False
    if _ENTIRE.search(part[0]):
        return False
    verbs = list(_VERB.finditer(length.left))
    if verbs:
        return bool(verbs[-1]["joins"]) or _follows_work(length.left, verbs[-1].end(), before)
    if _is_asked_for(part["part"], plain):
        return False
    if before and _SUBJECT.search(length.left[: before.start("part")]):
        return _asks_for_work(plain)
    return bool(_WORK.search(plain))


def _follows_work(left: str, start: int, part: re.Match[str] | None) -> bool:
    """Say whether a work precedes its part: a report whose summary, but not a report summary."""
    works = list(_WORK.finditer(left, start))
    if len(works) == 1 and part is not None:
        return not _COMPOUND.fullmatch(left, works[0].end(), part.start("part"))
    return bool(works)


def _asks_for_work(plain: str) -> bool:
    """Say whether the instruction asks for something that has parts: write a report."""
    for verb in _VERB.finditer(plain):
        sentence = _SENTENCE_END.split(plain[verb.end() : verb.end() + 80])[0]
        if not verb["joins"] and _WORK.search(sentence):
            return True
    return False


def _is_asked_for(part: str, plain: str) -> bool:
    """Say whether the instruction asks for this part itself: write a summary; it should have."""
    for verb in _VERB.finditer(plain):
        sentence = _SENTENCE_END.split(plain[verb.end() : verb.end() + 80])[0]
        before, match, _ = sentence.partition(part)
        if match and not verb["joins"] and not _WORK.search(before) and not _VERB.search(before):
            return True
    return False


_SUBJECT = re.compile(r"(?:^|\])\s*(?:the|your|an?)\s+(?:[a-z-]+\s+)?$|你的$")
_PARTS = (
    "abstract|summary|synopsis|introduction|intro|conclusion|overview|preface|foreword|prologue"
    "|epilogue|paragraph|section|chapter|bio|biography|caption|title|headline|tagline|subtitle|quote"
    "|excerpt|description|blurb|footnote|appendix|opening|ending|discussion|methods?|results"
    "|background|literature review"
)
_PARTS_ZH = (
    "摘要|引言|前言|序言|导语|开头|结尾|结论|小结|简介|概述|提要|标题|题目|段落|附录|致谢|部分"
    "|背景|注释"
)
_COMPOUND = re.compile(rf"\s*(?:(?:{_PARTS})\s+)*")
_PART_BEFORE = re.compile(
    r"(?:(?:\b(?:entire|whole|full|complete)\s+)?"
    rf"(?P<part>\b(?:{_PARTS})\b|{_PARTS_ZH})(?:\s+section)?)"
    r"(?:[\s,(:*-]|\b(?:of|is|are|be|should|shall|must|needs?|to|has|have|with|in|that|which|will|can"
    r"|not|limited|section|part)\b|字数|内容|应|须|需|要|请|为|在|控制|限|写|不)*$",
)
_PART_AFTER = re.compile(
    r"[\s-]*(?:(?!(?:of|about|on|for|in|that|with|and|to|from|the|or)\b)[\w-]+\s+){0,2}"
    rf"(?P<part>\b(?:{_PARTS})\b|(?:左右|以内|以上)?的?[^,的]{{0,4}}(?:{_PARTS_ZH}))",
)
_ENTIRE = re.compile(r"\b(?:entire|whole|full|complete)\b")
_SENTENCE_END = re.compile(r"[。!?;\n]|\.(?=\s|$)")
_JOINS = (
    r"\b(?:includ(?:e|es|ing)|with|add(?:ing)?|plus|contain(?:s|ing)?|along with|append|attach"
    r"|(?:begin|start|end|open|close|conclude)s? with)\b|其中|包括|包含|附|加上|含|另"
)
_JOINED_WITH = re.compile(
    rf"(?<!help )(?<!help me )(?:{_JOINS})\s+(?:also\s+)?(?:an?|the|one)?\s*$"
)
_VERB = re.compile(
    rf"(?P<joins>{_JOINS})|\b(?:write|draft|compose|create|generate|produce|craft|prepare|develop"
    r"|make|give|need|want|provide)\b|写|撰|创作|生成|起草|拟|(?<![工合操动写创制])作(?![为者品文])",
)
# Works, which have parts.
_WORK = re.compile(
    r"\b(?:essay|article|paper|report|story|novel|thesis|dissertation|book|guide|post|blog|speech"
    r"|letter|e-?mail|script|proposal|plan|poem|play|manual|document|newsletter"
    r"|memoir|brochure|tutorial)\b"
    r"|文章|论文|报告|小说|故事|作文|散文|文案|方案|演讲稿|剧本|教案|综述|申请书",
)
