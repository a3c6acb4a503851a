"""What is allowed in the address of a server."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from selflengthen.inputs.user_files import text_fault


def address_fault(value: Any) -> str | None:
    """Say what is wrong with the address of a server, without showing it: it may have a secret."""
    if "@" in str(value):
        return (
            "the address contains a user name or a password, which would be saved in config.yaml; "
            "leave them out, and put the key into the environment variable OPENAI_API_KEY, or "
            "into the one that key_variable names"
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
        return "not the address of a server; write one like http://127.0.0.1:8000/v1"
    if parts.query or parts.fragment:
        return (
            "the address has a part after ? or #, which is not supported; leave it out, and "
            "put a key into the environment variable that key_variable names"
        )
    return None
