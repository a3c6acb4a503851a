"""The fields of the configuration, one by one: for help, docs and error messages."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from selflengthen.config import Config
from selflengthen.field_kinds import MOST

_NAMES = {int: "whole number", float: "number", bool: "true or false", str: "text"}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclass(frozen=True)
class FieldOfConfig:
    """One field: its dotted name, the values it takes, its default, its purpose and its kind.

    A field that `fits` can be left to the model, see `auto`.
    """

    name: str
    takes: str
    default: Any
    sentence: str
    kind: str
    fits: bool = False

    @property
    def section(self) -> str:
        """The section that it is in; empty at the top level."""
        return self.name.rpartition(".")[0]

    @property
    def shown(self) -> str:
        """The default as it would be written in YAML."""
        return "auto" if self.fits else written(self.default)


def written(value: Any) -> str:
    """Return a value as it is written in YAML and on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "[" + ", ".join(f'"{item}"'.replace("\n", "\\n") for item in value) + "]"
    return str(value)


@cache
def fields() -> dict[str, FieldOfConfig]:
    """Return every field by its dotted name, in the order of the configuration."""
    return {field.name: field for field in _walk(Config, Config(), "")}


@cache
def sections() -> dict[str, str]:
    """Return each section's purpose by its dotted name; the top level has the empty name."""
    return {"": _doc(Config), **dict(_sections(Config, ""))}


def _walk(model: type[BaseModel], values: BaseModel, prefix: str) -> Iterator[FieldOfConfig]:
    for name, info in model.model_fields.items():
        value = getattr(values, name)
        if isinstance(value, BaseModel):
            yield from _walk(type(value), value, f"{prefix}{name}.")
            continue
        extra = info.json_schema_extra
        kind = str(extra["kind"]) if isinstance(extra, dict) else ""
        fits = bool(extra["fits"]) if isinstance(extra, dict) else False
        takes = _takes(info.annotation, info.metadata) + (", or auto" if fits else "")
        yield FieldOfConfig(f"{prefix}{name}", takes, value, info.description or "", kind, fits)


def _sections(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield f"{prefix}{name}", _doc(info.annotation)
            yield from _sections(info.annotation, f"{prefix}{name}.")


def _takes(annotation: Any, bounds: list[Any]) -> str:
    """Say in words what values a field takes."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (typing.Union, types.UnionType):
        (inner,) = (a for a in arguments if a is not type(None))
        return _takes(inner, bounds) + ", or none"
    if origin is list:
        return "list of texts" if arguments == (str,) else "list of steps"
    limits = [
        f"{sign} {written(getattr(bound, key))}"
        for bound in bounds
        for key, sign in _BOUNDS.items()
        if hasattr(bound, key) and getattr(bound, key) < MOST
    ]
    return " and ".join([" ".join([_NAMES[annotation], *limits[:1]]), *limits[1:]])


def _doc(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n")[0]
