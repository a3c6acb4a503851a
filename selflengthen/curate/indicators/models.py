"""Which indicators need a model, and the models that a user names for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from selflengthen.curate.io.rows import OnProgress

KNN = re.compile(r"knn_([1-9][0-9]*)")
NEEDS: Mapping[str, str] = {
    "reward": "reward",
    "perplexity": "language_model",
    "ifd": "language_model",
    "naturalness": "unieval",
    "coherence": "unieval",
    "understandability": "unieval",
    "knn_I": "embedder",
}
"""The option that names the model of an indicator."""


@dataclass(frozen=True)
class Models:
    """The models that indicators need, by folder or hub id.

    Attributes:
        batch: batch size, in rows.
        cache: the folder of their scores; None for the default one.
        on_progress: called while they score.
    """

    reward: str | None = None
    language_model: str | None = None
    unieval: str | None = None
    embedder: str | None = None
    batch: int = 8
    cache: Path | None = None
    on_progress: OnProgress | None = None

    def of(self, indicator: str) -> str | None:
        """Return the model of an indicator, or None if it is not named."""
        name: str | None = getattr(self, model_option(indicator) or "", None)
        return name


def model_option(indicator: str) -> str | None:
    """Return the option that names an indicator's model, or None if it needs none."""
    return NEEDS.get("knn_I" if KNN.fullmatch(indicator) else indicator)
