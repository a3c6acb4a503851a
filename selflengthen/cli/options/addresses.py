"""What the address of a server may hold."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from selflengthen.inputs.user_files import text_fault


def address_fault(value: Any) -> str | None:
    """Say what is wrong with the address of a server, without showing it: it may hold a secret."""
    if "@" in str(value):
        return (
            "the address holds a user name or a password, which would be saved in config.yaml; "
            "leave them out, and put the key into the environment variable OPENAI_API_KEY, or "
            "the one that key_variable names"
        )
    if not isinstance(value, str):
        return None  # the types are checked with those of all fields
    if fault := text_fault(value):
        return fault
    try:
        parts = urlsplit(value)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not value.isprintable() or " " in value:
        return "is not the address of a server; it looks like http://127.0.0.1:8000/v1"
    if parts.query or parts.fragment:
        return (
            "the address has a part after ? or #, which no server takes here; leave it out, and "
            "put a key into the environment variable that key_variable names"
        )
    return None
