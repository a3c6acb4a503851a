"""How rounds are measured, and what comes after the last one."""

from __future__ import annotations

from typing import Any, Literal

from selflengthen.field_kinds import Section, identity, runtime


class HeldOutConfig(Section):
    """Instructions that no round trains on; the generator's answers are measured each round."""

    source: str | None = identity(
        None,
        "JSONL file, hub id or shipped set of held-out instructions; none: those of the language.",
    )
    texts: int = identity(48, "How many texts to write after each round.", ge=0)
    min_ends: float = runtime(
        0.8,
        "Stop after a round if fewer held-out texts end by themselves than this share of the base "
        "model's.",
        ge=0,
        le=1,
    )
    max_repeats: float = runtime(
        0.3,
        "Stop after a round if a larger share of held-out texts repeats itself, of those where the "
        "base model does not.",
        ge=0,
        le=1,
    )
    relevance: Literal["auto", "on", "off"] = runtime(
        "auto",
        "Measure by the base model how much the texts owe to their instructions; auto does where "
        "there is a GPU.",
    )


class CollectConfig(Section):
    """After the last round: more texts by the last generator, and one data set of all rounds."""

    instructions: int = identity(
        5_000, "Instructions that the last generator answers.", ge=0, le=1_000_000
    )
    keep: int = identity(4, "How many texts of an instruction to keep, the longest first.", ge=1)


def steps_field(sentence: str) -> Any:
    """Declare a list of curation steps; `curate.steps` defines them."""
    return identity([], sentence)


class AnnealConfig(Section):
    """A second, short training on selected rows of the data set (Minimum Tuning, 2410.10210)."""

    steps: list[Any] = steps_field(
        "Steps of `curate` that select its rows; an empty list skips it."
    )
    learning_rate: float = identity(2e-6, "Peak learning rate; all else is as in `train`.", gt=0)
    epochs: float = identity(1, "Epochs over the selected rows.", gt=0)


class FinishConfig(Section):
    """The data set with length requirements, and the fine-tuning of the base model on it."""

    about: float = identity(0.40, "Share of requirements of the form `about N words`.", ge=0)
    range: float = identity(0.25, "Share of requirements of the form `N to M words`.", ge=0)
    above: float = identity(0.10, "Share of requirements of the form `more than N words`.", ge=0)
    below: float = identity(0.25, "Share of requirements of the form `fewer than N words`.", ge=0)
    spelled: float = identity(0.2, "Share of requirements with the number in words.", ge=0, le=1)
    attempts: int = identity(
        3,
        "Attempts of the base model to add a requirement to an instruction; then a template does.",
        ge=0,
    )
    keep_words: float = identity(
        0.7, "Share of an instruction's words that must remain in the new one.", ge=0, le=1
    )
    learning_rate: float = identity(1e-4, "Peak learning rate; all else is as in `train`.", gt=0)
    epochs: float = identity(4, "Epochs over the data set.", gt=0)
    anneal: AnnealConfig = AnnealConfig()
