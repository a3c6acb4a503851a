"""The dimensions that a judge grades, the format of its answer, and how grades are averaged.

LonGen: seven dimensions from 1 to 10 (arXiv 2410.23933). LongBench-Write: six from 1 to 5, and S_Q,
the mean of (grade − 1)·25 (arXiv 2408.07055). The prompts are our own: prompts/*/grade-*.user.md.
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
    """Dimensions that a judge grades.

    Attributes:
        name: Its name, and part of those of the prompts.
        dimensions: What is graded, in the order of the judge's answer.
        max_grade: The best grade; the worst is 1.
        key: The name of the mean over all dimensions: `quality` or `s_q`.
    """

    name: str
    dimensions: tuple[str, ...]
    max_grade: int
    key: str

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a judge's answer: an analysis first, then the grades."""
        grade = {"type": "integer", "enum": list(range(1, self.max_grade + 1))}
        properties = {"analysis": {"type": "string"}, **dict.fromkeys(self.dimensions, grade)}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def read(self, text: str) -> dict[str, int] | None:
        """Return the grades from the first complete JSON object in an answer; None without one."""
        for candidate in _objects(text):
            values = {_key(name): value for name, value in candidate.items()}
            if all(self._is_grade(values.get(name)) for name in self.dimensions):
                return {name: int(values[name]) for name in self.dimensions}
        return None

    def figure(self, grades: Sequence[Grades]) -> float | None:
        """Return the mean over texts and dimensions, as a grade or as S_Q from 0 to 100."""
        if not grades:
            return None
        mean = statistics.fmean(text[name] for text in grades for name in self.dimensions)
        return (mean - 1) * 25 if self.key == "s_q" else mean

    def means(self, grades: Sequence[Grades]) -> dict[str, float | None]:
        """Return the mean grade of each dimension."""
        return {
            name: statistics.fmean(text[name] for text in grades) if grades else None
            for name in self.dimensions
        }

    def lowest(self) -> dict[str, int]:
        """Return the grades of an empty text."""
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
        """Return the digest of everything that the judge gets: the prompts and the schema."""
        return fingerprint([self.prompts(), self.schema()]).hex()

    def _is_grade(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return 1 <= value <= self.max_grade and value == int(value)  # NaN fails the first test


LONGEN = Rubric(
    name="longen",
    dimensions=(
        "relevance",
        "coherence",
        "accuracy",
        "consistency",
        "clarity",
        "creativity",
        "engagement",
    ),
    max_grade=10,
    key="quality",
)
LONGBENCH_WRITE = Rubric(
    name="longbench-write",
    dimensions=(
        "relevance",
        "accuracy",
        "coherence",
        "clarity",
        "breadth_and_depth",
        "reading_experience",
    ),
    max_grade=5,
    key="s_q",
)


def language_of(instruction: str) -> str:
    """Return the language of the judge's prompt: Chinese for Chinese instructions, else English."""
    return "zh" if script(instruction) == "CJK" else "en"


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in a text; a judge may write its reasoning around them."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield value
        start = text.find("{", end)


def _key(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")
