"""Recognises lengths that are not requested: of an existing text, a vocabulary, a rate, a price."""

from __future__ import annotations

import re

from selflengthen.length.mentions import LengthMention


def is_excluded(mention: LengthMention) -> bool:
    """Say whether a length is not that of a text to be written."""
    return bool(
        _is_too_small(mention)
        or _RATE.search(mention.left)
        or _RATE_AFTER.match(mention.right)
        or _is_existing_text(mention)
        or _is_fact_or_question(mention)
        or _is_quoted(mention)
        or _is_data(mention)
        or _is_vocabulary(mention)
    )


def _is_too_small(mention: LengthMention) -> bool:
    """Say whether this is not a length: one word, 四字成语, a story with ten characters."""
    phrase = mention.text
    if "char" in phrase and "chinese" not in phrase and mention.high < 50:
        return not _SPACES.search(mention.right)
    few = 10 if phrase.endswith("字") else 5
    return not mention.qualified and mention.high < few


_SPACES = re.compile(r"^\s*(?:long|in length|or (?:less|fewer)|max|\(?(?:in|ex)cluding)")
# Rates, prices, and places in a text (the first 100 words).
_RATE = re.compile(
    r"\b(?:per|every|first|last|top|(?<!only )read|type|(?:an?|the) extra)\s*$"
    r"|[每前后头]\s*$|每[天日周月年](?:都|要|能)*(?:[抄默听]?写|更新?|码|背|读)?\s*$|[元块]\s*/?\s*$"
    r"|[$€£¥]\s*[\d.]+\s*(?:for|per|/)\s*$",
)
_RATE_AFTER = re.compile(
    r"\s*(?:/|(?:per|an?) (?:day|minute|hour|week|month|page|line|second)\b|daily\b"
    r"|[每/]?\s*[\d.]+\s*[元块]"
    r"|(?:is|are) (?:called|known|considered|enough)\b|卡住|写不下去"
    r"|left\b|remaining\b|so far\b|already\b|ago\b|like\b|such as\b)",
)


def _is_existing_text(mention: LengthMention) -> bool:
    """Say whether this is the length of an existing text: my 3,000-word essay, 原文5000字."""
    return bool(
        _EXISTING.search(mention.left)
        or (not mention.qualified and _THAT.search(mention.left))
        or _WRITTEN_OF.search(mention.left)
        or (mention.kind != "range" and _FROM.search(mention.left))
        or (mention.attributive and _WORKED_ON.search(mention.left))
        or (mention.attributive and _WROTE.search(mention.left))
        or (mention.attributive and _HAVE.search(mention.left) and not _LIMIT.match(mention.right))
    )


_WORKS_ZH = "小说|文章|作文|论文|报告|作品|稿子|文稿|文字|材料|原文|故事|散文|话|文|书|诗|信"
_EXISTING = re.compile(
    r"\b(?:this|these|those|my|our|his|her|their|attached|following|original|existing|previous"
    r"|above|current|currently|already(?: have)?|wrote|typed|translated|was|were|had)\s*$"
    r"|(?<!before you have )(?<!until you have )(?<!till you have )(?<!once you have )\bwritten\s*$"
    r"|\b(?:my|our|his|her|attached|original|source|following|existing)\s+[\w-]+(?:\s+[\w-]+)?\s+"
    r"(?:is|has|was|had|contains|runs to)\s*$"
    r"|(?:[这那该将把由]|上述|原[文稿]?|我的|已有|现有|目前|已经?写[了好]?|写了|写好的|本书|这本书|全书)"
    r"[一]?[篇份段个本部封]?的?(?:共|有|是|长|长达)?\s*$"
    rf"|(?:[这那][一]?[篇份段个本部封]|[该原])(?:{_WORKS_ZH})?(?:总?共有?|总?共计|有|长达|长)\s*$"
    r"|[我他她]们?的[^,:]{1,8}(?:总?共有?|总?共计|有|长达)\s*$"
    r"|[读看](?:[完过了])*一?[篇本部份段]\s*$|[读看][完过了]+\s*$|[这那]一?[首篇段句][只仅才]有\s*$"
    rf"|(?:^|[我他她,:])\s*(?:手头|手里|现)?有一?[篇份段个本部封]\s*$",
)
_WROTE = re.compile(r"\b(?:wrote|written|published|delivered|sent|submitted)\s+(?:an?|the)\s*$")
_THAT = re.compile(r"\bthat\s*$")
_FROM = re.compile(r"(?:\bfrom|从)\s*$")
_WORKED_ON = re.compile(
    r"\b(?:summari[sz]e|condense|shorten|reduce|compress|trim|cut|translate|proofread|edit|revise"
    r"|polish|review|read|analy[sz]e|critique|paraphrase|rewrite|grade|compare|discuss|of|turn|expand)\s+"
    r"(?:(?:an?|the|each|one)\s+)?$|(?:缩写|概括|压缩|精简|翻译|润色|修改|总结|扩写|改写)(?:一|这|那)?[篇份段个本部]?$",
)


