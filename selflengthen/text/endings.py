"""How a whole text can end: in a sentence, or in code, markup, a table, a link or a signature.

A text that was cut off ends in none of these; nor does one whose last line only announces what
should follow (a heading), or only decorates (images, such as badges).

Patterns are plain strings, which `re` compiles once they are needed: most texts end in a sentence.
"""

from __future__ import annotations

import re
import unicodedata

from selflengthen.text.signatures import is_name, is_signed
from selflengthen.text.token_arrays import CJK

# Of a line its last characters are read, and above the last line so many lines.
_SIZE, _LINES = 2000, 12
# A sentence is judged by so many characters.
_TAIL = 200
# A title has at most so many characters.
_TITLE = 80
_CHAPTER = (
    r"(?:chapter|part|section|scene|act|book|volume|episode|step|lesson|appendix)"
    r" (?:\d{1,3}|[ivxlc]{1,7}|one|two|three|four|five|six|seven|eight|nine|ten)[.!?:]?"
    r"|第[\d一二三四五六七八九十百零]{1,5}[章节回部卷幕集][。！？：]?"
)
_QUOTED = re.compile(r"[\"“「『]")
# What follows the last blank line is read as JSON if it has at most so many characters.
_JSON = 20_000

# Latin and general; CJK; Arabic and Urdu; Devanagari; Ethiopic; Armenian; Khmer; Burmese; Tibetan.
_TERMINALS = frozenset("!?…‽⁇⁈⁉。！？．｡؟۔।॥።፧։՜՞។៕၊။།༎")
_CLOSING = "\"'`*_~)]}>”’»›“‘」』）】》〉〕］｝＂＇"

_CJK = re.compile(f"[{CJK}]")
_HEADING = re.compile(r"[ \t]*(?:#{1,6}\s|<h[1-6][\s>]|<title>)")
# The number of a list's item that never came.
_ITEM = re.compile(r"[ \t]*\d{1,3}\.$")
_EMOJI = re.compile("[ \t\u200d\ufe0e\ufe0f\u2600-\u27bf\u2b50\U0001f1e6-\U0001faff]+$")
_IMAGE = (
    r"!\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])\W*(?:\]\([^)]*\)|\]\[[^\]]*\])?\W*$"
    r"|<img\b[^>]*>\W*$"
)
_TAG = r"</[A-Za-z][\w:.-]*\s*>$|<[A-Za-z][^<>]*/>$|-->$|\\end\{[\w*]+\}$"
_PAIRED = ("html", "body", "table", "tr", "ul", "ol", "div", "form", "select", "svg")
_FENCE = r"(?m)^[ \t>]*(?:`{3,}|~{3,})[^`\n]*$"
_RULE = r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?"

_URL = r"(?:https?://|www\.)[^\s.]+\.\S*[\w/=#&+-]"
_MAIL = r"[\w.+-]+@[\w-]+\.[\w.-]*\w"
_LINK = r"(?<!!)\[[^\[\]]+\](?:\([^()\s]+(?:\s\"[^\"]*\")?\)|\[[^\[\]]*\])\W*$"

_VARIABLE = r"[A-Za-z_$][\w.$]*(?:\[[^\]]*\])*"
_COMMENT = r"\s*(?:(?:#|//|--)\s.*)?"
# Lines that only code has: closing brackets, statements that end in a semicolon, SQL, calls.
_CODE = "|".join(
    (
        rf"[)\]}}]*[\]}}][)\]}}]*;?{_COMMENT}",
        rf"(?:.*\w\(.*\)[)\]}}\s]*|.*(?:<<|->|::|=>|\+\+|--|[\w\])]\s*[-+*/|&:]?=\s).*"
        rf"|(?:return|break|continue|exit|goto|echo|print|import|use|using)\b.*|.*[\]}}]);{_COMMENT}",
        r"(?:.*\b)?(?:SELECT|FROM|WHERE|ORDER BY|GROUP BY|LIMIT|VALUES|SET|JOIN|DROP)\b.*;",
        rf"(?:{_VARIABLE}\s*[-+*/|&:]?=\s*|(?:await|return|yield|raise|echo)\s+)?"
        rf"{_VARIABLE}\(.*\)+{_COMMENT}",
    )
)
# Lines that could be prose as well, and lines that open a block of code.
_STATEMENT = "|".join(
    (
        r"(?:return|yield|raise|del|echo|print|import|from|throw|puts)\b\s+\S.*",
        rf"(?:pass|break|continue|end|fi|done|esac|endif){_COMMENT}",
        rf"{_VARIABLE}\s*(?:[-+*/|&:]?=|\+\+|--)\s*[^\s=].*",
        r"\$\s+\S+.*",
    )
)
_OPENER = (
    r"(?:for|while|if|elif|else|with|try|finally|def|class|function|case)\b.*(?::|then|do)"
    r"|(?:do|begin)|.*\)\s*(?:->.*)?:|.*\{|#!.*"
)


