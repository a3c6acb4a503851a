"""The release of a finished run: written, and compared with what the run says of it."""

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
GIVEN = (DATASET, *(f"adapter/{name}" for name in ADAPTER_FILES))
WRITTEN = (*GIVEN, "dataset/README.md", "adapter/README.md", "figures.json")
"""What a finished run has in `final/`."""


def write_release(
    config: Config, model: Model, run: RunFolder, *, adapter: Path, figures: FinalFigures
) -> None:
    """Write the adapter, the cards and figures.json into `final/`, beside the data set.

    Args:
        config: of the run.
        model: the base model.
        run: the run; its data set is written.
        adapter: folder of the training that made the finished adapter.
        figures: how length requirements are followed, before and after.
    """
    from selflengthen.release import cards  # late: `status` reads figures, and needs no templates

    for name in ADAPTER_FILES:
        content = cards.adapter_file(adapter / name, config.model)
        rewrite(run.final / "adapter" / name, content)
    for name in TOKENIZER_FILES:  # adapters trained by earlier versions came without
        if (adapter / name).exists():
            rewrite(run.final / "adapter" / name, [(adapter / name).read_bytes()])
    facts = cards.gather(config, model, run, figures)
    rewrite(run.final / "dataset" / "README.md", [cards.dataset(facts).encode()])
    rewrite(run.final / "adapter" / "README.md", [cards.model(facts, merged=False).encode()])
    if run.stage(MERGE).done():
        rewrite(run.final / "merged" / "README.md", [cards.model(facts, merged=True).encode()])
    write_figures(run, figures)  # last: by it a finished run is known


def write_figures(run: RunFolder, measured: FinalFigures) -> None:
    """Write final/figures.json, with the digests of what is given away."""
    files = {name: digest_of(run.final / name, REMEDY) for name in GIVEN}
    figures = msgspec.structs.replace(measured, files=files)
    write_sealed(run.final / "figures.json", msgspec.to_builtins(figures))


def figures_of(run: RunFolder) -> FinalFigures | None:
    """Return what final/figures.json says, or None; raise DamagedFile where it was changed."""
    return read_figures(run.final / "figures.json", REMEDY)


def product_faults(run: RunFolder) -> Iterator[DamagedFile]:
    """Yield what is wrong with data set and adapter of a finished run; else nothing.

    Versions before wrote no digests: then the data set is compared with the texts and demands that
    it was made of, and the adapter's weights with the training.
    """
    measured = figures_of(run)
    if measured is None:
        return
    if measured.files is not msgspec.UNSET:
        for name, digest in measured.files.items():
            if digest_of(run.final / name, REMEDY) != digest:
                yield DamagedFile(run.final / name, ALTERED, REMEDY)
        return
    trained = run.stage(ANNEAL).done() or run.stage(FINISH_TRAIN).done()
    if trained:
        yield from adapter_faults(run.final / "adapter", trained.digest, REMEDY)
    yield from _dataset_faults(run)


def _dataset_faults(run: RunFolder) -> Iterator[DamagedFile]:
    """Compare the rows with their sources one by one: all texts may not fit into memory."""
    path: Path = run.final / DATASET
    union, demand = run.stage(UNION), run.stage(DEMAND)
    asked = {record.source: record.text for record in demand.records()}
    pairs = read_structs(union.path / "union.jsonl", Pair, union.remedy)
    sources = (pair for pair in pairs if pair.id in asked)
    rows = read_structs(path, FinalRow, REMEDY)
    for pair, row in zip_longest(sources, rows):
        if pair is None or row is None or not _is_row_of(row, pair, asked[pair.id]):
            yield DamagedFile(path, ALTERED, REMEDY)
            return


def _is_row_of(row: FinalRow, pair: Pair, instruction: str) -> bool:
    return (
        row.id == pair.id
        and [turn.get("content") for turn in row.completion] == [pair.response]
        and any(instruction in turn.get("content", "") for turn in row.prompt)
    )
