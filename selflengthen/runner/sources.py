"""The stages that a stage was made from, by its identity, and which of their files are missing."""

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
    """Yield the stages that an identity names as inputs, with the digests they had then.

    Raises DamagedFile for a name that is not a stage: the identity then belongs elsewhere.
    """
    for name, digest in identity.get("inputs", {}).items():
        source = _source(run, folder, name)
        if source is None:
            what = f"it names {name!r} as an input, which is not a stage"
            raise DamagedFile(folder.path / "stage.json", what, folder.remedy)
        yield source, digest


def _source(run: RunFolder, folder: StageFolder, name: str) -> StageFolder | None:
    first, _, rest = name.partition("/")
    if first.isdecimal():
        return run.find(rest, int(first))
    if name in ROLES and folder.number is not None:
        return run.stage(TRAIN, folder.number - (not folder.spec.trained), name)
    return run.find(name, folder.number)


def gaps(run: RunFolder, begun: Iterable[StageFolder]) -> Iterator[DamagedFile]:
    """Yield the missing files of stages that were begun, and of the stages they were made from.

    Stages after the last round may be older than rounds that were repeated; then they are stale,
    and nothing is missing.
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
                what = f"it is missing, but {folder.title} was made from this stage"
                yield DamagedFile(source.path / "DONE.json", what, source.remedy)


def require_whole(run: RunFolder, begun: Iterable[StageFolder]) -> None:
    """Raise DamagedFile for the first stage.json or DONE.json that must be there and is not."""
    for fault in gaps(run, begun):
        raise fault
