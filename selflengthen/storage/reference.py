"""`python -m selflengthen.storage.reference` writes the tables of docs/run-directory.md.

A table stands between `<!-- fields: NAME -->` and `<!-- /fields -->`, where NAME is a struct. Its
rows are the struct's fields with their docstrings.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from selflengthen.storage import figures, records, schemas

PAGE = Path("docs/run-directory.md")
STRUCTS: dict[str, type[msgspec.Struct]] = {
    kind.__name__: kind
    for module in (records, schemas, figures)
    for kind in vars(module).values()
    if isinstance(kind, type)
    and issubclass(kind, msgspec.Struct)
    and kind.__module__ == module.__name__
}
"""The structs of files in a run, by name."""

_TABLE = re.compile(r"(<!-- fields: (\w+) -->\n).*?(<!-- /fields -->)", re.S)


def fill(page: str) -> str:
    """Return the page with all its tables written anew."""
    return _TABLE.sub(_filled, page)


def _filled(match: re.Match[str]) -> str:
    begin, name, end = match.groups()
    return begin + "\n".join(table(STRUCTS[name])) + "\n" + end


def table(kind: type[msgspec.Struct]) -> Iterator[str]:
    """Yield the table of the fields that a struct itself declares, not those of its base."""
    yield "| field | type | |"
    yield "|---|---|---|"
    optional = kind.__struct_config__.omit_defaults
    docstrings = field_docstrings(kind)
    for field in msgspec.structs.fields(kind):
        if field.name not in inspect.get_annotations(kind):
            continue
        cells = (f"`{field.encode_name}`", _type(field, optional=optional), docstrings[field.name])
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def field_docstrings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return what stands below the fields of a struct, in one line each, by name."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    docstrings = {}
    for before, after in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            docstrings[before.target.id] = " ".join(str(after.value.value).split())
    return docstrings


def _type(field: msgspec.structs.FieldInfo, *, optional: bool) -> str:
    """Return a field's type as JSON calls it: `integer or null`; an `optional` one is left out."""
    described = msgspec.json.schema(field.type, schema_hook=lambda _: {"type": "object"})
    choices = described.get("anyOf", [described])
    names = dict.fromkeys(_json_type(choice) for choice in choices)
    if "number" in names:
        names.pop("integer", None)
    if optional and field.default is None:
        names.pop("null")
    return " or ".join(names)


def _json_type(schema: dict[str, Any]) -> str:
    if choices := schema.get("enum"):
        return "string" if all(isinstance(choice, str) for choice in choices) else "boolean"
    return str(schema.get("type", "object"))


def main() -> None:
    """Write the page."""
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
