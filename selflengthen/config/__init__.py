"""The configuration of a run: typed, one sentence per field, checked when it is loaded.

The defaults are the paper's constants (arXiv 2410.23933). `field_kinds` explains identity and
runtime fields.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from selflengthen.config.engine import EngineConfig, JudgeConfig
from selflengthen.config.final import (
    AnnealConfig,
    CollectConfig,
    FinishConfig,
    HeldOutConfig,
    steps_field,
)
from selflengthen.config.texts import (
    ChecksConfig,
    DraftConfig,
    ExpandConfig,
    GateConfig,
    InstructConfig,
    SamplingConfig,
)
from selflengthen.config.training import DatasetConfig, RoleTraining, Scheduler, TrainConfig
from selflengthen.field_kinds import Section, identity, runtime

__all__ = [
    "AnnealConfig",
    "ChecksConfig",
    "CollectConfig",
    "Config",
    "DatasetConfig",
    "DraftConfig",
    "EngineConfig",
    "ExpandConfig",
    "FinishConfig",
    "GateConfig",
    "HeldOutConfig",
    "InstructConfig",
    "JudgeConfig",
    "RoleTraining",
    "SamplingConfig",
    "Scheduler",
    "TrainConfig",
]


class Config(Section):
    """A run."""

    model: str = identity(
        "pocket", "Model folder, GGUF file, hub id, or `pocket` for the embedded model."
    )
    language: Literal["en", "zh", "pocket"] = identity("en", "Which of the shipped prompts to use.")
    prompts: str | None = identity(None, "Folder of prompts instead of the shipped ones.")
    seeds: str | None = identity(
        None,
        "JSONL file, hub id or shipped set of seed instructions; none: those of the language.",
    )
    seed: int = identity(0, "Random seed.", ge=0, le=10**100)
    iterations: int = runtime(3, "Rounds; raise it to add rounds to a run.", ge=1, le=10_000)
    sampling: SamplingConfig = SamplingConfig()
    checks: ChecksConfig = ChecksConfig()
    instruct: InstructConfig = InstructConfig()
    draft: DraftConfig = DraftConfig()
    expand: ExpandConfig = ExpandConfig()
    gate: GateConfig = GateConfig()
    dataset: DatasetConfig = DatasetConfig()
    curate: list[Any] = steps_field(
        "Steps of `curate` that select the rows to train on; an empty list trains on all."
    )
    train: TrainConfig = TrainConfig()
    held_out: HeldOutConfig = HeldOutConfig()
    collect: CollectConfig = CollectConfig()
    finish: FinishConfig = FinishConfig()
    engine: EngineConfig = EngineConfig()
    judge: JudgeConfig = JudgeConfig()

    def value(self, path: str) -> Any:
        """Return a field by its dotted name, as in `draft.per_instruction`."""
        value: Any = self
        for name in path.split("."):
            value = getattr(value, name)
        return value

    def steps(self) -> dict[str, list[Any]]:
        """Return the lists of curation steps by their field's name."""
        return {"curate": self.curate, "finish.anneal.steps": self.finish.anneal.steps}

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if self.instruct.words_under <= self.instruct.words_over + 1:
            raise ValueError(
                "instruct.words_under leaves no length over instruct.words_over; raise it"
            )
        if self.sampling.max_tokens >= self.engine.context:
            raise ValueError(
                f"sampling.max_tokens ({self.sampling.max_tokens}) leaves no room for a prompt in "
                f"engine.context ({self.engine.context}); lower one or raise the other"
            )
        if self.judge.max_tokens >= self.judge.engine.context:
            raise ValueError(
                f"judge.max_tokens ({self.judge.max_tokens}) leaves no room for a text in "
                f"judge.engine.context ({self.judge.engine.context}); lower one or raise the other"
            )
        if self.instruct.source is None and (self.instruct.field or self.instruct.judge):
            name = "field" if self.instruct.field else "judge"
            raise ValueError(
                f"instruct.{name} is only for instructions of instruct.source, which is not set; "
                f"set it, or leave instruct.{name} out"
            )
        finish = self.finish
        if not finish.about + finish.range + finish.above + finish.below:
            raise ValueError(
                "finish.about, range, above and below are all 0; give one of them a share"
            )
        return self
