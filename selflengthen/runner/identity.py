"""Compares the identity of a stage on disk with what the configuration asks for now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from selflengthen.inputs.models import content

SPEED = ("batch", "cache")
"""Options of curation steps that do not change what they choose."""


def listed(steps: Iterable[Any]) -> list[dict[str, dict[str, object]]]:
    """Return curation steps without the options that only change how fast they are."""
    return [
        {name: {k: v for k, v in (options or {}).items() if k not in SPEED}}
        for step in steps
        for name, options in step.items()
    ]


def files(steps: Iterable[Any]) -> dict[str, str]:
    """Return the digests of the files and folders that steps name: they count by content."""
    digests = {}
    for step in listed(steps):
        for options in step.values():
            for value in options.values():
                if isinstance(value, str) and (path := _named(value)):
                    digests[value] = content(path)
    return digests


def _named(value: str) -> Path | None:
    """Return the file or folder that an option names, also with a `:SPLIT` behind it, or None."""
    for name in (value, value.rpartition(":")[0]):
        if name and Path(name).exists():
            return Path(name)
    return None


def differences(
    old: Mapping[str, object], new: Mapping[str, object], prefix: str = ""
) -> Iterator[str]:
    """Yield `field: old → new` for every field that differs; long digests are not shown."""
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from differences(before, after, f"{prefix}{name}.")
        elif before != after:
            plain = not any(isinstance(v, str) and len(v) == 64 for v in (before, after))
            yield f"{prefix}{name}: {before} → {after}" if plain else f"{prefix}{name} differs"
