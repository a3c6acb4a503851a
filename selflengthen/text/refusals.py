"""A model that declines: "I'm sorry, but I'm unable to assist…", "作为一个人工智能，我无法…".

A refusal opens a text or a paragraph, or is one of the first or last sentences. It must name what a
model does (assist, generate, provide …) or what it is. A letter that says sorry is none, nor is
somebody in a story who refuses: that is quoted.
"""

from __future__ import annotations

import re

from selflengthen.text.spots import spots

_CANNOT = (
    r"(?:can ?not|can't|won't be able to|(?:am|'m) (?:unable|not able|not in a position"
    r"|not allowed|not capable|not designed|not programmed|not equipped|not comfortable)(?: to| of"
    r"| with)?|can only|(?:do not|don't) have (?:the|any) (?:ability|capability|capacity|means"
    r"|necessary \w+) (?:to|of|for)|(?:do not|don't) have (?:direct |any )?access to"
    r"|am here only to|must decline)"
)
_DO = (
    r"(?:assist\w*|help(?:ing)? (?:you )?(?:with|you)|fulfil\w*|comply\w*|provid\w+|generat\w+"
    r"|creat\w+|engag\w+|respond\w*|answer\w*|access\w*|process\w*|brows\w+|complet\w+|continu\w+"
    r"|produc\w+|offer\w*|participat\w+|discuss\w*|view\w*|open\w*|read\w*|see|write|writing"
    r"|share)"
)
_OBJECT = (
    r"(?:this|that|your|the (?:request|document|attach\w*|file|image|picture|link|text|essay)|any"
    r"|external|real-time|personal|specific|content|explicit|harmful|medical|legal|the (?:report"
    r"|lyrics|content)|text|images|requests?|you|users?|with|on|to|in|a|an|information|assistance"
    r"|guidance|general|messages)"
)
_MODEL = (
    r"(?:an? )(?:helpful |large |advanced |artificial |friendly "
    r"|text-based )*(?:ai(?: language)? ?(?:model|assistant|chatbot|system|program)|language model"
    r"|chatbot|intelligence (?:language )?(?:model|assistant))\b(?:,| (?:designed|trained|created"
    r"|developed|built|i)\b)"
)
_SORRY = r"(?:i'm|i am|we're|we are)?\s*(?:very |so |truly |really |deeply )?(?:sorry|afraid)"

