"""Which indicators need a model, and the models that are named for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from selflengthen.curate.io.rows import Tell

KNN = re.compile(r"knn_([1-9][0-9]*)")
NEEDS: Mapping[str, str] = {
    "reward": "reward",
    "perplexity": "language_model",
    "naturalness": "unieval",
    "coherence": "unieval",
    "understandability": "unieval",
    "knn_I": "embedder",
}
"""The option that names the model of an indicator."""


@dataclass(frozen=True)
class Models:
    """The models that indicators need, by folder or hub id.

    `cache` is where their scores are kept; `tell` hears how far it is.
    """

    reward: str | None = None
    language_model: str | None = None
    unieval: str | None = None
    embedder: str | None = None
    batch: int = 8
    cache: Path | None = None
    tell: Tell | None = None

    def of(self, indicator: str) -> str | None:
        """Return the model of an indicator, None where it is not named."""
        name: str | None = getattr(self, needed(indicator) or "", None)
        return name


def needed(indicator: str) -> str | None:
    """Return the option that names an indicator's model, or None where it needs none."""
    return NEEDS.get("knn_I" if KNN.fullmatch(indicator) else indicator)
