"""Numbers that a configuration leaves to the model: those it is silent about, or calls `auto`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from selflengthen.cli.options.config_fields import fields
from selflengthen.planning.lengths import completion_of

_CONTEXT, _MOST = "engine.context", "sampling.max_tokens"


def take(values: dict[str, Any], below: Iterable[Mapping[str, Any]] = ()) -> frozenset[str]:
    """Take every `auto` out of a configuration, and return the fields that are left to the model.

    An `auto` gives way to a number that stands in a configuration `below`: a run keeps its own. As
    long as the model is not known, a completion is no longer than a context that is given.
    """
    left = set()
    for name, field in fields().items():
        if not field.fits:
            continue
        section, _, last = name.rpartition(".")
        inside = _inside(values, section)
        value = inside.get(last) if inside is not None else None
        if not isinstance(value, str) or value.strip().lower() != "auto":
            if inside is None or last not in inside:
                left.add(name)
            continue
        assert inside is not None
        own = [under[last] for each in below if (under := _inside(each, section)) and last in under]
        if own and isinstance(own[0], int):
            inside[last] = own[0]
        else:
            del inside[last]
            left.add(name)
    if _MOST in left and _CONTEXT not in left:
        _bound(values)
    return frozenset(left)


def _bound(values: dict[str, Any]) -> None:
    """Keep the default of `sampling.max_tokens` below a context that is given."""
    try:
        context = int(values["engine"]["context"])
    except (TypeError, ValueError):
        return  # not a number, which validation says
    sampling = values.get("sampling")
    if sampling is None or isinstance(sampling, dict):
        most = min(fields()[_MOST].default, max(1, completion_of(context)))
        values["sampling"] = {**(sampling or {}), "max_tokens": most}


def _inside(values: Mapping[str, Any], section: str) -> Any:
    """Return a section's values, or None where there are none."""
    inside: Any = values
    for name in section.split("."):
        inside = inside.get(name) if isinstance(inside, dict) else None
    return inside if isinstance(inside, dict) else None
