"""How the fields of the configuration are declared: each is *identity* or *runtime*.

Identity fields change what a run produces, and are part of the keys of its stages. Runtime fields
change only where and how fast it runs, or how many rounds; they may change between two starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, Field

_DEFAULT: Any = object()
MOST = 1_000_000_000
"""The largest number that a field takes where none is given; no real setting is near it."""


class Bounds(TypedDict, total=False):
    """The numbers that a field takes: from `ge` or above `gt`, to `le` or below `lt`."""

    ge: float
    gt: float
    le: float
    lt: float


def identity(
    default: Any,
    sentence: str,
    *,
    newer: bool = False,
    older: Any = _DEFAULT,
    fits: bool = False,
    **bounds: Unpack[Bounds],
) -> Any:
    """Declare a field that changes what a run produces.

    If a field is `newer` than runs on disk, what those runs did is left out of identities, so that
    they keep their keys. They did what the default does, or `older`, which they then resume with.
    `fits` is as in `runtime`.
    """
    did = default if older is _DEFAULT else older
    extra = {"kind": "identity", "newer": newer, "older": did, "fits": fits}
    return _field(default, sentence, bounds, extra)


def runtime(default: Any, sentence: str, *, fits: bool = False, **bounds: Unpack[Bounds]) -> Any:
    """Declare a field that may change between two starts of the same run.

    If it `fits` the model, a configuration may set it to `auto` or leave it out: then it is the
    default, or less if the model takes less. Once the model is known, it is always a number.
    """
    extra = {"kind": "runtime", "newer": False, "older": default, "fits": fits}
    return _field(default, sentence, bounds, extra)


def _field(default: Any, sentence: str, bounds: Bounds, extra: dict[str, Any]) -> Any:
    if bounds.keys() & {"ge", "gt"} and not bounds.keys() & {"le", "lt"}:
        bounds = {**bounds, "le": MOST}
    if isinstance(default, list):
        return Field(
            default_factory=default.copy,
            description=sentence,
            json_schema_extra=extra,
            **bounds,
        )
    return Field(default, description=sentence, json_schema_extra=extra, **bounds)


class Section(BaseModel):
    """A part of the configuration; unknown fields are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )


def identity_of(section: BaseModel) -> dict[str, Any]:
    """Return the identity fields of a section, nested, as plain values."""
    chosen: dict[str, object] = {}
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            chosen[name] = identity_of(value)
        elif (
            isinstance(info.json_schema_extra, dict)
            and info.json_schema_extra["kind"] == "identity"
            and not (info.json_schema_extra["newer"] and value == info.json_schema_extra["older"])
        ):
            chosen[name] = value
    return chosen


def add_older(values: Mapping[str, Any], section: type[BaseModel]) -> dict[str, Any]:
    """Complete what a run saved as its configuration with the fields that are newer than it.

    Each has the value that stands for what the run did.
    """
    completed = dict(values)
    for name, info in section.model_fields.items():
        below = completed.get(name, {})
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            if isinstance(below, dict) and (older := add_older(below, info.annotation)):
                completed[name] = older
        elif isinstance(info.json_schema_extra, dict) and info.json_schema_extra["newer"]:
            completed.setdefault(name, info.json_schema_extra["older"])
    return completed