# wrote an essay of (700 words); review a novel of (90,000 words)
_WRITTEN_OF = re.compile(
    r"\b(?:title|headline|name|cover|logo)s?\s+for\s+(?:an?|the|my)\s*$|"
    r"\b(?:wrote|written|published|submitted|read|handed in|review|proofread|grade|summari[sz]e"
    r"|critique)\s+(?:an?|the|my|his|her|their)\s+(?:[a-z-]+\s+)?(?!length)[a-z-]+\s+of\s*$",
)


_HAVE = re.compile(r"\b(?:i|we)(?:'ve| have)(?: got| written)?\s+(?:an?|the|this)\s*$")
_LIMIT = re.compile(
    r"\s*(?:word\s+)?(?:limit|cap|maximum|minimum|count|target)\b|.*\b(?:due|to write|assignment)\b"
)


def _is_fact_or_question(mention: LengthMention) -> bool:
    """Say whether this is a fact or a question: the novel has 90,000 words, 一千字是几页."""
    if _QUESTION.search(mention.left) or _QUESTION_AFTER.match(mention.right):
        return True
    if _ASKING.search(mention.left):
        return False
    return bool(
        _HAS.search(mention.left)
        or (_OF.match(mention.right) and _THERE_IS.search(mention.left))
        or (mention.low >= _LONG and _TITLE.search(mention.left))
        or _PAST.search(mention.left)
        or _PAST_AFTER.match(mention.right)
    )


_LONG = 100_000  # characters; after a bare title, this is the length of an existing book
_ASKING = re.compile(
    r"\b(?:ensur|sure|check|verif|confirm|must|should|shall|needs?\b|will|so that|so your"
    r"|which|if\b|until|want|requir|please|write\b(?! code)|that has|that contains)"
    r"|[写请要须应控]|保证|确保",
)
_HAS = re.compile(
    r"^(?!\s*(?:you|we|i)\b)[^,;:]{1,60}\b(?:has|have|contains?|holds?|comprises)"
    r"(?: only| just)?\s*$"
    r"|^[^,;:]*\b(?:(?:made|composed)(?: up)?|consists?) of\b[^,;:]*$"
    r"|\b(?:shortest|longest|average|median|typical)\s+[a-z]+\s+(?:is|are)\s*$"
    r"|\b(?:usually|typically|often|on average|averages?)(?: (?:is|are|has|have))?\s*$"
    r"|\b(?:of|among) the\s*$|worth\s*$"
    r"|(?:普遍|往往|常常|通常)[都只会]?\s*$|[只仅才](?:有|用了)?\s*$",
)
_OF = re.compile("(?:以上|以下|以内|左右)?的")
_THERE_IS = re.compile(r"有(?:一?[篇份段个本部封])?\s*$")
_TITLE = re.compile(r"^\s*《\s*》(?:全书|全文|一书|共|有|约)*\s*$")
_QUESTION = re.compile(
    r"^\s*how (?:many|much|long (?:does|do|did|would|will|is|are))\b"
    r"|^\s*which (?:is|are|one)\b"
    r"|^\s*(?:why|who|what|how)\b(?! about)[^,;:]*\b(?:after|before|than|of|for|on|by|from|only"
    r"|costs?|the|(?:to|you|they|people|i|we) (?:write|read|say|cut|reach)"
    r"|(?<!\bin )(?<!\bwith )(?<!\bis )an?)\s*$"
    r"|(?:为什么|为何)[^,:请]*(?:要求|规定|限制|需要|都是)\s*$"
    r"|^\s*(?:is|are|was|were|why (?:is|are|was|were))\s+(?:(?:an?|the|our)\s+)?$",
)
_QUESTION_AFTER = re.compile(
    r"[^,]*?(?:多久|多长时间|多少(?:[页张钱]|时间|小时|分钟)|几(?:[页张]|分钟|小时|天))[纸吗呢啊]?\s*$"
)
_PAST = re.compile(
    r"\bused to(?: (?:be|have|limit|allow|require|cap|demand))?(?: (?:an?|the))?\s*$"
    r"|\bhad to (?:be|stay|remain|have|contain|run to)\s*$"
    r"|(?:以前|曾经?|从前|当年|过去)[都只还]?(?:限制|要求|规定|只能|最多|限)[^,的]{0,8}$",
)
_PAST_AFTER = re.compile(
    r"\s*(?:(?:word\s+)?(?:limit|cap|minimum|maximum|rule|requirement)\s+)?(?:was|were|used to)\b"
)


