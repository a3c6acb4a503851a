"""Introspective refinement (Long Is More for Alignment, arXiv 2402.04833, section 4).

A model critiques a row's response. Then, given the instruction, the response and its own critique,
it writes a better one. If the checks reject every attempt, the row keeps its response.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from selflengthen.config import Config
from selflengthen.curate.io.rows import DataRow, Rows
from selflengthen.curate.io.work_dir import content_digest
from selflengthen.engines.base import Sampling
from selflengthen.field_kinds import identity_of
from selflengthen.inputs import prompts
from selflengthen.inputs.models import Model
from selflengthen.runner.context import Services, sampling_of
from selflengthen.runner.stage_runner import StageRunner
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.storage.records import fingerprint
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.text.checks import Checks, empty, finish

CRITIQUE, ANSWER = "refine-critique.user", "refine-answer.user"
ATTEMPTS = 3
"""Attempts per row, each a critique and an answer."""

_PLACEHOLDERS = {
    CRITIQUE: frozenset({"instruction", "response"}),
    ANSWER: frozenset({"instruction", "response", "critique"}),
}


def read_prompts(folder: Path) -> dict[str, str]:
    """Read the two prompts; raises UserError if one is missing or lacks a placeholder."""
    return {name: prompts.read(folder, name, slots) for name, slots in _PLACEHOLDERS.items()}


def identity(
    rows: Rows, config: Config, model: Model, texts: Mapping[str, str]
) -> Mapping[str, Any]:
    """Return what determines the refined responses: a work folder resumes only with the same."""
    return {
        "work": "refine",
        "data": content_digest(rows),
        "model": model.digest,
        "seed": config.seed,
        "sampling": identity_of(config.sampling),
        "checks": identity_of(config.checks),
        "prompts": {name: fingerprint(text).hex() for name, text in texts.items()},
    }


class RefineFigures(msgspec.Struct, frozen=True):
    """How many responses were refined, and why the others were not: rows by last rejection."""

    refined: int
    as_it_was: dict[str, int]


@dataclass
class Refine:
    """Refines one response per item; the item's input is the row."""

    prompts: Mapping[str, str]
    checks: Checks
    sampling: Sampling
    attempts: int = ATTEMPTS
    writing: Sampling = field(init=False)

    def __post_init__(self) -> None:
        """Allow any form and any repetition of the old response: no stop strings, no penalty."""
        self.writing = replace(self.sampling, stop=(), repetition_penalty=1.0)

    async def attempt(self, item: Item[DataRow], ask: Ask) -> Verdict:
        """Ask for a critique, then for a better response; the record keeps the critique."""
        row = item.input
        values = {"instruction": row.prompt, "response": row.response}
        first = await ask(prompts.fill(self.prompts[CRITIQUE], **values), "base", self.writing)
        critique = first.text.strip()
        if finish(first.finish_reason) or empty(critique):
            return Verdict(critique, first.finish_reason, "no critique")
        user = prompts.fill(self.prompts[ANSWER], **values, critique=critique)
        second = await ask(user, "base", self.writing)
        text = second.text.strip()
        reason = self.checks.reject(text, second.finish_reason, row.prompt)
        if reason is None and text == row.response.strip():
            reason = "unchanged"
        return Verdict(text, second.finish_reason, reason, {"critique": critique})


class Refining:
    """Has a model refine the responses of all rows; it runs and resumes like a stage of a run."""

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
        """Prepare; `texts` are the prompts, and `identity` is that of the work in `folder`."""
        self.runner = StageRunner(config, services)
        self.stage = Refine(texts, Checks(**dict(config.checks)), sampling_of(config))
        self.folder = folder
        self.rows = rows
        self.identity = identity

    async def play(self) -> None:
        """Refine every row that is not done yet."""
        await self.runner.texts(
            self.folder,
            identity=lambda: self.identity,
            adapters={},
            stage=self.stage,
            items=self._items(),
            total=len(self.rows),
        )

    def _items(self) -> Iterator[Item[DataRow]]:
        for row in self.rows:
            yield Item(f"refine-{row.number:09d}", str(row.number), row)


def stage_of(work: Path) -> StageFolder:
    """Return the folder of the refined responses in a work folder."""
    return StageFolder(work / "refined", "refined")


def apply_refinements(rows: Rows, folder: StageFolder) -> tuple[Rows, RefineFigures]:
    """Return the rows with their refined responses, and the figures for the report."""
    texts = {int(record.source or 0): record.text for record in folder.records()}
    unchanged = Counter(rejection.reason for rejection in folder.rejections() if rejection.last)
    first, *others = rows.sources
    changed = Rows((first.with_responses(texts), *others), rows.numbers)
    return changed, RefineFigures(len(texts), dict(unchanged.most_common()))
