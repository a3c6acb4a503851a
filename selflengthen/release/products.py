"""Writes the release of a finished run into `final/`, and verifies it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import msgspec

from selflengthen.config import Config
from selflengthen.errors import DamagedFile
from selflengthen.inputs.models import Model
from selflengthen.runner.verify import ALTERED, adapter_faults, digest_of
from selflengthen.storage.atomic import rewrite, write_sealed
from selflengthen.storage.figures import FinalFigures, read_figures
from selflengthen.storage.jsonl import read_structs
from selflengthen.storage.records import FinalRow, Pair
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_table import ANNEAL, DEMAND, FINISH_TRAIN, MERGE, UNION
from selflengthen.training.job import ADAPTER_FILES, TOKENIZER_FILES

REMEDY = "remove the file, and `finish RUN` makes it again"
DATASET = "dataset/train.jsonl"
DIGESTED = (DATASET, *(f"adapter/{name}" for name in ADAPTER_FILES))
"""The files whose digests are in figures.json."""
WRITTEN = (*DIGESTED, "dataset/README.md", "adapter/README.md", "figures.json")
"""The files that every finished run has in `final/`."""


def write_release(
    config: Config, model: Model, run: RunFolder, *, adapter: Path, figures: FinalFigures
) -> None:
    """Write the adapter, the cards and figures.json into `final/`, which has the data set already.

    Args:
        config: the run's configuration.
        model: the base model.
        run: the run.
        adapter: the folder of the training that made the finished adapter.
        figures: how well length requirements are met, before and after.
    """
    from selflengthen.release import cards  # late: `status` uses this module but no templates

    for name in ADAPTER_FILES:
        content = cards.adapter_file(adapter / name, config.model)
        rewrite(run.final / "adapter" / name, content)
    for name in TOKENIZER_FILES:  # earlier versions saved none with an adapter
        if (adapter / name).exists():
            rewrite(run.final / "adapter" / name, [(adapter / name).read_bytes()])
    facts = cards.gather(config, model, run, figures)
    rewrite(run.final / "dataset" / "README.md", [cards.dataset(facts).encode()])
    rewrite(run.final / "adapter" / "README.md", [cards.model(facts, merged=False).encode()])
    if run.stage(MERGE).done():
        rewrite(run.final / "merged" / "README.md", [cards.model(facts, merged=True).encode()])
    write_figures(run, figures)  # last: its presence marks a finished run


def write_figures(run: RunFolder, figures: FinalFigures) -> None:
    """Write final/figures.json, with the digests of the released files."""
    files = {name: digest_of(run.final / name, REMEDY) for name in DIGESTED}
    sealed = msgspec.structs.replace(figures, files=files)
    write_sealed(run.final / "figures.json", msgspec.to_builtins(sealed))


def figures_of(run: RunFolder) -> FinalFigures | None:
    """Return the content of final/figures.json, or None; raises DamagedFile if it was changed."""
    return read_figures(run.final / "figures.json", REMEDY)


def product_faults(run: RunFolder) -> Iterator[DamagedFile]:
    """Yield the faults of a finished run's data set and adapter.

    Earlier versions wrote no digests. Without them, the data set is compared with the texts and the
    instructions that it was built from, and the adapter's weights with the training.
    """
    figures = figures_of(run)
    if figures is None:
        return
    if figures.files is not msgspec.UNSET:
        for name, digest in figures.files.items():
            if digest_of(run.final / name, REMEDY) != digest:
                yield DamagedFile(run.final / name, ALTERED, REMEDY)
        return
    trained = run.stage(ANNEAL).done() or run.stage(FINISH_TRAIN).done()
    if trained:
        yield from adapter_faults(run.final / "adapter", trained.digest, REMEDY)
    yield from _dataset_faults(run)


def _dataset_faults(run: RunFolder) -> Iterator[DamagedFile]:
    """Compare the rows with their sources one by one, as all texts may not fit into memory."""
    path: Path = run.final / DATASET
    union = run.stage(UNION)
    instructions = {record.source: record.text for record in run.stage(DEMAND).records()}
    pairs = read_structs(union.path / "union.jsonl", Pair, union.remedy)
    sources = (pair for pair in pairs if pair.id in instructions)
    rows = read_structs(path, FinalRow, REMEDY)
    for pair, row in zip_longest(sources, rows):
        if pair is None or row is None or not _is_row_of(row, pair, instructions[pair.id]):
            yield DamagedFile(path, ALTERED, REMEDY)
            return


def _is_row_of(row: FinalRow, pair: Pair, instruction: str) -> bool:
    return (
        row.id == pair.id
        and [turn.get("content") for turn in row.completion] == [pair.response]
        and any(instruction in turn.get("content", "") for turn in row.prompt)
    )
