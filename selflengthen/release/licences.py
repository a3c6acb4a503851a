"""The licence of a base model, as its own card or configuration states it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selflengthen.inputs.models import Model


@dataclass(frozen=True)
class Licence:
    """A licence in the fields of the hub's cards.

    Attributes:
        license: its identifier, such as `apache-2.0`, or `other`.
        license_name: its name if the identifier is `other`.
        license_link: a link to its text.
    """

    license: str
    license_name: str | None = None
    license_link: str | None = None

    @property
    def title(self) -> str:
        """Its name in Markdown, with the link if there is one."""
        name = self.license_name or self.license
        return f"[{name}]({self.license_link})" if self.license_link else name


def of_base(model: Model, hub_id: str | None) -> Licence | None:
    """Return the licence of the base model; None if no file of it states one.

    Its card (README.md) is read first, then config.json. A relative link in the card is resolved
    with the model's `hub_id`, or dropped if it has none.
    """
    if model.name == "pocket":
        return Licence("apache-2.0")
    card = _card_metadata(model)
    identifier = card.get("license") or model.config.get("license")
    if not isinstance(identifier, str):
        return None
    name, link = card.get("license_name"), card.get("license_link")
    if isinstance(link, str) and "://" not in link:
        link = f"https://huggingface.co/{hub_id}/blob/main/{link}" if hub_id else None
    return Licence(
        identifier,
        name if isinstance(name, str) else None,
        link if isinstance(link, str) else None,
    )


def _card_metadata(model: Model) -> Mapping[str, Any]:
    """Return the metadata of a model's card; empty if there is no card or it cannot be read."""
    import yaml
    from huggingface_hub import metadata_load

    try:
        return metadata_load(model.path / "README.md") or {}
    except (OSError, ValueError, yaml.YAMLError):
        return {}
