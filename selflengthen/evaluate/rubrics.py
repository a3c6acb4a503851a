"""What a judge grades a text on, the form of its answer, and how grades become one figure.

LonGen: seven dimensions, 1 to 10 (arXiv 2410.23933). LongBench-Write: six, 1 to 5, and S_Q, the
mean of (grade − 1)·25 (arXiv 2408.07055). The prompts are our own: prompts/*/grade-*.user.md.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selflengthen.inputs import prompts
from selflengthen.storage.records import fingerprint
from selflengthen.text.language import script

LANGUAGES = ("en", "zh")
_PLACEHOLDERS = frozenset({"instruction", "response"})
Grades = Mapping[str, int]


@dataclass(frozen=True)
class Rubric:
    """Dimensions that are graded from 1 to `most`; `key` names the figure of all together."""

    name: str
    dimensions: tuple[str, ...]
    most: int
    key: str

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a judgement: first what is said of the text, then grades."""
        grade = {"type": "integer", "enum": list(range(1, self.most + 1))}
        properties = {"analysis": {"type": "string"}, **dict.fromkeys(self.dimensions, grade)}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def read(self, text: str) -> dict[str, int] | None:
        """Return the grades of a judgement, wherever in it they stand; None where any is amiss."""
        for found in _objects(text):
            named = {_key(name): value for name, value in found.items()}
            if all(self._is_grade(named.get(name)) for name in self.dimensions):
                return {name: int(named[name]) for name in self.dimensions}
        return None

    def figure(self, grades: Sequence[Grades]) -> float | None:
        """Return the mean over texts and dimensions: of the grades, or S_Q, 0 to 100."""
        if not grades:
            return None
        mean = statistics.fmean(one[name] for one in grades for name in self.dimensions)
        return (mean - 1) * 25 if self.key == "s_q" else mean

    def means(self, grades: Sequence[Grades]) -> dict[str, float | None]:
        """Return the mean grade of each dimension."""
        return {
            name: statistics.fmean(one[name] for one in grades) if grades else None
            for name in self.dimensions
        }

    def lowest(self) -> dict[str, int]:
        """Return the grades of a text that is empty."""
        return dict.fromkeys(self.dimensions, 1)

    def prompts(self) -> dict[str, str]:
        """Return the shipped prompts, by language."""
        return {
            language: prompts.read(
                prompts.shipped(language), f"grade-{self.name}.user", _PLACEHOLDERS
            )
            for language in LANGUAGES
        }

    def digest(self) -> str:
        """Return the digest of the prompts and of the form: what a judge was told."""
        return fingerprint([self.prompts(), self.schema()]).hex()

    def _is_grade(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return 1 <= value <= self.most and value == int(value)  # no NaN comes so far


LONGEN = Rubric(
    "longen",
    (
        "relevance", "coherence", "accuracy", "consistency", "clarity", "creativity", "engagement",
    ),
    10,
    "quality",
)  # fmt: skip
LONGBENCH_WRITE = Rubric(
    "longbench-write",
    (
        "relevance", "accuracy", "coherence", "clarity", "breadth_and_depth", "reading_experience",
    ),
    5,
    "s_q",
)  # fmt: skip


def language_of(instruction: str) -> str:
    """Return the language in which to speak to the judge: Chinese for Chinese, else English."""
    return "zh" if script(instruction) == "CJK" else "en"


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in a text: what a judge thinks aloud may stand around them."""
    decoder, start = json.JSONDecoder(), text.find("{")
    while start >= 0:
        try:
            found, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield found
        start = text.find("{", end)


def _key(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")