def ends(text: str) -> bool:
    """Say whether a text is whole, by how it ends.

    A heading is no end, even one that asks a question; nor is code with a fence or a brace that
    is still open. Emoji may stand behind the last sentence.
    """
    body = text.rstrip()
    start = body.rfind("\n") + 1
    if _HEADING.match(body, start) or _ITEM.match(body, start):
        return False
    if ends_sentence(_EMOJI.sub("", body[max(start, len(body) - _TAIL) :])):
        return True
    last = body[start:][-_SIZE:].strip()
    if not last:
        return False
    if re.search(_IMAGE, last):
        return False
    above = _lines_above(body)
    return (
        _ends_markup(body, last)
        or _ends_table(above, last)
        or _ends_code(body, above, last)
        or _ends_link(last)
        or _ends_attribution(above, last)
        or is_signed(above, last)
    )


def ends_in_title(text: str) -> bool:
    """Say whether the last line is a title, though it ends as a sentence does.

    It is if it is all in bold, below a blank line, or names a chapter: `**What Comes Next?**`,
    `Chapter 12.`. A line in bold that ends in a full stop is a sentence.
    """
    body = text.rstrip()
    start = body.rfind("\n") + 1
    last = body[start:].strip()
    if len(last) > _TITLE:
        return False
    if re.fullmatch(_CHAPTER, last.strip("*_#= "), re.IGNORECASE):
        return True
    above = body[:start].rstrip(" \t")
    bold = re.fullmatch(r"(\*\*|__)(?!\s)([^*_]+)[?!…？！]\1", last)
    return bool(bold) and above.endswith("\n\n") and not _QUOTED.match(bold[2] if bold else "")


def ends_sentence(text: str) -> bool:
    """Say whether a text ends in terminal punctuation of its script.

    Quotes, brackets and emphasis may close after it. A full stop ends no sentence whose last
    letter is a CJK character; scripts that have no terminal punctuation (Thai, Lao) pass.
    """
    end = text.rstrip()[-_TAIL:].rstrip(_CLOSING)
    mark = end[-1:]
    if mark == ".":
        letters = (c for c in reversed(end) if c.isalpha())
        return not _CJK.match(next(letters, ""))
    if mark and mark in _TERMINALS:
        return True
    return bool(mark) and unicodedata.name(mark, "").startswith(("THAI ", "LAO "))


def _lines_above(body: str) -> list[str]:
    """Return the lines above the last one, blank ones left out, the nearest first."""
    lines: list[str] = []
    end = body.rfind("\n")
    while end > 0 and len(lines) < _LINES:
        start = body.rfind("\n", 0, end) + 1
        if line := body[max(start, end - _SIZE) : end].strip():
            lines.append(line)
        end = start - 1
    return lines


def _ends_markup(body: str, last: str) -> bool:
    """Accept a closing tag, the fence that closes a block of code, and JSON."""
    if not last.strip("`") or not last.strip("~"):
        return len(last) >= 3 and not _fence_is_open(body)
    if re.search(_TAG, last):
        return not any(body.count(f"<{tag}") > body.count(f"</{tag}") for tag in _PAIRED)
    return last[-1] in "}]" and _is_json(body)


def _fence_is_open(body: str) -> bool:
    return len(re.findall(_FENCE, body)) % 2 == 1


def _is_json(body: str) -> bool:
    """Say whether what follows the last blank line, or the last line, is JSON."""
    import orjson

    block = body.rpartition("\n\n")[2]
    for part in (block, block.rpartition("\n")[2]):
        if len(part) <= _JSON:
            try:
                value = orjson.loads(part)
            except orjson.JSONDecodeError:
                continue
            # [1] refers to a note.
            return isinstance(value, dict) or (isinstance(value, list) and len(value) > 1)
    return False


def _ends_table(above: list[str], last: str) -> bool:
    """Accept a whole row of a Markdown table, below the rule that its head has."""
    if not above or "|" not in last or re.fullmatch(_RULE, last):
        return False
    for line in above:
        if "|" not in line:
            return False
        if re.fullmatch(_RULE, line):
            return last.count("|") >= line.count("|")
    return last[0] == last[-1] == "|"  # a long table, whose rule stands further up


def _ends_code(body: str, above: list[str], last: str) -> bool:
    """Accept a line of code outside of fences, where no brace or bracket is left open.

    What could be prose as well ("return home") counts only below another line of code.
    """
    if _is_open(last, "()") or _is_open(body, "{}") or _fence_is_open(body):
        return False
    if re.fullmatch(_CODE, last):
        return True
    return bool(re.fullmatch(_STATEMENT, last)) and any(
        re.fullmatch(_CODE, line) or re.fullmatch(_OPENER, line) for line in above[:3]
    )


def _is_open(text: str, pair: str) -> bool:
    return text.count(pair[0]) > text.count(pair[1])


def _ends_link(last: str) -> bool:
    """Accept a web address, a mail address, or a link of Markdown that is no image."""
    word = last.split()[-1].strip("<>()*_[]（）《》")
    address = word[max(word.rfind("http"), word.rfind("www."), 0) :]
    return bool(
        re.fullmatch(_URL, address)
        or re.fullmatch(_MAIL, re.split("[:：]", word)[-1])
        or re.search(_LINK, last)
    )


def _ends_attribution(above: list[str], last: str) -> bool:
    """Accept a name after a dash, below what its bearer said: `— Jane Doe`."""
    if not above or not last.startswith(("—", "–", "―", "--")):
        return False
    return is_name(last.lstrip("—–―- ")) and ends_sentence(above[0])
