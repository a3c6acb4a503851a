"""What the stages of a run are called, in the order of the method, and how each is made again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from selflengthen.errors import DamagedFile

STAGES = ("1-instruct", "2-draft", "3-expand", "4-dataset", "4b-curate", "5-train", "6-held-out")
FINAL_STAGES = (
    "1-instruct", "2-draft", "3-union", "4-demand", "5-train", "5b-anneal", "6-held-out",
    "7-merge",
)  # fmt: skip


def _places(stages: Iterable[str], parts: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(
        f"{stage}/{part}" if part else stage for stage in stages for part in parts.get(stage, ("",))
    )


PLACES = _places(STAGES, {"5-train": ("expander", "generator")})
FINAL_PLACES = _places(FINAL_STAGES, {"6-held-out": ("base", "final")})
"""The folders of all stages: some stages have two."""


def round_numbers(rounds: Path) -> list[int]:
    """Return the rounds that have a folder; `02.bak` beside one is a backup, and passed over."""
    names = [path.name for path in entries(rounds) if path.name.isdecimal()]
    return sorted(int(name) for name in names if name == f"{int(name):02d}")


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing where there is none."""
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
    except NotADirectoryError as error:
        what = "there is a file where a folder belongs"
        raise DamagedFile(folder, what, "move it away, or restore the folder") from error


def remedy_for(title: str, folder: Path) -> str:
    """Say what to do where a file of a stage is damaged, for the end of a message."""
    first, _, rest = title.partition("/")
    name = rest.partition("/")[0]
    if first == "final" and name in FINAL_STAGES:
        return f"restore the file, or make it again with `finish RUN --redo {name}`"
    if first.isdecimal() and name in STAGES and name != "6-held-out":
        return f"restore the file, or make it again with `run --redo {first}/{name}`"
    # Nothing is made of held-out texts, so what comes after them can stay.
    return f"restore the file, or move {folder} away to have it made again"
