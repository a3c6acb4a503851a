"""Introspective refinement (Long Is More for Alignment, arXiv 2402.04833, section 4).

A model is asked what is wrong with a row's response, and then for a better one, given the
instruction, the response and its own critique. What is refused by the checks, or is no answer,
leaves the response as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selflengthen.config import Config, identity_of
from selflengthen.curate.io.rows import Row, Rows
from selflengthen.curate.io.work_dir import content
from selflengthen.engines.base import Sampling
from selflengthen.inputs import prompts
from selflengthen.inputs.models import Model
from selflengthen.runner.context import Services, sampling_of
from selflengthen.runner.stage_runner import StageRunner
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.storage.records import fingerprint
from selflengthen.storage.run_dir import StageFolder
from selflengthen.text.checks import Checks, empty, finish

CRITIQUE, ANSWER = "refine-critique.user", "refine-answer.user"
ATTEMPTS = 3
"""Critiques and answers of a row, until one passes the checks."""

_PLACEHOLDERS = {
    CRITIQUE: frozenset({"instruction", "response"}),
    ANSWER: frozenset({"instruction", "response", "critique"}),
}


def read_prompts(folder: Path) -> dict[str, str]:
    """Read and check the two prompts; raises UserError."""
    return {name: prompts.read(folder, name, asked) for name, asked in _PLACEHOLDERS.items()}


def identity(rows: Rows, config: Config, model: Model, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what refined responses are made of."""
    return {
        "work": "refine",
        "data": content(rows),
        "model": model.digest,
        "seed": config.seed,
        "sampling": identity_of(config.sampling),
        "checks": identity_of(config.checks),
        "prompts": {name: fingerprint(text).hex() for name, text in texts.items()},
    }


@dataclass
class Refine:
    """Refines one response an item; what is given is the row."""

    prompts: Mapping[str, str]
    checks: Checks
    sampling: Sampling
    attempts: int = ATTEMPTS

    def __post_init__(self) -> None:
        """Responses of any form: no string ends them, and their words may stand there again."""
        self.writing = replace(self.sampling, stop=(), repetition_penalty=1.0)

    async def attempt(self, item: Item[Row], ask: Ask) -> Verdict:
        """Ask for a critique, then for a better response; the record keeps the critique."""
        row = item.input
        given = {"instruction": row.prompt, "response": row.response}
        said = await ask(prompts.fill(self.prompts[CRITIQUE], **given), "base", self.writing)
        critique = said.text.strip()
        if finish(said.finish_reason) or empty(critique):
            return Verdict(critique, said.finish_reason, "no critique")
        user = prompts.fill(self.prompts[ANSWER], **given, critique=critique)
        written = await ask(user, "base", self.writing)
        text = written.text.strip()
        reason = self.checks.refuse(text, written.finish_reason, row.prompt)
        if reason is None and text == row.response.strip():
            reason = "unchanged"
        return Verdict(text, written.finish_reason, reason, {"critique": critique})


class Refining:
    """Has a model refine the responses of all rows, as a stage of a run is made."""

    def __init__(
        self,
        config: Config,
        services: Services,
        *,
        folder: StageFolder,
        rows: Rows,
        texts: Mapping[str, str],
        identity: Mapping[str, Any],
    ) -> None:
        """Keep the rows, the prompts' `texts`, and what the work in `folder` is made of."""
        self.runner = StageRunner(config, services)
        self.stage = Refine(texts, Checks(**dict(config.checks)), sampling_of(config))
        self.folder = folder
        self.rows = rows
        self.identity = identity

    async def play(self) -> None:
        """Bring every row to its verdict."""
        await self.runner.texts(
            self.folder,
            identity=lambda: self.identity,
            adapters={},
            stage=self.stage,
            items=self._items(),
            total=len(self.rows),
        )

    def _items(self) -> Iterator[Item[Row]]:
        for row in self.rows:
            yield Item(f"refine-{row.number:09d}", str(row.number), row)


def stage_of(work: Path) -> StageFolder:
    """Return the folder of the refined responses in a work."""
    return StageFolder(work / "refined", "refined")


def refined(rows: Rows, folder: StageFolder) -> tuple[Rows, dict[str, Any]]:
    """Return the rows with their refined responses, and how many there are and why not more."""
    texts = {int(record.source or 0): record.text for record in folder.records()}
    kept = Counter(refusal.reason for refusal in folder.refusals() if refusal.last)
    first, *others = rows.sources
    changed = Rows((first.rewritten(texts), *others), rows.numbers)
    return changed, {"refined": len(texts), "as_it_was": dict(kept.most_common())}
