"""How the fields of the configuration are declared: each is *identity* or *runtime*.

Identity fields change what a run produces, and are part of the keys of its stages. Runtime fields
change only where and how fast it runs, or how many rounds; they may change between two starts.
"""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, Field

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
    fits: bool = False,
    **bounds: Unpack[Bounds],
) -> Any:
    """Declare a field that changes what a run produces.

    A field that is `newer` than runs on disk has what they did as its default, and the default is
    left out of identities, so that those runs keep their keys. `fits` is as in `runtime`.
    """
    return _field("identity", default, sentence, bounds, newer=newer, fits=fits)


def runtime(default: Any, sentence: str, *, fits: bool = False, **bounds: Unpack[Bounds]) -> Any:
    """Declare a field that may change between two starts of the same run.

    If it `fits` the model, a configuration may set it to `auto` or leave it out: then it is the
    default, or less if the model takes less. Once the model is known, it is always a number.
    """
    return _field("runtime", default, sentence, bounds, fits=fits)


def _field(
    kind: str,
    default: Any,
    sentence: str,
    bounds: Bounds,
    *,
    newer: bool = False,
    fits: bool = False,
) -> Any:
    if bounds.keys() & {"ge", "gt"} and not bounds.keys() & {"le", "lt"}:
        bounds = {**bounds, "le": MOST}
    if isinstance(default, list):
        return Field(
            default_factory=default.copy,
            description=sentence,
            json_schema_extra={"kind": kind, "newer": newer, "fits": fits},
            **bounds,
        )
    return Field(
        default,
        description=sentence,
        json_schema_extra={"kind": kind, "newer": newer, "fits": fits},
        **bounds,
    )


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
            and not (info.json_schema_extra["newer"] and value == info.default)
        ):
            chosen[name] = value
    return chosen
