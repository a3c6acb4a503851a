"""The stages that a stage was made of, as its identity names them, and what is missing of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from selflengthen.errors import DamagedFile
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import ROLES, TRAIN


def sources(
    run: RunFolder, folder: StageFolder, identity: Mapping[str, Any]
) -> Iterator[tuple[StageFolder, str | None]]:
    """Yield the stages that an identity names as inputs, with the digests they had then."""
    for name, digest in identity.get("inputs", {}).items():
        first, _, rest = name.partition("/")
        if first.isdecimal():
            yield run.named(rest, int(first)), digest
        elif name in ROLES and folder.number is not None:
            trained = folder.number - (not folder.spec.trained)
            yield run.stage(TRAIN, trained, name), digest
        else:
            yield run.named(name, folder.number), digest


def gaps(run: RunFolder, begun: Iterable[StageFolder]) -> Iterator[DamagedFile]:
    """Yield what is missing of stages that were begun, and of the stages that they were made of.

    Stages after the last round may outlive rounds that are made again; then they are stale, and
    nothing is missing.
    """
    missing = set()
    for folder in begun:
        identity = folder.identity()
        if identity is None:
            yield DamagedFile(folder.path / "stage.json", "it is missing", folder.remedy)
            continue
        for source, digest in sources(run, folder, identity):
            stale = folder.number is None and source.number is not None
            if digest and not stale and source.done() is None and source.path not in missing:
                missing.add(source.path)
                what = f"it is missing, and {folder.title} was made from this stage"
                yield DamagedFile(source.path / "DONE.json", what, source.remedy)


def require_whole(run: RunFolder, begun: Iterable[StageFolder]) -> None:
    """Raise DamagedFile for the first stage.json or DONE.json that must be there and is not."""
    for fault in gaps(run, begun):
        raise fault
