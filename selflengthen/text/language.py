"""Detects the language of a text, and whether it is one that the instruction allows.

CLD2 (pycld2) detects the language if it is sure. For a short instruction it often is not; then
lingua decides, and if that is not sure either, only the scripts are compared. Code and web
addresses have no language and are left out. Text that mixes Latin script with another ("介绍一下
Kubernetes") is read in two parts, since a single name can have more letters than the sentence.
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

# A long text is judged by samples spread over it.
SAMPLES = 5
SAMPLE = 200  # characters
# Characters. Only both ends of an instruction are read: it may include a text of any length.
_END = 1000
# In a sample that mixes scripts, a part with a smaller share of the words is taken for a quotation.
# The share of Latin script is higher because names, which may be many, are mostly written in it.
_LATIN_SHARE = 1 / 2
_OTHER_SHARE = 1 / 3
_SHORT = 60  # characters; CLD2 often errs on shorter texts
_CONFIDENT = 0.95  # the confidence of lingua, 0 to 1, from which it is believed
# Close relatives, which CLD2 cannot distinguish reliably in a sample, count as one language.
_RELATIVES = {"nn": "no", "nb": "no", "da": "no", "sco": "en", "bs": "hr", "sr": "hr", "ms": "id"}
_RELATIVES |= {"sk": "cs", "gl": "pt"}
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


# The languages that lingua chooses from: those above except Latin, since requests are not in Latin.
_LINGUA = [*(_NAMES.keys() - {"la", "no", "iw"}), "nb", "da", "he"]

_LATIN_LETTERS = "A-Za-zªºÀ-ÖØ-öø-ʯḀ-ỿ"
_LATIN = re.compile(f"[{_LATIN_LETTERS}][{_LATIN_LETTERS}0-9'’._+#-]*")
# A quick search: most texts of one script lack one of these.
_ASCII, _BEYOND_LATIN = re.compile("[A-Za-z]"), re.compile("[Ͱ-᷿⺀-\U0010ffff]")
# Words of other scripts, ideographs one by one. A single letter (π) is a symbol, not a word.
_OTHER = re.compile(rf"(?=\w)(?:[{CJK}]|[^\W\d_{_LATIN_LETTERS}{CJK}]{{2,}})")
# Names: capitalised words, with short words between them (The Lord of the Rings).
_CAPITAL = r"[^\W\d_a-zß-ÿ][\w'’.+#-]*"
_NAME = re.compile(rf"{_CAPITAL}(?:(?: [a-z]{{1,4}}){{0,2}} {_CAPITAL})*")
# How requests in English begin, as opposed to a name before a request in another language.
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
# Labels of fences that do not contain code: some models wrap a complete article.
_NO_CODE = frozenset({"markdown", "md", "text", "txt", "plaintext"})
_ADDRESS = re.compile(r"(?:https?://|www\.)[!-~]+")
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+\.[A-Za-z.]+")
_TAG = re.compile(r"</?[A-Za-z!][^<>]*>")


@dataclass(frozen=True)
class TextPart:
    """The part of a text in Latin script, or the part that is not.

    `language` is an ISO 639-1 code as CLD2 uses it, or None if no detector is sure.
    """

    text: str
    words: float
    language: str | None = None
    script: str | None = None


@dataclass(frozen=True)
class AllowedLanguages:
    """The languages that an instruction allows: those of its own parts, and those it names."""

    own: tuple[TextPart, ...]
    named: frozenset[str]


@lru_cache(maxsize=4096)
def _allowed(start: str, end: str) -> AllowedLanguages:
    text = f"{start} {end}".strip()
    named = frozenset(_CODES[name] for name in _NAMED.findall(text.lower()))
    parts = _parts(text)
    own = parts if len(parts) < 2 else _requesting(text, *parts)
    return AllowedLanguages(
        tuple(
            TextPart(part.text, part.words, _language_of_few_words(part.text), script(part.text))
            for part in own
        ),
        named,
    )


def _parts(text: str) -> list[TextPart]:
    """Return the Latin and the other part of a text, or the text if it does not mix scripts."""
    if text.isascii() or not (_ASCII.search(text) and _BEYOND_LATIN.search(text)):
        return [TextPart(text, 1)]
    latin, other = _LATIN.findall(text), _OTHER.findall(text)
    if not other:
        return [TextPart(text, 1)]
    # Two words of Chinese or Japanese are about three characters.
    words = sum(2 / 3 if len(word) == 1 else 1 for word in other)
    return [TextPart(" ".join(latin), len(latin)), TextPart(_LATIN.sub(" ", text), words)]


def _requesting(text: str, latin: TextPart, other: TextPart) -> list[TextPart]:
    """Return the parts of a mixed instruction that are the request, not names or quotations."""
    first = re.search(r"[^\W\d_]", text)
    plain = [word for word in _NAME.sub(" ", latin.text).split() if word.islower()]
    if first and not _LATIN.match(first[0]):
        return [latin, other] if len(plain) > 1 and latin.words > 2 * other.words else [other]
    if not plain and not _VERB.match(latin.text):
        return [other]
    return [latin, other] if other.words >= latin.words else [latin]


def prose(text: str) -> str:
    """Return a text without code, tags and addresses."""
    # Searching for one character is a hundred times as fast as for three.
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
    """Say whether at least two samples of a text are in no allowed language.

    A single such sample may be a quotation or a list of works. A short text is one sample.
    """
    instruction, text = prose(instruction), prose(text)
    allowed = _allowed(instruction[:_END], instruction[_END:][-_END:])
    if len(text) < 2 * SAMPLES * SAMPLE:
        return _is_foreign(text, allowed)
    step = (len(text) - SAMPLE) // (SAMPLES - 1)
    samples = (text[i * step : i * step + SAMPLE] for i in range(SAMPLES))
    return sum(_is_foreign(sample, allowed) for sample in samples) >= 2


def _is_foreign(sample: str, allowed: AllowedLanguages) -> bool:
    """Say whether no part of a sample, except quotations, is in an allowed language."""
    parts = _parts(sample)
    if len(parts) == 1:
        return _is_part_foreign(sample, allowed)
    words = sum(part.words for part in parts)
    shares = zip(parts, (_LATIN_SHARE, _OTHER_SHARE), strict=True)
    return all(
        _is_part_foreign(part.text, allowed)
        for part, least in shares
        if part.words >= least * words
    )


def _is_part_foreign(text: str, allowed: AllowedLanguages) -> bool:
    code = language(text)
    if code in allowed.named:
        return False
    own = {part.language for part in allowed.own}
    if code and own and None not in own:
        return code not in own
    scripts = {part.script for part in allowed.own} | {None}
    return not allowed.named and len(scripts) > 1 and script(text) not in scripts


def _language_of_few_words(text: str) -> str | None:
    """Return the language of an instruction; of a short one, only if lingua finds it likely."""
    detected = language(text)
    if detected and len(text) >= _SHORT:
        return detected
    guesses = [
        (guess.language.iso_code_639_1.name.lower(), guess.value)
        for guess in _lingua().compute_language_confidence_values(_printable(text))
    ]
    if detected:
        likely = [_CLD2_CODES.get(code, code) for code, _ in guesses[:3]]
        return detected if detected in likely else None
    code, confidence = guesses[0]
    return _CLD2_CODES.get(code, code) if confidence >= _CONFIDENT else None


# From lingua's codes to those of CLD2.
_CLD2_CODES = {"he": "iw", **_RELATIVES}


@cache
def _lingua() -> LanguageDetector:
    """Load lingua with its small models, which take a quarter of a second and 40 MB."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in _LINGUA]
    detector = LanguageDetectorBuilder.from_iso_codes_639_1(*codes)
    return detector.with_low_accuracy_mode().build()


def _printable(text: str) -> str:
    """Blank out control characters and invalid UTF-8, which the detectors do not accept."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def language(text: str) -> str | None:
    """Return the language of most of the text, or None if CLD2 is not sure."""
    import pycld2  # type: ignore[import-untyped]

    sure, _, guesses = pycld2.detect(_printable(text), isPlainText=True)
    code: str = guesses[0][1].split("-")[0]
    if not sure or code == "un":
        return None
    if code == "ja" and script(text) != "KANA":
        return "zh"  # CLD2 takes a few ideographs alone for Japanese
    return _RELATIVES.get(code, code)


def script(text: str) -> str | None:
    """Return the Unicode name of the script of most letters; KANA if over a tenth are kana."""
    names = (unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha())
    counts = Counter(names)
    if not counts:
        return None
    if 10 * (counts["HIRAGANA"] + counts["KATAKANA"]) > counts.total():
        return "KANA"
    return counts.most_common(1)[0][0]
