"""What stands below a letter or a story and closes it: a signature, a date, "The End"."""

from __future__ import annotations

import re

# Complimentary closes, one a line.
_YOURS = "|".join(
    r"""
(?:with )?(?:my |our )?(?:(?:very )?(?:best|kind(?:est)?|warm(?:est)?) )?(?:and \w+ )?regards
(?:very )?sincerely(?: yours)?
yours(?: truly| sincerely| faithfully| ever| always| respectfully)?
(?:(?:all|with) (?:the |my |our )?)?best(?: wishes)?
(?:with )?(?:all )?(?:my |our |much )?love(?: always)?
with (?:love|gratitude|appreciation|thanks|respect|affection|sympathy|hope)(?: and [\w ]+)?
respectfully(?: yours| submitted)?
(?:many )?thanks(?: again)?
your (?:\w+ )?(?:friend|son|daughter|mother|father|brother|sister|neighbou?r)
thank you
always
cordially
warmly
cheers
gratefully
faithfully
fondly
affectionately
take care
signed
mit freundlichen grüßen
viele grüße
herzliche grüße
cordialement
bien à vous
atentamente
(?:un cordial )?saludos?
cordiali saluti
atenciosamente
с уважением
искренне ваш
""".split("\n")[1:-1]
)
_CLOSE = rf"(?i:{_YOURS})\s*[,.!，]?"
_CLOSE_AND_NAME = rf"(?i:{_YOURS})\s*[,，]\s+(?P<name>\S.*)"
# Of those with 请, which begins most requests as well, only the wish for peace of the addressee.
_CLOSE_ZH = (
    "(?:此致[，,\\s]*)?敬礼[！!。]?|此致|(?:敬|顺|谨|即)?[祝颂][^，。]{1,12}[！!。]?"
    "|[敬顺谨即恭此]请[^，。]{0,6}安[！!。]?"
)
# A last line that needs no name below it, after a name or without one.
_SIGNED = (
    ".{0,20}(?:敬礼|敬上|谨上|敬启|谨启|敬呈|呈上|拜上|谨识|谨具|顿首|手书"
    "|此复|特此通知|特此证明|敬具|드림|올림)"
)
_COUNT = r"[\d〇零○一二三四五六七八九十Xx×_＿]"
_DATE = rf"(?:{_COUNT}{{2,4}}\s*年)?\s*{_COUNT}{{1,3}}\s*月\s*{_COUNT}{{1,3}}\s*日"
# What a blank for somebody's own details names: [Your Name], 【日期】.
_DETAIL = (
    r"(?i)\b(?:your|my|name|date|signature|title|position|job|company|organi[sz]ation|institution"
    r"|address|phone|e-?mail|contact|insert|city|author|sender|recipient|department|website|link"
    r"|university|school)\b"
    "|您|你|姓名|名字|日期|签名|签字|公司|单位|职位|职务|电话|联系|地址|邮箱|学校|作者|署名"
)
_BLANK = r"[\[【［]([^\[\]【】［］]{1,60})[\]】］]"
_LABEL = r"[\w .&/’'-]{0,30}[:：,，]|[—–-]{1,2}"
_FINIS = r"(?i)(?:the )?end|fin|finis|(?:全文|全书|本文)?完结?|全?剧终|终|おわり|終わり|끝"
_FINIS_BEHIND = "[。！？…”」](?:（(?:全文|本文)?完）|\\((?:全文|本文)?完\\))$"
_DRESS = " \t*_~-–—=·•.()（）[]【】<>《》「」"
# How sentences begin, and no name or title does.
_SENTENCE = r"(?:I|We|It|This|That|If|And|But|So|As|He|She|They|You|In|When)\s"
_SMALL = frozenset(
    "a an and at da de del der des di du e et for in la le of on the to und van von y &".split()
)


def is_signed(above: list[str], last: str) -> bool:
    """Say whether the last line closes a letter or a story.

    `above` are the lines above it, the nearest first. It does if it is a name below a close
    ("Sincerely,"), a blank for one, a date as Chinese letters end in, or "The End".
    """
    if re.fullmatch(_FINIS, last.strip(_DRESS)) or re.fullmatch(_SIGNED, last):
        return True
    if re.search(_FINIS_BEHIND, last):
        return True
    if _is_blank(last) or re.fullmatch(_DATE, last):
        return bool(above)
    together = re.fullmatch(_CLOSE_AND_NAME, last.strip("*_ "))
    if together and is_name(together["name"]):
        return True
    for place, line in enumerate(above[:7]):
        if re.fullmatch(_CLOSE, line.strip("*_ ")) or re.fullmatch(_CLOSE_ZH, line):
            return all(map(_is_signature, [last, *above[:place]]))
    return False


def is_name(text: str) -> bool:
    """Say whether a text is a name, to its last word: short, and of words in capitals."""
    words = text.strip("*_ ").split()
    if not 0 < len(words) <= 8 or len(text) > 60 or re.match(_SENTENCE, text):
        return False
    if words[-1].lower() in _SMALL:
        return False
    return all(word in _SMALL or not word.strip("(\"“‘'")[:1].islower() for word in words)


def _is_signature(line: str) -> bool:
    """Say whether a line may stand below a close: a name, a title, an address, a date."""
    words = line.split()
    if len(words) > 8 or len(line) > 60 or line[-1] in ",;:|，；：、-":
        return False
    if (
        words[-1].lower() in _SMALL
        or re.match(_SENTENCE, line)
        or line.startswith(("#", "```", "![", "[!["))
    ):
        return False
    return len(words) <= 2 or not line[0].islower()


def _is_blank(line: str) -> bool:
    """Say whether a line is a blank to fill in, or several, with a label at most."""
    line = line.strip("*_ ")
    blanks = re.findall(_BLANK, line)
    label = re.sub(_BLANK, "", line).strip(" ,|，、")
    return bool(
        blanks
        and line[-1] in "]】］"
        and all(re.search(_DETAIL, blank) for blank in blanks)
        and (not label or re.fullmatch(_LABEL, label) or re.fullmatch(_CLOSE, label))
    )
