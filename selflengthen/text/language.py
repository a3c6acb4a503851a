"""Which language a text is written in, and whether that is the one it was asked for in.

CLD2 (pycld2) names the language where it is sure; where it is not, for example of an instruction
of two words, only the scripts are compared.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

# Text is judged by this many samples of so many characters, spread over it.
SAMPLES, SAMPLE = 5, 200
# An instruction is read at both ends only: it may carry a text of any length with it.
_END = 1000
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


@dataclass(frozen=True)
class Wanted:
    """What an instruction lets its text be written in.

    `own` is its own language (ISO 639-1, as CLD2 names it; None where that is not sure), `named`
    are the languages that it speaks of, `script` is its script.
    """

    own: str | None
    named: frozenset[str]
    script: str | None


@lru_cache(maxsize=4096)
def _wanted(begin: str, end: str) -> Wanted:
    text = f"{begin} {end}"
    named = frozenset(_CODES[name] for name in _NAMED.findall(text.lower()))
    return Wanted(language(text), named, script(text))


def is_foreign(text: str, instruction: str) -> bool:
    """Say whether two samples of the text are in no wanted language; a short text is one sample.

    A single foreign sample of several may be a quotation or a list of works.
    """
    wanted = _wanted(instruction[:_END], instruction[_END:][-_END:])
    if len(text) < 2 * SAMPLES * SAMPLE:
        return _is_foreign(text, wanted)
    step = (len(text) - SAMPLE) // (SAMPLES - 1)
    samples = (text[i * step : i * step + SAMPLE] for i in range(SAMPLES))
    return sum(_is_foreign(sample, wanted) for sample in samples) >= 2


def _is_foreign(sample: str, wanted: Wanted) -> bool:
    found = language(sample)
    if found in wanted.named:
        return False
    if found and wanted.own:
        return found != wanted.own
    scripts = {script(sample), wanted.script, None}
    return not wanted.named and len(scripts) > 2


def language(text: str) -> str | None:
    """Return the language of most of the text, None where CLD2 is not sure."""
    import pycld2  # type: ignore[import-untyped]

    # CLD2 refuses control characters and what is no valid UTF-8.
    clean = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    sure, _, found = pycld2.detect(clean, isPlainText=True)
    code: str = found[0][1].split("-")[0]
    if not sure or code == "un":
        return None
    if code == "ja" and script(text) != "KANA":
        return "zh"  # a few ideographs alone look Japanese to it
    return _SAME.get(code, code)


def script(text: str) -> str | None:
    """Return the script of most letters, as Unicode names it; KANA where a tenth are kana."""
    names = (unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha())
    found = Counter(names)
    if not found:
        return None
    if 10 * (found["HIRAGANA"] + found["KATAKANA"]) > found.total():
        return "KANA"
    return found.most_common(1)[0][0]
