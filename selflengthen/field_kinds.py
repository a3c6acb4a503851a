"""How the fields of the configuration are declared: each is *identity* or *runtime*.

Identity fields change what a run produces, and are part of its stages' keys. Runtime fields change
how fast, where, or how much is said, and may change between two starts of the same run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_DEFAULT: Any = object()


def identity(
    default: Any, sentence: str, *, newer: bool = False, older: Any = _DEFAULT, **bounds: Any
) -> Any:
    """Declare a field that changes what a run produces.

    `newer` than runs on disk: what they did is left out of identities, so that they keep their
    keys. They did what the default does, or `older`, which is then what they go on with.
    """
    did = default if older is _DEFAULT else older
    return _field("identity", default, sentence, bounds, {"newer": newer, "older": did})


def runtime(default: Any, sentence: str, **bounds: Any) -> Any:
    """Declare a field that may change between two starts of the same run."""
    return _field("runtime", default, sentence, bounds, {"newer": False, "older": default})


MOST = 1_000_000_000
"""The largest number that a field takes where nothing less is said; no real setting is near it."""


def _field(
    kind: str, default: Any, sentence: str, bounds: dict[str, Any], age: dict[str, Any]
) -> Any:
    if bounds.keys() & {"ge", "gt"} and not bounds.keys() & {"le", "lt"}:
        bounds = {**bounds, "le": MOST}
    extra: dict[str, Any] = {"kind": kind, **age}
    if isinstance(default, list):
        return Field(
            default_factory=default.copy, description=sentence, json_schema_extra=extra, **bounds
        )
    return Field(default, description=sentence, json_schema_extra=extra, **bounds)


class Section(BaseModel):
    """A part of the configuration; unknown fields are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )


def identity_of(section: BaseModel) -> dict[str, Any]:
    """Return the identity fields of a section, nested, as plain values."""
    chosen: dict[str, Any] = {}
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
