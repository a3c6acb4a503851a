"""The figures of scored responses. The fields are the keys of the JSON, in its order."""

from __future__ import annotations

import msgspec


class KindMeans(msgspec.Struct, frozen=True):
    """LonGen's mean scores, 0 to 1, over all responses and by kind; None for a kind without any."""

    overall: float | None
    about: float | None
    range: float | None
    above: float | None
    below: float | None


class LongenScores(msgspec.Struct, frozen=True):
    """LonGen's mean scores, 0 to 1: those of `KindMeans`, and the same by language and by band."""

    overall: float | None
    about: float | None
    range: float | None
    above: float | None
    below: float | None
    by_language: dict[str, KindMeans]
    by_band: dict[str, KindMeans]


class TypeMean(msgspec.Struct, frozen=True):
    """The mean S_L, 0 to 100, of the responses of one type."""

    responses: int
    s_l: float | None


class LongbenchScores(msgspec.Struct, frozen=True):
    """LongBench-Write's mean S_L, 0 to 100, over all responses and by type."""

    s_l: float | None
    by_type: dict[str, TypeMean]


class LifebenchMeans(msgspec.Struct, frozen=True):
    """LIFEBench's means: LD and |LD| as fractions, LS from 0 to 100; None without responses."""

    responses: int
    ld: float | None
    abs_ld: float | None
    ls: float | None


class LifebenchScores(msgspec.Struct, frozen=True):
    """LIFEBench's means over all responses and by group; `dropped` counts those left out."""

    dropped: int
    ld: float | None
    abs_ld: float | None
    ls: float | None
    by_constraint: dict[str, LifebenchMeans]
    by_length: dict[str, LifebenchMeans]
    by_language: dict[str, LifebenchMeans]


class LengthFigures(msgspec.Struct, frozen=True):
    """The length scores of a set of responses.

    Attributes:
        responses: The number of responses.
        empty: How many of them have no words.
        counter: What counts as a word, in words.
        words: Mean, median and 90th percentile of their lengths.
        scores: The benchmark's scores; in the JSON, their fields follow these.
    """

    responses: int
    empty: int
    counter: str
    words: dict[str, float]
    scores: LongenScores | LongbenchScores | LifebenchScores

    def as_json(self) -> dict[str, object]:
        """Return the figures as one flat JSON object."""
        fields: dict[str, object] = msgspec.to_builtins(self)
        scores: dict[str, object] = msgspec.to_builtins(self.scores)
        del fields["scores"]
        return fields | scores


class DecileFigures(msgspec.Struct, frozen=True):
    """The mean variety of one tenth of the texts, by position.

    Attributes:
        decile: 1 to 10.
        rep_4: Share of the 4-grams that occurred earlier in the text.
        distinct_2: Distinct 2-grams ÷ all 2-grams.
        distinct_3: Distinct 3-grams ÷ all 3-grams.
        gzip_ratio: Size before ÷ after gzip.
        mtld: Lexical diversity of the parts that are long enough; None if none is.
        first_repeat: Share of the texts whose first repeat ends in this tenth.
    """

    decile: int
    rep_4: float
    distinct_2: float
    distinct_3: float
    gzip_ratio: float
    mtld: float | None
    first_repeat: float


class QualityFigures(msgspec.Struct, frozen=True):
    """Quality as measured without a judge; shares and means over texts.

    Attributes:
        responses: The number of texts.
        empty: How many of them are blank.
        words: Mean, median and 90th percentile of their lengths.
        truncated: Share of the texts whose last mark does not end a sentence.
        ends: Share of the known finish reasons that are `stop`; None if none is known.
        repeats: Share of the texts that repeat themselves.
        rep_4: Share of repeated 4-grams.
        distinct_2: Distinct 2-grams ÷ all 2-grams.
        distinct_3: Distinct 3-grams ÷ all 3-grams.
        gzip_ratio: Size before ÷ after gzip.
        mtld: Lexical diversity of the long texts; None without any.
        long: The number of long texts.
        by_decile: The variety of each tenth of the long texts.
    """

    responses: int
    empty: int
    words: dict[str, float]
    truncated: float
    ends: float | None
    repeats: float
    rep_4: float
    distinct_2: float
    distinct_3: float
    gzip_ratio: float
    mtld: float | None
    long: int
    by_decile: list[DecileFigures]
