"""Checks of a configuration beyond its types: names of files, addresses, curation steps."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

from selflengthen.cli.options.addresses import address_fault
from selflengthen.cli.options.config_fields import fields
from selflengthen.config import Config
from selflengthen.errors import UserError
from selflengthen.inputs.user_files import name_fault, text_fault

Places = dict[str, str]
"""Where each field was set, by dotted name: `--train.lora_r`, or `my.yaml, line 3`."""

_PATHS = frozenset(
    {"model", "prompts", "seeds", "instruct.source", "held_out.source", "judge.model"}
)
"""Fields that may name a file or folder."""


def check_texts(config: Config, places: Places, path: Path) -> None:
    """Raise UserError for a text that cannot be saved, or cannot be the file name that it is."""
    for field in fields():
        section, _, last = field.rpartition(".")
        value = attrgetter(section)(config) if section else config
        value = getattr(value, last)
        for text in value if isinstance(value, list) else [value]:
            if not isinstance(text, str):
                continue
            if fault := text_fault(text) or (name_fault(text) if field in _PATHS else None):
                raise UserError(f"{place_of(field, places, path)}: {fault}.")


def place_of(field: str, places: Places, path: Path) -> str:
    """Return the field and where it was set; on the command line, that is the option alone."""
    where = places.get(field, str(path))
    return where if where == f"--{field}" else f"{where}: {field}"


def check_addresses(values: Mapping[str, Any], places: Places, path: Path) -> None:
    """Raise UserError for an address with a password or without a host, without showing it."""
    for field in fields():
        if field.endswith(".url"):
            value: Any = values
            for part in field.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if fault := address_fault(value):
                raise UserError(f"{place_of(field, places, path)}: {fault}.")


def check_steps(config: Config, places: Places, path: Path) -> None:
    """Raise UserError for an invalid curation step, naming the field and where it was set."""
    for field, listed in config.steps().items():
        if listed:
            from selflengthen.curate import steps

            steps.parse_steps(listed, place_of(field, places, path))
