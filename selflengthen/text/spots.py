"""Where a model talks in place of writing: first and last sentences, and how paragraphs open.

Speech of others is no talk of the model: what stands in quotes or behind a speaker's name is left
out. A text is *addressed* if it greets somebody (a letter, a mail, a speech): there, thanks,
apologies and offers of help belong to the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

# Of a line so many characters are read; of the first and the last lines so many sentences.
_SIZE, _EDGE, _LINES, _SENTENCES = 240, 900, 2, 4
# Texts with at most so many characters are short: for these, one sign of talk is enough.
_SHORT, _SHORT_CJK = 1000, 300

# Taken off before a sentence is read; not quotes, which open speech.
_DRESS = " \t*_#>`~—=-(（[【•·\u200b"
_QUOTES = "\"“”„‟«»「」『』‘'"
_LABEL = re.compile(
    r"[\w.’' -]{1,30}[:：](?!\s*$)|\*\*[^*]{1,30}\*\*\s*[:：]|[A-Z][A-Z .]{2,20}\. "
)
_NO_LABEL = re.compile(
    r"(?:note|answer|response|title|subject|output|instruction)s?\b|注|标题|说明|备注", re.I
)
_BORDER = re.compile(r"(?<=[.!?…])[\"”’')*_]*\s+|(?<=[。！？!?；])[”」』）]*\s*")
_WORD = re.compile("[A-Za-z]+")
_FIRST = frozenset(
    "a according an apologies as based because below but changes cheers edited edits elaborated"
    " enriched expanded explanation fleshed given heading here however i improvements in key"
    " lengthened list main my note one our per please possible potential re regards regrettably"
    " rephrased revised revisions reworked rewritten sincerely some sorry suggested summary the"
    " this title unfortunately we with yours your".split()
)
# What goes with the sentence behind it: "Sure! Here's a story."
_AGREES = re.compile(
    r"(?i)\W*(?:sure(?: thing)?|certainly|absolutely|of course|okay|ok|all ?right|great|got it"
    r"|no problem|definitely|好的|当然(?:可以)?|没问题|可以)[!.！。]\s*"
)
_GREETING = re.compile(
    r"(?i)[\s*_#>\[]*(?:(?:my |our )?dear(?:est)?\b|to whom it may|(?:hi|hello|hey"
    r"|greetings),? (?:there|all|team|everyone|every|folks|\[|[a-z.]+(?: [a-z.]+)?[,:!])"
    r"|ladies and gentlemen|good (?:morning|afternoon|evening)\b|(?:distinguished|honou?red"
    r"|esteemed|fellow|friends|members|colleagues)\b.{0,60}[,:!]|subject\s*:|re\s*:|from\s*:"
    r"|to\s*:|date\s*:)|[\s*_#>\[]*(?:尊敬的|敬爱的|亲爱的|各位|女士们|先生们|同学们|老师们|朋友们"
    r"|大家好|主题[:：]|收件人|致|[^，。！？]{1,10}(?:您好|你好|先生|女士|同志)[：:，,！!])"
)


class Spots(NamedTuple):
    """What is read of a text, in lower case with straight apostrophes.

    Attributes:
        openings: how its lines begin that may be talk, without quoted speech.
        first: its first sentences.
        last: its last sentences.
        addressed: whether it greets somebody.
        short: whether it is only a few sentences long.
        closing: its last line.
    """

    openings: tuple[str, ...]
    first: tuple[str, ...]
    last: tuple[str, ...]
    addressed: bool
    short: bool
    closing: str


@lru_cache(maxsize=1)  # several checks read the same text, one after the other
def spots(text: str) -> Spots:
    """Return what is read of a text."""
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    head, tail = lines[:_LINES], lines[-_LINES:]
    shortest = _SHORT if text.isascii() or not re.search("[一-鿿]", text[:200]) else _SHORT_CJK
    return Spots(
        openings=tuple(_openings(lines)),
        first=tuple(s for line in head for s in _sentences(line[:_EDGE])[:_SENTENCES]),
        last=tuple(s for line in tail for s in _sentences(line, last=True)[-_SENTENCES:]),
        addressed=any(_GREETING.match(line) for line in lines[:4]),
        short=len(text) <= shortest,
        closing=_plain(lines[-1][:_SIZE]) if lines else "",
    )


def _openings(lines: list[str]) -> Iterator[str]:
    for line in lines:
        start = line[:_SIZE].strip()
        if _may_talk(start) and start[0] not in _QUOTES and not _is_labelled(start):
            yield _plain(start)


def _may_talk(start: str) -> bool:
    """Say whether a line begins as talk does, or ends in brackets as a revised title does."""
    bare = start.lstrip(_DRESS)
    if not bare or start[-1] in ")）*":
        return bool(bare)
    word = _WORD.match(bare)
    return bare[0] > "⺀" or (word is not None and word[0].lower() in _FIRST)


def _sentences(line: str, *, last: bool = False) -> list[str]:
    """Return the sentences of a line that are not inside quotes."""
    start = line.strip(_DRESS)
    if start[:1] in _QUOTES or _is_labelled(start):
        return []
    cut = len(line) - _EDGE if last and len(line) > _EDGE else 0
    sentences: list[str] = []
    place = 0
    for border in (*_BORDER.finditer(line), None):
        end = border.end() if border else len(line)
        if border and _AGREES.fullmatch(line[place:end]):
            continue
        if place >= cut and not _is_inside(line[:place]):
            sentences.append(_plain(line[place:end]))
        place = end
    return [sentence for sentence in sentences if sentence]


def _is_inside(before: str) -> bool:
    """Say whether quotes are open after `before`."""
    return (
        before.count('"') % 2 == 1
        or before.count("“") > before.count("”")
        or before.count("「") > before.count("」")
    )


def _is_labelled(start: str) -> bool:
    return bool(_LABEL.match(start)) and not _NO_LABEL.match(start.lstrip(_DRESS))


def _plain(text: str) -> str:
    return text.strip().lower().replace("’", "'").lstrip(_DRESS).strip()
