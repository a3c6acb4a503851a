"""What `metrics.json` and `relevance.json` of a round and `final/figures.json` hold, in order."""

from __future__ import annotations

from pathlib import Path

import msgspec

from selflengthen.errors import DamagedFile
from selflengthen.storage.atomic import read_sealed
from selflengthen.storage.schemas import Count, Spread, as_struct


class Relevance(msgspec.Struct, kw_only=True, frozen=True):
    """relevance.json: how much held-out texts owe to their instructions (IFD, arXiv 2308.12032)."""

    of: str
    """digest of the held-out texts"""
    texts: Count
    """number of texts that have an IFD"""
    ifd: float
    """mean IFD with their own instructions: the lower, the more they owe to them"""
    shuffled: float
    """mean IFD with the instruction of another text"""
    share: float
    """share of texts whose own IFD is below 95 % of the shuffled ones; 0.05 is chance"""


class TextQuality(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """How the texts of a stage turned out; shares and means are over its texts, 0 for none."""

    texts: Count
    """number of texts"""
    words: Spread
    """their lengths"""
    ends: float
    """share that end by themselves, 0 to 1"""
    repeats: float
    """share that repeat a 10-gram, 0 to 1"""
    rep_4: float
    """mean share of 4-grams that occurred before in the text"""
    distinct_2: float
    """mean share of distinct bigrams"""
    distinct_3: float
    """mean share of distinct trigrams"""
    gzip_ratio: float
    """mean size ÷ size after gzip"""
    ended_words: Spread | None = None
    """lengths of the texts that end by themselves; earlier versions wrote neither this nor what
    follows"""
    near_repeats: float | None = None
    """mean share of a text's sentences that say an earlier one again, but for one word or number"""
    new_bigrams: list[float] | None = None
    """by tenth of a text: mean share of its bigrams that are new in the text; over the texts of 100
    words or more, empty for none"""
    assistant_talk: float | None = None
    """share of texts in which the model talks as an assistant with its user, 0 to 1"""
    relevance: Relevance | None = None
    """of held-out texts, if it was measured (`held_out.relevance`)"""


class Growth(msgspec.Struct, kw_only=True, frozen=True):
    """Lengths of held-out texts ÷ those of the base model's; null where one of them is 0."""

    mean: float | None
    """by the mean, of all texts"""
    median: float | None
    """by the median, of all texts"""
    ended_mean: float | None
    """by the mean, of the texts that end by themselves"""
    ended_median: float | None
    """by the median, of the texts that end by themselves"""


class RoundMetrics(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """metrics.json: what a round is measured by."""

    round: Count
    """number of the round"""
    acceptance: float
    """accepted expansions ÷ items of the stage, 0 to 1"""
    drafts: TextQuality
    """the drafts, those dropped by rank included"""
    expansions: TextQuality
    """the expansions, those dropped by rank included"""
    held_out: TextQuality
    """the held-out texts"""
    stages: dict[str, dict[str, object]]
    """the contents of the stages' DONE.json, by title, without `key`, `version` and `files`"""
    growth: Growth | None = None
    """how many times as long the held-out texts are as the base model's; earlier versions wrote
    none"""


class KindScore(msgspec.Struct, frozen=True):
    """How well length requirements of one kind are followed."""

    texts: Count
    """number of texts"""
    score: float | None
    """mean LonGen score, 0 to 1; null for no texts"""


class LengthFollowing(msgspec.Struct, kw_only=True, frozen=True):
    """How well a model follows length requirements."""

    texts: Count
    """number of texts"""
    score: float | None
    """mean LonGen score, 0 to 1; null for no texts"""
    by_kind: dict[str, KindScore]
    """`texts` and `score` by kind of requirement: `about`, `range`, `above`, `below`"""
    satisfied: float
    """share of length requirements that are satisfied, 0 to 1"""
    words: Spread
    """lengths of the texts"""
    ends: float
    """share that end by themselves, 0 to 1"""


class TextScore(msgspec.Struct, frozen=True):
    """One text against its length requirement."""

    words: Count
    """its length"""
    score: float
    """its LonGen score, 0 to 1"""


class RequirementScores(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A held-out instruction with its length requirement, and the two texts that answer it."""

    id: str
    """of the held-out instruction"""
    instruction: str
    """the instruction, with its requirement"""
    kind: str
    """`about`, `range`, `above` or `below`"""
    low: int | None
    """the lower number it names"""
    high: int | None
    """the higher number it names"""
    unit: str
    """`words` or `characters`"""
    base: TextScore | None = None
    """`words` and `score` of the base model's text"""
    final: TextScore | None = None
    """the same of the finished model's text"""


class FinalFigures(msgspec.Struct, kw_only=True, frozen=True):
    """final/figures.json: how well length requirements are met, before and after."""

    base: LengthFollowing
    """the base model"""
    final: LengthFollowing
    """the finished model"""
    texts: list[RequirementScores]
    """one object for every held-out instruction"""
    files: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    """SHA-256 digests of the data set and of the adapter's files; earlier versions wrote none"""


def read_metrics(path: Path, remedy: str) -> RoundMetrics | None:
    """Return a round's metrics.json, or None where there is none.

    Raises DamagedFile for one that was changed after it was written.
    """
    value = read_sealed(path, remedy)
    return None if value is None else as_struct(path, value, RoundMetrics, remedy)


def read_relevance(path: Path, remedy: str) -> Relevance | None:
    """Return a round's relevance.json, or None where there is none.

    Raises DamagedFile for one that was changed after it was written.
    """
    value = read_sealed(path, remedy)
    return None if value is None else as_struct(path, value, Relevance, remedy)


def read_figures(path: Path, remedy: str) -> FinalFigures | None:
    """Return final/figures.json, or None where there is none.

    Raises DamagedFile for one that was changed after it was written.
    """
    value = read_sealed(path, remedy)
    if value is None:
        return None
    figures = as_struct(path, value, FinalFigures, remedy)
    if figures.base.by_kind.keys() != figures.final.by_kind.keys():
        raise DamagedFile(
            path, "its two models are measured by different kinds of requirements", remedy
        )
    return figures
