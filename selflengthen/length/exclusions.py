"""Lengths that nobody asks for: of a text that is there already, a vocabulary, a rate, a price."""

from __future__ import annotations

import re

from selflengthen.length.mentions import Length


def is_aside(length: Length) -> bool:
    """Say whether a length is that of something else than a text that shall be written."""
    return bool(
        _is_few(length)
        or _RATE.search(length.left)
        or _RATE_AFTER.match(length.right)
        or _is_given(length)
        or _is_vocabulary(length)
    )


def _is_few(length: Length) -> bool:
    """Say whether this is no length at all: one word, 四字成语, a story with ten characters."""
    said = length.text
    if "char" in said and "chinese" not in said and length.high < 50:
        return not _SPACES.search(length.right)
    few = 10 if said.endswith("字") else 5
    return not length.qualified and length.high < few


_SPACES = re.compile(r"^\s*(?:long|in length|or (?:less|fewer)|max|\(?(?:in|ex)cluding)")
# A rate, a price, a place in a text.
_RATE = re.compile(
    r"\b(?:per|every|first|last|top|read|type|(?:an?|the) extra)\s*$"
    r"|[每前后头]\s*$|每[天日](?:写|更)?\s*$|[元块]\s*/?\s*$"
    r"|[$€£¥]\s*[\d.]+\s*(?:for|per|/)\s*$",
)
_RATE_AFTER = re.compile(
    r"\s*(?:/|(?:per|an?) (?:day|minute|hour|week|month|page|line|second)\b|daily\b"
    r"|[每/]?\s*[\d.]+\s*[元块]"
    r"|left\b|remaining\b|so far\b|already\b|ago\b|like\b|such as\b)",
)


def _is_given(length: Length) -> bool:
    """Say whether a text has this length that is there already: my 3,000-word essay, 原文5000字."""
    return bool(
        _GIVEN.search(length.left)
        or (length.kind != "range" and _FROM.search(length.left))
        or (length.attributive and _WORKED_ON.search(length.left))
    )


_GIVEN = re.compile(
    r"\b(?:this|that|these|those|my|our|his|her|their|attached|following|original|existing|previous"
    r"|above|current|currently|already|wrote|written|typed|was|were|had)\s*$"
    r"|\b(?:my|our|his|her|attached|original|source|following|existing)\s+[\w-]+(?:\s+[\w-]+)?\s+"
    r"(?:is|has|was|had|contains|runs to)\s*$"
    r"|(?:[这那该将把由]|上述|原[文稿]?|我的|已有|现有|目前|已经?写[了好]?|写了|写好的|本书|这本书|全书)"
    r"[一]?[篇份段个本部封]?的?(?:共|有|是|长|长达)?\s*$",
)
_FROM = re.compile(r"(?:\bfrom|从)\s*$")
_WORKED_ON = re.compile(
    r"\b(?:summari[sz]e|condense|shorten|reduce|compress|trim|cut|translate|proofread|edit|revise"
    r"|polish|review|read|analy[sz]e|critique|paraphrase|rewrite|grade|of|turn|expand)\s+"
    r"(?:(?:an?|the|each|one)\s+)?$|(?:缩写|概括|压缩|精简|翻译|润色|修改|总结|扩写|改写)(?:一|这|那)?[篇份段个本部]?$",
)


def _is_vocabulary(length: Length) -> bool:
    """Say whether the words are items: learn 50 words, a list of 100 words, 认识1000个字."""
    if _VOCABULARY.search(length.left):
        return True
    return not length.qualified and length.high < 100 and bool(_ITEMS.match(length.right))


_VOCABULARY = re.compile(
    r"\b(?:vocabulary|list|set|glossary|dictionary|lexicon|corpus)\s+of\s*$"
    r"|\b(?:learn|memori[sz]e|know|teach|spell|define|underline|highlight|recogni[sz]e)\w*"
    r"(?:\s+(?:me|us|them|the))?\s*$"
    r"|(?:认识|学会|掌握|背诵?|默写|认读|识记|生词|词汇)\D{0,3}$",
)
_ITEMS = re.compile(
    r"\s*(?:that|which|from|starting|beginning|ending|related|associated|rhyming|containing|造句"
    r"|to (?:learn|describe)|meaning)",
)
