"""Where evaluations stand.

runs/<run>/evaluate/<benchmark>/       base/ 01/ 02/ final/   a folder a state of the run
runs/evaluate/<model>/<benchmark>/     model/
    <state>/answers/                   a stage: stage.json, records.jsonl, …, DONE.json
    <state>/judged/<judge>/            a stage, too
    scores.json texts.jsonl report.md lengths.png bands.png
runs/evaluate/<one>+<other>/<benchmark>/   the scores of several side by side
"""

from __future__ import annotations

import re
from pathlib import Path

from selflengthen.errors import UserError
from selflengthen.storage.run_dir import RunFolder, StageFolder

ROOT = Path("runs") / "evaluate"


class EvaluationFolder(RunFolder):
    """The folder of one benchmark's evaluation: stages, logs and a lock, as a run has them."""

    def answers(self, state: str) -> StageFolder:
        """Return the stage of a state's answers."""
        return StageFolder(self.path / state / "answers", f"{state}/answers")

    def judged(self, state: str, judge: str) -> StageFolder:
        """Return the stage of what a judge said of them."""
        name = f"{state}/judged/{slug(judge)}"
        return StageFolder(self.path / name, name)

    def state(self, state: str) -> StageFolder:
        """Return the folder of all that belongs to a state."""
        return StageFolder(self.path / state, state)

    def in_use(self, holder: str) -> UserError:
        """Return the refusal of a second evaluation."""
        return UserError(
            f"{self.path}: this evaluation is in use by {holder}; wait for it, or stop it."
        )


def of_run(run: Path, benchmark: str) -> EvaluationFolder:
    """Return where a run's evaluation stands."""
    return EvaluationFolder(run / "evaluate" / benchmark)


def of_model(name: str, digest: str, benchmark: str) -> EvaluationFolder:
    """Return where a model's evaluation stands; another model of the same name has another."""
    return EvaluationFolder(ROOT / f"{slug(name)}-{digest[:8]}" / benchmark)


def side_by_side(names: list[str], benchmark: str) -> EvaluationFolder:
    """Return where the scores of several stand."""
    return EvaluationFolder(ROOT / "+".join(map(slug, names))[:200] / benchmark)


def slug(name: str) -> str:
    """Return a name as a folder can have it."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "model"
