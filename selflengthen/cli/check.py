"""`check`: verifies that every file of a run is as it was written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.cli.output.format import counted

if TYPE_CHECKING:
    from selflengthen.errors import DamagedFile
    from selflengthen.storage.run_dir import RunFolder
    from selflengthen.storage.stage_folder import StageFolder

_ABOUT = """\
Compare every file of a run with what its stages recorded: digests, counts, figures.

Exits with 0 if all files are sound, with 1 if one is damaged or missing; a line for each says how
to make it again. A stage in progress is sound as long as its files can be read."""


class CheckedPart(msgspec.Struct, frozen=True):
    """A stage or file that was checked."""

    name: str
    """`01/2-draft`, `config.yaml`."""
    state: str
    """`sound`, `in work` (not finished yet) or `damaged`."""


class Damage(msgspec.Struct, frozen=True):
    """A damaged or missing file."""

    file: str
    """Its path."""
    what: str
    """What is wrong with it."""
    remedy: str
    """How to restore it or make it again."""


class CheckReport(msgspec.Struct, frozen=True):
    """What `check --json` prints."""

    run: str
    """The run's folder."""
    sound: bool
    """Whether no file is damaged."""
    checked: list[CheckedPart]
    """All that was checked, in order."""
    damaged: list[Damage]
    """One entry for each damaged file."""


def main(words: Sequence[str]) -> int:
    """Check a run, and list what was checked."""
    parser = Parser("check", _ABOUT)
    parser.add_argument(
        "run", metavar="RUN", type=file_name, help="folder of a run, or its name in runs/"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse(words)

    from selflengthen.cli.run_state import find_run

    run = find_run(args.run)
    results = list(examine(run))
    faults = _distinct(fault for _, _, listed in results for fault in listed)
    parts = [CheckedPart(name, "damaged" if listed else state) for name, state, listed in results]
    if args.json:
        damaged = [Damage(str(fault.path), fault.what, fault.remedy) for fault in faults]
        report = CheckReport(str(run.path), not damaged, parts, damaged)
        print(json.dumps(msgspec.to_builtins(report), indent=1))
        return int(bool(faults))
    for part in parts:
        print(f"{part.name:<24} {part.state}")
    print()
    for fault in faults:
        print(" ".join(str(fault).split()))
    result = counted(len(faults), "damaged file") if faults else "all sound"
    print(f"{run.path}: {result}, {len(results)} stages and files checked.")
    return int(bool(faults))


Checked = tuple[str, str, "list[DamagedFile]"]
"""What was checked, its state unless damaged (sound, in work), and what is wrong with it."""


def examine(run: RunFolder) -> Iterator[Checked]:
    """Check all of a run, stage by stage."""
    from selflengthen.cli.run_state import read_config
    from selflengthen.release.products import product_faults
    from selflengthen.runner import metrics
    from selflengthen.storage.stage_folder import StageFolder
    from selflengthen.storage.stage_table import FINAL_STAGES, ROUND_STAGES

    yield "config.yaml", "sound", _caught(_reads(read_config, run))
    if faults := _caught(_reads(run.round_numbers)):
        yield "rounds", "", faults
        return
    for number in run.round_numbers():
        yield from _stages(run, (f for spec in ROUND_STAGES for f in run.parts(spec, number)))
        if run.metrics(number).exists():
            faults = _caught(_reads(metrics.on_file, run, number))
            yield f"{number:02d}/metrics.json", "sound", faults
        if run.relevance(number).exists():
            faults = _caught(_reads(metrics.relevance_on_file, run, number))
            yield f"{number:02d}/relevance.json", "sound", faults
    yield from _stages(run, (f for spec in FINAL_STAGES for f in run.parts(spec)))
    if (run.final / "figures.json").exists():
        yield "final/figures.json, dataset and adapter", "sound", _caught(product_faults(run))
    answers = sorted((run.path / "evaluate").rglob("stage.json"))
    places = [path.parent.relative_to(run.path) for path in answers]
    current = (place for place in places if "superseded" not in place.parts)
    yield from _stages(run, (StageFolder(run.path / place, str(place)) for place in current))


def _stages(run: RunFolder, folders: Iterable[StageFolder]) -> Iterator[Checked]:
    """Check the stages that were begun."""
    from selflengthen.runner.verify import thorough_faults

    for folder in folders:
        if misplaced := _caught(_begun(folder)):
            yield folder.title, "", misplaced
        elif folder.begun():
            faults = _caught(_made_of(run, folder)) + _caught(thorough_faults(folder))
            yield folder.title, _state(folder), _distinct(faults)


def _begun(folder: StageFolder) -> Iterator[DamagedFile]:
    folder.begun()  # raises where it is no folder
    yield from ()


def _made_of(run: RunFolder, folder: StageFolder) -> Iterator[DamagedFile]:
    """Check that the stages which a stage was made from exist and are unchanged."""
    from selflengthen.errors import DamagedFile
    from selflengthen.runner.sources import gaps, sources

    if folder.title.startswith("evaluate/"):
        return
    yield from gaps(run, [folder])
    for source, digest in sources(run, folder, folder.identity() or {}):
        same = (folder.number is None) == (source.number is None)
        done = source.done()
        if same and done and done.digest != digest:
            what = f"this stage was made from another version of {source.title}"
            yield DamagedFile(folder.path / "stage.json", what, folder.remedy)


def _state(folder: StageFolder) -> str:
    return "sound" if (folder.path / "DONE.json").exists() else "in work"


def _reads(read: Callable[..., object], *args: object) -> Iterator[DamagedFile]:
    """Read something only for the errors it raises."""
    read(*args)
    yield from ()


def _caught(faults: Iterator[DamagedFile]) -> list[DamagedFile]:
    """Return all faults; a DamagedFile that is raised is the last one."""
    from selflengthen.errors import DamagedFile

    caught: list[DamagedFile] = []
    try:
        caught.extend(faults)
    except DamagedFile as fault:
        caught.append(fault)
    return caught


def _distinct(faults: Iterable[DamagedFile]) -> list[DamagedFile]:
    """Keep the first fault of each file."""
    return list({fault.path: fault for fault in reversed(list(faults))}.values())[::-1]
