"""Prompt texts: loaded from a folder, checked, filled.

A folder holds one file per turn. `NAME.user.md` is what the user says; `instruct.assistant.md` is
how the model's own turn begins. Files are Jinja2 templates in a sandbox; what is filled in is only
ever a value, never a template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from selflengthen.errors import UserError

PLACEHOLDERS: Mapping[str, frozenset[str]] = {
    "instruct.user": frozenset(),
    "instruct.assistant": frozenset({"first", "second"}),
    "judge.user": frozenset({"instruction"}),
    "draft.user": frozenset({"instruction"}),
    "expand.user": frozenset({"instruction", "outline"}),
}
_ENV = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


@dataclass(frozen=True)
class Prompts:
    """The prompt texts of one language, by name; `fill` makes a message of one."""

    texts: Mapping[str, str]

    def fill(self, name: str, **values: str) -> str:
        """Fill the placeholders of prompt `name`."""
        return _ENV.from_string(self.texts[name]).render(values)


def load(folder: Path) -> Prompts:
    """Read and check the prompts in `folder`; raise UserError naming file and placeholder."""
    texts = {}
    for name, expected in PLACEHOLDERS.items():
        path = folder / f"{name}.md"
        try:
            text = path.read_text(encoding="utf-8").rstrip("\n")
        except OSError as error:
            raise UserError(f"{path}: cannot read this prompt ({error.strerror}).") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8.") from error
        _check(path, text, expected)
        texts[name] = text
    return Prompts(texts)


def shipped(language: str) -> Path:
    """Return the folder of the prompts that come with the package."""
    return root() / language


def root() -> Path:
    """Return the folder `prompts/` of the checkout, or its copy inside an installed package."""
    here = Path(str(resources.files("selflengthen")))
    inside = here / "_prompts"
    return inside if inside.is_dir() else here.parent / "prompts"


def _check(path: Path, text: str, expected: frozenset[str]) -> None:
    try:
        found = meta.find_undeclared_variables(_ENV.parse(text))
    except TemplateError as error:
        raise UserError(f"{path}: is no valid template: {error}.") from error
    for name in sorted(found - expected):
        known = ", ".join(sorted(expected)) or "none"
        raise UserError(f"{path}: unknown placeholder {{{{ {name} }}}}; this prompt knows: {known}.")
    for name in sorted(expected - found):
        raise UserError(f"{path}: placeholder {{{{ {name} }}}} is missing; put it where it belongs.")
