"""What a curation reports of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selflengthen.curate.io.rows import AppliedStep


@dataclass(frozen=True)
class StepReport:
    """One step of a report.

    Attributes:
        method: its name.
        options: its options; open, since each method has its own.
        rows: how many rows it read.
        kept: how many it kept or, with `mix`, passed on.
        dropped: how many it dropped, by reason.
        figures: what the method measured; in the JSON they follow the other fields.
    """

    method: str
    options: Mapping[str, Any]
    rows: int
    kept: int
    dropped: Mapping[str, int]
    figures: Mapping[str, Any]

    @classmethod
    def of(cls, step: AppliedStep, options: Mapping[str, Any]) -> StepReport:
        """Return the report of a step with these options."""
        return cls(
            method=step.method,
            options=options,
            rows=len(step.rows),
            kept=len(step.choice.rows),
            dropped={d.reason: len(d.numbers) for d in step.choice.dropped if len(d.numbers)},
            figures=step.choice.figures,
        )

    def as_json(self) -> Mapping[str, Any]:
        """Return the step as it stands in the report's JSON."""
        return {
            "method": self.method,
            "options": self.options,
            "rows": self.rows,
            "kept": self.kept,
            "dropped": self.dropped,
            **self.figures,
        }