def _is_quoted(mention: LengthMention) -> bool:
    """Say whether the length is in a quotation: the teacher said "write 300 words"."""
    if _ENTITLED.search(mention.left):
        return True
    return bool(_OPEN_QUOTE.search(mention.left) and _QUOTE_MEANT.match(mention.right))


_ENTITLED = re.compile(
    r"\b(?:sa(?:id|ys|y)|ask(?:s|ed)|told|states?|stated|reads|wrote|writes|phrase|saying|sentence"
    r"|quote|slogan|motto|rule|titled|entitled|called|named)\b[^\"“”]{0,40}[\"“][^\"”]*$"
    r"|(?:说|写道|问道?|名为|题为|叫做?|规定)\s*[::,]?\s*[\"“「『][^\"”」』]*$"
)
_OPEN_QUOTE = re.compile(r"[\"“「『][^\"”」』]*$")
_QUOTE_MEANT = re.compile(r"[^\"”」』]*[\"”」』](?:这|的(?:题目|说法|要求|规定|标题))")


def _is_data(mention: LengthMention) -> bool:
    """Say whether this is the length of data: a password, a column, chunks, sentences."""
    if _PIECES.search(mention.left):
        return True
    return mention.unit == "characters" and bool(_DATA.search(mention.left))


_PIECES = re.compile(
    r"\b(?:sentences|lines|chunks|segments|windows|batches|sequences)\s+"
    r"(?:of|with|that (?:have|are))\s*$"
    r"|\b(?:find|filter|count|select|remove|detect|skip|flag)s?\s+(?:all\s+|the\s+|any\s+)?[a-z]+s\s+"
    r"(?:(?:of|with|that (?:have|are)|containing)\s*)?$"
)
_DATA = re.compile(
    r"\b(?:passwords?|usernames?|identifiers?|variables?|file ?names?|urls?)\b[^,;]*$"
    r"|\b(?:database|text|input)\s+(?:columns?|fields?)\s+(?:holds?|has|have|can hold|of)?\s*$"
    r"|\bstrings\s+(?:of|with|longer|shorter)\s*$|\b(?:when|whenever|if) an? message\s*$"
    r"|(?:密码|口令|用户名|字段|变量|字符串|文件名|昵称)[^,]*$"
)


def _is_vocabulary(mention: LengthMention) -> bool:
    """Say whether the words are vocabulary: learn 50 words, a list of 100 words, 认识1000个字."""
    if _VOCABULARY.search(mention.left):
        return True
    return not mention.qualified and mention.high < 100 and bool(_ITEMS.match(mention.right))


_VOCABULARY = re.compile(
    r"\b(?:vocabulary|list|set|glossary|dictionary|lexicon|corpus)\s+of\s*$"
    r"|\b(?:learn|memori[sz]e|know|teach|spell|define|underline|highlight|recogni[sz]e)\w*"
    r"(?:\s+(?:me|us|them|the))?\s*$"
    r"|(?:[认会]写|认得|收录了?|认识|学会|掌握|背诵?|默写|认读|识记|生词|词汇)\D{0,3}$",
)
_ITEMS = re.compile(
    r"\s*(?:that|which|from|starting|beginning|ending|related|associated|rhyming|containing|造句"
    r"|to (?:learn|describe)|meaning)",
)
