"""How much held-out texts owe to their instructions, by the base model.

A text that loses its thread, or pads, grows in words as a good one does. IFD (arXiv 2308.12032)
sees whether the instruction still helps the base model to predict the text. It rises with the
length of a text, whatever the text says, so it is compared with that of shuffled pairs: each text
with the instruction of another.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from selflengthen.config import Config
from selflengthen.curate.indicators import pairs
from selflengthen.curate.indicators.pairs import TextPair
from selflengthen.errors import SelfLengthenError
from selflengthen.inputs import hardware
from selflengthen.pipeline.controller import Controller
from selflengthen.runner import metrics
from selflengthen.storage.atomic import write_sealed
from selflengthen.storage.figures import Relevance
from selflengthen.storage.records import Record
from selflengthen.storage.stage_folder import StageFolder

_CHANCE = 20  # one in so many shuffled pairs is below the bound


def is_wanted(config: Config) -> bool:
    """Say whether relevance is measured: by `auto`, where a GPU makes it cheap."""
    if config.held_out.relevance != "auto":
        return config.held_out.relevance == "on"
    return hardware.has_gpu() and config.engine.kind not in ("openai", "scripted")


async def relate(controller: Controller, folder: StageFolder) -> None:
    """Write a round's relevance.json, if it is wanted and no later round has been measured.

    A failure, of a model too large for one GPU for example, is noted and stops no run.
    """
    run, number, done = controller.run, folder.number or 0, folder.done()
    known = run.metrics(max(1, number)).exists() or metrics.relevance_on_file(run, number)
    if done is None or known or not is_wanted(controller.config):
        return
    await controller.verify(folder)
    await controller.services.engines.close()
    controller.services.note(f"Round {number}: scoring held-out texts against their instructions.")
    path = run.relevance(number)
    seeds = {seed.id: seed.instruction for seed in controller.context.held_out}
    model = controller.context.model.path
    texts = list(folder.records())
    try:
        figures = await measure(model, texts, seeds, path.with_suffix(""), done.digest)
    except SelfLengthenError as error:
        controller.services.note(f"Round {number}: their relevance is not measured: {error}")
        return
    if figures:
        write_sealed(path, msgspec.to_builtins(figures))


async def measure(
    model: Path, texts: Sequence[Record], instructions: Mapping[str, str], folder: Path, of: str
) -> Relevance | None:
    """Return the relevance of texts to their instructions (by the texts' `source`).

    None for fewer than two texts. `folder` is a place to work in; `of` is the texts' digest.
    """
    prompts = [instructions[text.source or ""] for text in texts]
    others = prompts[len(prompts) // 2 :] + prompts[: len(prompts) // 2]
    listed = [TextPair(p, t.text) for p, t in zip(prompts, texts, strict=True)]
    listed += [TextPair(p, t.text) for p, t in zip(others, texts, strict=True)]
    if len(texts) < 2:
        return None
    scores = (await pairs.score(model, listed, folder)).values
    both = list(zip(scores[: len(texts)], scores[len(texts) :], strict=True))
    shutil.rmtree(folder)
    return summary([(own, other) for own, other in both if own and other], of)


def summary(scores: Sequence[tuple[float, float]], of: str) -> Relevance | None:
    """Return the figures of texts by their IFD: with their own instruction, and with another's."""
    if len(scores) < 2:
        return None
    own, shuffled = zip(*scores, strict=True)
    bound = statistics.quantiles(shuffled, n=_CHANCE, method="inclusive")[0]
    return Relevance(
        of=of,
        texts=len(scores),
        ifd=round(statistics.fmean(own), 4),
        shuffled=round(statistics.fmean(shuffled), 4),
        share=round(statistics.fmean(value < bound for value in own), 4),
    )
