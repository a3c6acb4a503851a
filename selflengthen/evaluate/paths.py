"""The folders of evaluations.

runs/<run>/evaluate/<benchmark>/       base/ 01/ 02/ final/   one folder per state of the run
runs/evaluate/<model>/<benchmark>/     model/
    <state>/answers/                   a stage: stage.json, records.jsonl, …, DONE.json
    <state>/judged/<judge>/            a stage, too
    scores.json texts.jsonl report.md lengths.png bands.png
runs/evaluate/<one>+<other>/<benchmark>/   the scores of several, side by side
"""

from __future__ import annotations

import re
from pathlib import Path

from selflengthen.errors import UserError
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_folder import StageFolder

ROOT = Path("runs") / "evaluate"


class EvaluationFolder(RunFolder):
    """The folder of one benchmark's evaluation, with stages, logs and a lock like a run's."""

    def answers(self, state: str) -> StageFolder:
        """Return the stage with a state's answers."""
        return StageFolder(
            self.path / state / "answers", f"{state}/answers", require_run=self.require_present
        )

    def judged(self, state: str, judge: str) -> StageFolder:
        """Return the stage with a judge's grades of a state's answers."""
        name = f"{state}/judged/{slug(judge)}"
        return StageFolder(self.path / name, name, require_run=self.require_present)

    def state(self, state: str) -> StageFolder:
        """Return the folder with everything about a state."""
        return StageFolder(self.path / state, state)

    def in_use(self, holder: str) -> UserError:
        """Return the error for a second evaluation in the same folder."""
        return UserError(
            f"{self.path}: this evaluation is in use by {holder}; wait for it, or stop it."
        )


def of_run(run: Path, benchmark: str) -> EvaluationFolder:
    """Return the folder of a run's evaluation."""
    return EvaluationFolder(run / "evaluate" / benchmark)


def of_model(name: str, digest: str, benchmark: str) -> EvaluationFolder:
    """Return the folder of a model's evaluation; the digest distinguishes models of one name."""
    return EvaluationFolder(ROOT / f"{slug(name)}-{digest[:8]}" / benchmark)


def side_by_side(names: list[str], benchmark: str) -> EvaluationFolder:
    """Return the folder for the scores of several models."""
    return EvaluationFolder(ROOT / "+".join(map(slug, names))[:200] / benchmark)


def slug(name: str) -> str:
    """Return a name with only the characters that are safe in the name of a folder."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "model"
