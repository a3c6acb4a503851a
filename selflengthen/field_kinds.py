"""How the fields of the configuration are declared: each is *identity* or *runtime*.

Identity fields change what a run produces, and are part of its stages' keys. Runtime fields change
how fast, where, or how much is said, and may change between two starts of the same run.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def identity(
    default: Any, sentence: str, *, newer: bool = False, fits: bool = False, **bounds: Any
) -> Any:
    """Declare a field that changes what a run produces.

    `newer` than runs on disk: its default is what they did, and is left out of identities, so that
    they keep their keys. `fits`: see `runtime`.
    """
    return _field("identity", default, sentence, bounds, newer=newer, fits=fits)


def runtime(default: Any, sentence: str, *, fits: bool = False, **bounds: Any) -> Any:
    """Declare a field that may change between two starts of the same run.

    Where it `fits` the model, a configuration may say `auto`, which is also what it says by being
    silent: the default, or less where the model takes less. It is a number from the start of a
    command on.
    """
    return _field("runtime", default, sentence, bounds, fits=fits)


MOST = 1_000_000_000
"""The largest number that a field takes where nothing less is said; no real setting is near it."""


def _field(
    kind: str,
    default: Any,
    sentence: str,
    bounds: dict[str, Any],
    *,
    newer: bool = False,
    fits: bool = False,
) -> Any:
    if bounds.keys() & {"ge", "gt"} and not bounds.keys() & {"le", "lt"}:
        bounds = {**bounds, "le": MOST}
    extra: dict[str, Any] = {"kind": kind, "newer": newer, "fits": fits}
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
            and not (info.json_schema_extra["newer"] and value == info.default)
        ):
            chosen[name] = value
    return chosen
