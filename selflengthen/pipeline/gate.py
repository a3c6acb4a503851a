"""The gate: which expansions of a round rows are made of, where the configuration has one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping

from selflengthen.config import Config
from selflengthen.curate.indicators import pairs
from selflengthen.curate.indicators.pairs import TextPair
from selflengthen.engines.base import Adapters
from selflengthen.errors import SelfLengthenError
from selflengthen.pipeline.controller import Controller, texts_by_id
from selflengthen.runner import metrics
from selflengthen.stages import gate
from selflengthen.stages.contract import Item
from selflengthen.stages.gate import GateInput
from selflengthen.storage.records import Record
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import EXPAND, GATE
from selflengthen.text.measures import word_count


async def judge(
    controller: Controller,
    folder: StageFolder,
    adapters: Adapters,
    *,
    instructions: StageFolder,
    drafts: StageFolder,
    expansions: StageFolder,
) -> None:
    """Set aside the expansions of a round that are worse than their drafts.

    A judge is the base model; `adapters` are those of the engine that is open.
    """
    await controller.verify(instructions, drafts, expansions)
    draft_of = {record.id: record for record in drafts.records()}
    items = gate.items(
        folder.number or 0, expansions.records(), draft_of, texts_by_id(instructions)
    )
    if controller.config.gate.by == "ifd":
        await _by_ifd(controller, folder, list(items))
    else:
        await controller.texts(
            folder,
            adapters,
            gate.JudgeGate(controller.prompts, controller.sampling),
            items,
            expansions.count(),
            drop=lambda settled: _set_aside(settled, controller.config),
        )
    if not folder.count():
        raise SelfLengthenError(
            f"{folder.path}: the gate set every expansion aside, so the round cannot continue; "
            f"{folder.records_path.name} has the reasons. Change the settings of `gate` and repeat "
            f"the stage with --redo {folder.number:02d}/{GATE.name}."
        )


async def _by_ifd(
    controller: Controller, folder: StageFolder, items: list[Item[GateInput]]
) -> None:
    """Score drafts and expansions in a child process, and write the records.

    The scores so far survive a kill in `ifd/`; of records, those written last count.
    """
    started = time.monotonic()
    await controller.begin(folder)
    await controller.services.engines.close()  # the child needs the memory
    controller.services.note(f"{folder.title}: scoring {len(items):,} expansions and their drafts.")
    listed = [
        TextPair(item.input.instruction, text)
        for item in items
        for text in (item.input.draft, item.input.expansion)
    ]
    place = folder.path / "ifd"
    scores = (await pairs.score(controller.context.model.path, listed, place)).values
    folder.append(
        gate.by_ifd(item, word_count(item.input.expansion), scores[2 * n], scores[2 * n + 1])
        for n, item in enumerate(items)
    )
    digest = folder.settle(_set_aside(folder, controller.config))
    seconds = time.monotonic() - started
    done = metrics.texts_done(folder, digest, items=len(items), seconds=seconds, tokens=0)
    controller.finish(folder, done)
    shutil.rmtree(place)


def _set_aside(folder: StageFolder, config: Config) -> Mapping[str, str]:
    reasons = ((r.id, gate.reason(r.details, config.gate)) for r in folder.records(dropped=True))
    return {name: why for name, why in reasons if why}


def passed(run: RunFolder, config: Config, number: int) -> Iterator[Record]:
    """Yield the expansions of a round that rows are made of: without a gate, all."""
    expansions = run.stage(EXPAND, number).records()
    if config.gate.by == "off":
        yield from expansions
        return
    names = {record.source for record in run.stage(GATE, number).records()}
    yield from (record for record in expansions if record.id in names)
