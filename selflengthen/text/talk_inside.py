"""Talk about the task where any paragraph opens: "A revised version of the text could be:".

Expansions are joined from parts, so a model may talk in the middle as well. Patterns name the work
(a rewritten version, the original paragraph, this response): prose about texts and their editions
("The revised edition of 1869", "The text was rewritten by Tolstoy") is none.
"""

from __future__ import annotations

import re

from selflengthen.text.spots import Spots, spots

_KIND = (
    r"(?:text|essay|story|paragraph|passage|article|piece|content|draft|outline|poem|speech|letter"
    r"|chapter|scene|section|narrative|sentence|response|report|dialogue|guide)"
)
_MADE = (
    r"(?:expanded|rewritten|re-written|reworked|rephrased|lengthened|enriched|elaborated"
    r"|fleshed[- ]out)"
)
_DONE = (
    rf"(?:{_MADE}|revised|edited|polished|extended|longer|improved|enhanced|more detailed|refined)"
)
_DOES = (
    r"(?:aims|adds|incorporates|maintains|emphasi[sz]es|captures|conveys|retains|keeps|expands"
    r"|delves|preserves|elaborates|enriches|builds on|provides (?:more|a more|additional|greater"
    r"|a deeper|a clearer)|includes (?:more|additional|a more|further)|uses (?:more|a more)|flows"
    r"|offers (?:more|a))"
)
_MADE_ZH = "(?:扩写|改写|重写|扩充|润色|续写|改编)"
_DONE_ZH = f"(?:{_MADE_ZH}|扩展|修改|修订|完善|优化)"
_KIND_ZH = "(?:文章|内容|文本|段落|故事|短文|大纲|正文|全文|作文|散文|小说|章节|文段|稿件|原文)"

_PATTERNS = (
    rf"(?:this|the|your) (?:{_MADE}|revised|edited|polished) (?:{_KIND}"
    rf"|version)\b[^.]{{0,40}}? {_DOES}\b",
    rf"(?:this|the|a|an|my|your|one)(?: \w+)? {_DONE} version of (?:the|your|this"
    rf"|my) (?:\w+ )?{_KIND}\b",
    rf"(?:an? |one )?(?:possible |potential |suggested )?{_DONE} version (?:of .{{1,60}}"
    r" )?(?:could|might|would|may) (?:be|read|look)\b",
    rf"(?:the|this|your)(?: \w+)? {_KIND} (?:has been|is now) (?:\w+ )?(?:{_MADE}|revised|polished"
    r"|edited)\b(?! (?:by|in|several|many|twice|over|since|into|from|under|at))",
    rf"(?:in|with) this {_DONE} (?:{_KIND}|version)\b",
    rf"here(?:'s| is| are)(?: (?:a|an|the|my|your|some|one))? (?:[\w,'-]+ ){{0,4}}(?:{_MADE}"
    rf"|revised|edited|polished)\b(?: [\w,-]+){{0,3}} (?:{_KIND}|version)s?\b",
    r"(?:below is|the following is)(?: (?:a|an|the|my"
    rf"|your))? (?:[\w,'-]+ ){{0,3}}{_DONE}(?: [\w,-]+){{0,3}} (?:{_KIND}|version)\b",
    r"(?:title|heading)\s*:.{1,120}\((?:revised|expanded|rewritten|extended"
    r"|lengthened)(?: \w+)?\)\W*$",
    r".{3,120}\((?:revised|expanded|rewritten|lengthened|enriched) ?(?:version|draft|text"
    r"|edition)?\)\W*$",
    rf"(?:{_MADE}|revised)(?: and \w+)? (?:version|{_KIND})(?: \d+)?\W*$",
    r"this response (?:aims|provides|is (?:designed|based|intended|meant|written|an?)|should|meets"
    r"|follows|covers|includes|addresses|has been|was (?:written|generated|crafted)|attempts"
    r"|seeks)\b",
    r"the response (?:provided(?! by\b)|given above|above|aims)\b",
    r"the original (?:paragraph|sentence|passage|outline|draft|essay) (?:conveys|is|describes"
    r"|discusses|states|provides|has|contains|lacks|emphasi[sz]es|highlights|focuses|mentions"
    r"|reads|provided|already)\b",
    r"the original (?:text|story|article|poem|content|version) (?:conveys|discusses|provided"
    r"|emphasi[sz]es|highlights|focuses on|lacks|already)\b",
    rf"i(?:'ve| have) (?:\w+ )?(?:{_MADE}|revised|edited|polished) (?:your|(?:the"
    rf"|this) (?:original|provided|given)) (?:\w+ )?{_KIND}\b",
    rf"i(?:'ve| have) (?:\w+ )?{_MADE} (?:on )?(?:the|this) {_KIND}\b",
    r"(?:please )?note\s*(?::|that) ?this is (?:just |only )?an? (?:\w+ )?(?:example|sample|draft"
    r"|outline|template)\b",
    r"(?:please )?note\s*(?::|that) ?(?:i|this (?:version|text|response)|the (?:original (?:text"
    r"|paragraph|passage|outline)|above (?:text|version|response)))\b.{0,60}\b(?:expanded"
    r"|rewritten|revised|version|changes|added|example|draft|sample|kept)\b",
    r"(?:the|your) (?:prompt|request) (?:asks|is asking|calls) (?:for|to|me|the writer|you)\b",
    r"(?:explanation|summary|list) of (?:the )?(?:changes|edits|revisions)(?: made)?\W*$",
    r"(?:key |main |some )?(?:changes|edits|revisions|improvements) (?:i(?:'ve)? )?made\W*$",
    r"as (?:you )?requested,? (?:here|below|i(?:'ve| have)|this)\b",
    rf"(?:[这该此本]篇?段?个?)(?:{_KIND_ZH})(?:已经?|现已)被?(?:{_DONE_ZH})(?!于)",
    rf"(?:以下|下面|这里)(?:就?是|为)[^。！？]{{0,20}}(?:{_DONE_ZH})(?:后|过|版)",
    r"(?:原文|原段落?|原始(?:文本|段落))(?:主要|中)?(?:表达|描述|讲述|传达|介绍|强调|讲)了",
    rf"(?:{_DONE_ZH})(?:后的?)?(?:版本?|{_KIND_ZH})[：:]?\W*$",
    rf"(?:标题[：:])?.{{2,40}}[（(](?:{_DONE_ZH})(?:版本?|稿|后)?[）)]\W*$",
    r"(?:本|这个|该|此)(?:回答|回复|回应)(?:旨在|力求|提供|涵盖|将|的目的)",
    rf"(?:在|这个?|该|此)(?:这个|这一|此)?(?:{_MADE_ZH}|修订)(?:版本|后的{_KIND_ZH})",
    r"(?:我|已)(?:已经?)?(?:对|将|把)(?:原文|[您你]的|上述"
    rf"|该)[^。！？]{{0,12}}(?:进行了?)?(?:{_DONE_ZH})",
)
_TALK = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS))
# A mark of the prompt that stands alone on the first or last line.
_MARK = re.compile(
    r"</?(?:text|request|output|response|draft|outline|instruction|answer|story|essay)>"
)


def talks_inside(text: str) -> bool:
    """Say whether a paragraph opens with talk about the task, or a mark of the prompt is left."""
    read: Spots = spots(text)
    if _MARK.match(text.lstrip()[:20]) or _MARK.fullmatch(read.closing):
        return True
    return any(_TALK.match(opening) for opening in read.openings)