# Of any text, where a sentence or a paragraph begins.
_ALWAYS = re.compile(
    "|".join(
        (
            rf"(?:{_SORRY}\b.{{0,60}}?)?(?:but )?as {_MODEL}",
            rf"(?:(?:{_SORRY}\b.{{0,60}}?|unfortunately,? |however,? )?(?:but )?)as an ai,? i(?:'m"
            r"| am)? ?(?:just |only |simply )?(?:can't|cannot|can not|don't|do not|unable"
            r"|not able|lack|have no)",
            rf"(?:unfortunately|however|but|because),? (?:as|being) {_MODEL}",
            r"as an? (?:ai|(?:virtual|digital|writing|ai) assistant),? i (?:can't|cannot|don't"
            r"|do not|am not|am unable|have no|lack)\b",
            rf"(?:{_SORRY}\b.{{0,60}}?|unfortunately,? )(?:but )?as an ai\b",
            r"i(?:'m| am) (?:just |only |sorry,? i(?:'m| am) )?an? (?:large "
            r"|helpful )?(?:ai(?: language)?(?: model| assistant| chatbot)?|language model"
            r"|chatbot)(?:[,.;]| (?:and|so|that|which|created|developed|trained"
            r"|designed)\b).{0,80}\b(?:can't|cannot|don't|do not|unable|not able|no personal)",
            r"(?:很|非常|十分)?(?:抱歉|对不起|遗憾|不好意思)[，,。！!]?[^。！？]{0,20}(?:作为"
            r"|我只?是)[^。！？]{0,8}(?:ai|人工智能|语言模型|大模型|聊天机器人|虚拟助手|智能助手)",
            r"作为一?[个名款位]?(?:由[^。，]{1,12}(?:开发|训练)的)?(?:大?型?语言模型|(?:ai"
            r"|人工智能)(?:语言模型|助手|助理|模型|程序|系统)?[，,]|(?:聊天|对话)机器人|(?:虚拟"
            r"|智能)助[手理])",
            r"我(?:只)?是(?:一个|一名|一款)?(?:ai|人工智能|语言模型|大语言模型|聊天机器人"
            r"|虚拟助手)[^。！？]{0,20}(?:无法|不能|没有|不具备)",
        )
    )
)
# Of a text that greets nobody.
_UNADDRESSED = re.compile(
    "|".join(
        (
            rf"(?:{_SORRY}|(?:my |our )?apologies|i (?:do )?apologi[sz]e|unfortunately|regrettably"
            r"|i regret)\b.{0,80}?\bi ?(?:just |simply |currently "
            rf"|also )?{_CANNOT} (?:\w+ )?(?:help (?:you )?with|{_DO} {_OBJECT})\b",
            rf"{_SORRY},? (?:but )?(?:i|we) {_CANNOT} (?:do that|help|assist)\W*$",
            r"i (?:can ?not|can't|am unable to|am not able to) (?:assist|fulfil\w*"
            r"|comply)\b(?:.{0,30}\b(?:with|this|that|your|you|request)\b|\W*$)",
            r"i(?:'m| am) (?:unable|not able) to (?:assist|fulfil\w*|comply|generate|access|browse"
            r"|view)\b",
            r"i (?:can ?not|can't) (?:generate|provide|create|write|produce"
            r"|engage in) (?:you with )?(?:explicit|harmful|offensive|illegal|that kind|this kind"
            r"|content|such content|hateful|medical advice|legal advice|financial advice|real-time"
            r"|copyrighted)",
            r"i (?:can ?not|can't) help (?:you )?with (?:that|this)(?: request)?\W*$",
            r"i can only (?:assist|respond|offer (?:general|guidance)|provide (?:general"
            r"|information|guidance|assistance|suggestions)|help (?:you )?with)",
            r"(?:unfortunately,? |sorry,? )?(?:but )?i (?:do not"
            r"|don't) have (?:personal (?:experiences?|opinions?|beliefs?|feelings?|emotions?"
            r"|memories|data)|(?:direct |any )?access to (?:the|your|any|real-time|external"
            r"|current|personal|attached)|the (?:ability|capability|capacity) to (?:access|browse"
            r"|view|read|generate|provide|engage|assist|feel|experience|respond|see|write|open"
            r"|receive))",
            r"(?:很|非常|十分|真的)?(?:抱歉|对不起|遗憾"
            r"|不好意思)[，,。！!][^。！？]{0,25}我(?:目前|暂时|现在)?(?:无法|不能|没法|没办法"
            r"|没有办法|不便|做不到|不能够)[^。！？]{0,14}(?:提供|完成|满足|协助|回答|生成|帮助您"
            r"|帮助你|帮您|帮你|访问|查看|打开|撰写|创作|处理|执行|讨论|继续这)",
            r"我(?:目前|暂时)?(?:无法|不能)(?:协助|满足|完成|访问|生成|提供|回答|处理|查看"
            r"|打开)(?:您|你|这[个类一]|该|此|任何|外部|实时|链接|附件|文件)",
            r"我(?:只能|仅能|只可以)(?:协助|帮助|提供|回答|处理)",
            r"我没有(?:个人)?(?:情感|感情|意识|个人经历|个人观点)[，,。]",
        )
    )
)


def is_refusal(text: str) -> bool:
    """Say whether a text declines: in its first or last sentences, or where a paragraph opens."""
    read = spots(text)
    sentences = {*read.openings, *read.first, *read.last}
    if any(_ALWAYS.match(sentence) for sentence in sentences):
        return True
    return not read.addressed and any(_UNADDRESSED.match(sentence) for sentence in sentences)
