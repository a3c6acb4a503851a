"""Which language a text is written in, and whether that is the one it was asked for in.

CLD2 (pycld2) names the language where it is sure. Of a short instruction it often is not: then
lingua is asked, and where that is not sure either, only the scripts are compared. Code and web
addresses are in no language and are left out. Text that mixes Latin script with another ("介绍一下
Kubernetes") is read in two parts, since by its letters a single name can outweigh a sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from selflengthen.text.token_arrays import CJK

if TYPE_CHECKING:
    from lingua import LanguageDetector

# Text is judged by this many samples of so many characters, spread over it.
SAMPLES, SAMPLE = 5, 200
# An instruction is read at both ends only: it may carry a text of any length with it.
_END = 1000
# In a sample that mixes scripts, a part counts from this share of the words on; less of it is
# quoted. Names, which are mostly in Latin script, can be many.
_LATIN_SHARE, _OTHER_SHARE = 1 / 2, 1 / 3
# CLD2 errs where it has less than this many characters to go by; lingua is believed from this
# confidence on (0 to 1).
_SHORT, _CONFIDENT = 60, 0.95
# What CLD2 tells apart and samples cannot: close relatives count as one language.
_SAME = {"nn": "no", "nb": "no", "da": "no", "sco": "en", "bs": "hr", "sr": "hr", "ms": "id"}
_SAME |= {"sk": "cs", "gl": "pt"}
_NAMES = {
    "ar": "arabic arabe árabe 阿拉伯 アラビア",
    "cs": "czech",
    "de": "german deutsch allemand alemán alemão 德文 德语 德語 ドイツ語 독일어 немецк",
    "el": "greek 希腊",
    "en": "english englisch anglais inglés inglês inglese 英文 英语 英語 영어 английск",
    "es": "spanish español espagnol spanisch castellano 西班牙 スペイン語 스페인어 испанск",
    "fi": "finnish",
    "fr": "french français französisch francés francês 法文 法语 法語 フランス語 프랑스어",
    "hi": "hindi 印地",
    "hu": "hungarian",
    "id": "indonesian malay 印尼 印度尼西亚",
    "it": "italian italiano italien italienisch 意大利 イタリア語 итальянск",
    "iw": "hebrew",
    "ja": "japanese 日文 日语 日語 日本語 일본어 японск",
    "ko": "korean 韩文 韩语 韓国語 한국어 корейск",
    "la": "latin",
    "nl": "dutch 荷兰",
    "no": "norwegian danish",
    "pl": "polish 波兰",
    "pt": "portuguese português portugais 葡萄牙 португальск",
    "ru": "russian russisch russe ruso 俄文 俄语 俄語 ロシア語 러시아어 русск",
    "sv": "swedish",
    "th": "thai 泰文 泰语",
    "tr": "turkish 土耳其",
    "uk": "ukrainian",
    "vi": "vietnamese 越南",
    "zh": "chinese mandarin chinesisch chinois chino 中文 汉语 漢語 普通话 中国語 중국어",
}
_CODES = {name: code for code, names in _NAMES.items() for name in names.split()}
_NAMED = re.compile("|".join(rf"\b{n}" if n[0] < "\u1100" else n for n in _CODES))


# What lingua chooses from: the languages above, without Latin, in which nobody writes requests.
_LINGUA = [*(_NAMES.keys() - {"la", "no", "iw"}), "nb", "da", "he"]

_LATIN_LETTERS = "A-Za-zªºÀ-ÖØ-öø-ʯḀ-ỿ"
_LATIN = re.compile(f"[{_LATIN_LETTERS}][{_LATIN_LETTERS}0-9'’._+#-]*")
# What most texts of one script lack; looked for first, as that is fast.
_ASCII, _BEYOND_LATIN = re.compile("[A-Za-z]"), re.compile("[Ͱ-᷿⺀-\U0010ffff]")
# Words of other scripts; each ideograph by itself. A single letter (π) is a symbol.
_OTHER = re.compile(rf"(?=\w)(?:[{CJK}]|[^\W\d_{_LATIN_LETTERS}{CJK}]{{2,}})")
# Names: words in capitals, and small words between two of them (The Lord of the Rings).
_CAPITAL = r"[^\W\d_a-zß-ÿ][\w'’.+#-]*"
_NAME = re.compile(rf"{_CAPITAL}(?:(?: [a-z]{{1,4}}){{0,2}} {_CAPITAL})*")
# How requests in English begin. A name before a request in another language does not.
_VERB = re.compile(
    r"(?:please |can you |could you )?(?:write|explain|describe|translate|tell|create|compose"
    r"|discuss|define|introduce|summari[sz]e|analy[sz]e|compare|give|make|draft|develop|prepare"
    r"|produce|generate|list|show|teach|help|what|how|why|who|when|where)\b",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"(?ms)^[ \t>]*(`{3,}|~{3,})[ \t]*(?P<label>\w*)[^\n]*(?P<inside>.*?)(?:^[ \t>]*\1|\Z)"
    r"|`[^`\n]*`"
)
# Labels of fences around what is no code: some models wrap a whole article.
_NO_CODE = frozenset({"markdown", "md", "text", "txt", "plaintext"})
_ADDRESS = re.compile(r"(?:https?://|www\.)[!-~]+")
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+\.[A-Za-z.]+")
_TAG = re.compile(r"</?[A-Za-z!][^<>]*>")


@dataclass(frozen=True)
class Part:
    """What of a text is in Latin script, or what is not.

    `language` is ISO 639-1, as CLD2 names it, and None where nothing is sure of it.
    """

    text: str
    words: float
    language: str | None = None
    script: str | None = None


@dataclass(frozen=True)
class Wanted:
    """What an instruction lets its text be written in: as its own parts are, or as it names."""

    own: tuple[Part, ...]
    named: frozenset[str]


@lru_cache(maxsize=4096)
def _wanted(begin: str, end: str) -> Wanted:
    text = f"{begin} {end}".strip()
    named = frozenset(_CODES[name] for name in _NAMED.findall(text.lower()))
    parts = _parts(text)
    own = parts if len(parts) < 2 else _speaking(text, *parts)
    return Wanted(
        tuple(
            Part(part.text, part.words, _language_of_few_words(part.text), script(part.text))
            for part in own
        ),
        named,
    )


def _parts(text: str) -> list[Part]:
    """Return the Latin part of a text and the other one, or the whole text where it has one."""
    if text.isascii() or not (_ASCII.search(text) and _BEYOND_LATIN.search(text)):
        return [Part(text, 1)]
    latin, other = _LATIN.findall(text), _OTHER.findall(text)
    if not other:
        return [Part(text, 1)]
    # Two words of Chinese or Japanese are about three characters.
    words = sum(2 / 3 if len(word) == 1 else 1 for word in other)
    return [Part(" ".join(latin), len(latin)), Part(_LATIN.sub(" ", text), words)]


def _speaking(text: str, latin: Part, other: Part) -> list[Part]:
    """Return which parts of a mixed instruction say what is wanted, and are no names or quotes."""
    first = re.search(r"[^\W\d_]", text)
    plain = [word for word in _NAME.sub(" ", latin.text).split() if word.islower()]
    if first and not _LATIN.match(first[0]):
        return [latin, other] if len(plain) > 1 and latin.words > 2 * other.words else [other]
    if not plain and not _VERB.match(latin.text):
        return [other]
    return [latin, other] if other.words >= latin.words else [latin]


def prose(text: str) -> str:
    """Return a text without code, tags and addresses."""
    # Looking for one character is a hundred times as fast as for three.
    if "`" in text or "~" in text:
        text = _CODE.sub(lambda code: code["inside"] if code["label"] in _NO_CODE else " ", text)
    if "/" in text and ("://" in text or "www." in text):
        text = _ADDRESS.sub(" ", text)
    if "@" in text:
        text = _MAIL.sub(" ", text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    return text


def is_foreign(text: str, instruction: str) -> bool:
    """Say whether two samples of the text are in no wanted language; a short text is one sample.

    A single foreign sample of several may be a quotation or a list of works.
    """
    instruction, text = prose(instruction), prose(text)
    wanted = _wanted(instruction[:_END], instruction[_END:][-_END:])
    if len(text) < 2 * SAMPLES * SAMPLE:
        return _is_foreign(text, wanted)
    step = (len(text) - SAMPLE) // (SAMPLES - 1)
    samples = (text[i * step : i * step + SAMPLE] for i in range(SAMPLES))
    return sum(_is_foreign(sample, wanted) for sample in samples) >= 2


def _is_foreign(sample: str, wanted: Wanted) -> bool:
    """Say whether no part of a sample, but for quotations, is in a wanted language."""
    parts = _parts(sample)
    if len(parts) == 1:
        return _is_part_foreign(sample, wanted)
    words = sum(part.words for part in parts)
    shares = zip(parts, (_LATIN_SHARE, _OTHER_SHARE), strict=True)
    return all(
        _is_part_foreign(part.text, wanted) for part, least in shares if part.words >= least * words
    )


def _is_part_foreign(text: str, wanted: Wanted) -> bool:
    code = language(text)
    if code in wanted.named:
        return False
    own = {part.language for part in wanted.own}
    if code and own and None not in own:
        return code not in own
    scripts = {part.script for part in wanted.own} | {None}
    return not wanted.named and len(scripts) > 1 and script(text) not in scripts


def _language_of_few_words(text: str) -> str | None:
    """Return the language of an instruction; of a short one only what lingua finds likely too."""
    sure = language(text)
    if sure and len(text) >= _SHORT:
        return sure
    guesses = [
        (guess.language.iso_code_639_1.name.lower(), guess.value)
        for guess in _lingua().compute_language_confidence_values(_printable(text))
    ]
    if sure:
        return sure if sure in [_ALIKE.get(code, code) for code, _ in guesses[:3]] else None
    code, confidence = guesses[0]
    return _ALIKE.get(code, code) if confidence >= _CONFIDENT else None


_ALIKE = {"he": "iw", **_SAME}


@cache
def _lingua() -> LanguageDetector:
    """Load lingua: its small models, which take a quarter of a second and 40 MB."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in _LINGUA]
    detector = LanguageDetectorBuilder.from_iso_codes_639_1(*codes)
    return detector.with_low_accuracy_mode().build()


def _printable(text: str) -> str:
    """Blank out control characters and what is no valid UTF-8, which detectors refuse."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def language(text: str) -> str | None:
    """Return the language of most of the text, None where CLD2 is not sure."""
    import pycld2  # type: ignore[import-untyped]

    sure, _, guesses = pycld2.detect(_printable(text), isPlainText=True)
    code: str = guesses[0][1].split("-")[0]
    if not sure or code == "un":
        return None
    if code == "ja" and script(text) != "KANA":
        return "zh"  # a few ideographs alone look Japanese to it
    return _SAME.get(code, code)


def script(text: str) -> str | None:
    """Return the script of most letters, as Unicode names it; KANA where a tenth are kana."""
    names = (unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha())
    counts = Counter(names)
    if not counts:
        return None
    if 10 * (counts["HIRAGANA"] + counts["KATAKANA"]) > counts.total():
        return "KANA"
    return counts.most_common(1)[0][0]
