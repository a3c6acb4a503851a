"""`check`: whether every file of a run is what was written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from selflengthen.cli.options.parser import Parser, file_name

if TYPE_CHECKING:
    from selflengthen.errors import DamagedFile
    from selflengthen.storage.run_dir import RunFolder
    from selflengthen.storage.stage_folder import StageFolder

_ABOUT = """\
Compare every file of a run with what its stages wrote down about it: digests, counts, figures.

Exits with 0 where all is sound, with 1 where a file is damaged or missing; each gets a line that
says what makes it again. A stage that is still in work is sound as long as it can be read."""


def main(words: Sequence[str]) -> int:
    """Check a run, and list what was checked."""
    parser = Parser("check", _ABOUT)
    parser.add_argument(
        "run", metavar="RUN", type=file_name, help="folder of a run, or its name below runs/"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse(words)

    from selflengthen.cli.run_state import find_run

    run = find_run(args.run)
    found = list(examine(run))
    faults = _distinct(fault for _, _, listed in found for fault in listed)
    if args.json:
        print(json.dumps(_plain(run, found, faults), indent=1))
        return int(bool(faults))
    for name, state, listed in found:
        print(f"{name:<24} {'damaged' if listed else state}")
    print()
    for fault in faults:
        print(" ".join(str(fault).split()))
    count = f"{len(faults)} damaged file(s)" if faults else "all sound"
    print(f"{run.path}: {count}, {len(found)} stages and files checked.")
    return int(bool(faults))


Checked = tuple[str, str, "list[DamagedFile]"]
"""What was checked, its state (sound, in work), and what is wrong with it."""


def examine(run: RunFolder) -> Iterator[Checked]:
    """Check all of a run, in the order in which it was made."""
    from selflengthen.cli.run_state import read_config
    from selflengthen.release.products import product_faults
    from selflengthen.runner import metrics
    from selflengthen.storage.stage_folder import StageFolder
    from selflengthen.storage.stage_table import FINAL_STAGES, ROUND_STAGES

    yield "config.yaml", "sound", _caught(_nothing(read_config, run))
    if faults := _caught(_nothing(run.round_numbers)):
        yield "rounds", "", faults
        return
    for number in run.round_numbers():
        yield from _stages(run, (f for spec in ROUND_STAGES for f in run.parts(spec, number)))
        if run.metrics(number).exists():
            faults = _caught(_nothing(metrics.on_file, run, number))
            yield f"{number:02d}/metrics.json", "sound", faults
    yield from _stages(run, (f for spec in FINAL_STAGES for f in run.parts(spec)))
    if (run.final / "figures.json").exists():
        yield "final/figures.json, dataset and adapter", "sound", _caught(product_faults(run))
    answers = sorted((run.path / "evaluate").rglob("stage.json"))
    places = [path.parent.relative_to(run.path) for path in answers]
    current = (place for place in places if "superseded" not in place.parts)
    yield from _stages(run, (StageFolder(run.path / place, str(place)) for place in current))


def _stages(run: RunFolder, folders: Iterable[StageFolder]) -> Iterator[Checked]:
    """Check stages, as far as they were begun."""
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
    """Compare a stage with those it was made of: they must be there, and be the same."""
    from selflengthen.errors import DamagedFile
    from selflengthen.runner.sources import gaps, sources

    if folder.title.startswith("evaluate/"):
        return
    yield from gaps(run, [folder])
    for source, digest in sources(run, folder, folder.identity() or {}):
        same = (folder.number is None) == (source.number is None)
        done = source.done()
        if same and done and done.digest != digest:
            what = f"this stage was made from another {source.title} than the one that is here"
            yield DamagedFile(folder.path / "stage.json", what, folder.remedy)


def _state(folder: StageFolder) -> str:
    return "sound" if (folder.path / "DONE.json").exists() else "in work"


def _nothing(read: Any, *args: Any) -> Iterator[DamagedFile]:
    """Read something for the sake of what it raises."""
    read(*args)
    yield from ()


def _caught(faults: Iterator[DamagedFile]) -> list[DamagedFile]:
    """Return all faults, and the one that ends the search."""
    from selflengthen.errors import DamagedFile

    found: list[DamagedFile] = []
    try:
        found.extend(faults)
    except DamagedFile as fault:
        found.append(fault)
    return found


def _distinct(faults: Iterable[DamagedFile]) -> list[DamagedFile]:
    """Keep one fault a file: the first."""
    return list({fault.path: fault for fault in reversed(list(faults))}.values())[::-1]


def _plain(
    run: RunFolder, found: Iterable[Checked], faults: Iterable[DamagedFile]
) -> dict[str, Any]:
    damaged = [
        {"file": str(fault.path), "what": fault.what, "remedy": fault.remedy} for fault in faults
    ]
    checked = [
        {"name": name, "state": "damaged" if listed else state} for name, state, listed in found
    ]
    return {"run": str(run.path), "sound": not damaged, "checked": checked, "damaged": damaged}
