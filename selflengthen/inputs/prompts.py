"""Prompt texts: loaded from a folder, checked, filled.

A folder has one file per turn. `NAME.user.md` is the user's message, `instruct.assistant.md` the
start of the model's own turn. They are sandboxed Jinja2 templates; whatever is filled in is a
value, never a template. `judge.answers.md` is not a template: its two lines are the judge's yes and
its no. `system.md` is optional: the system turn before every request for a text.

A folder of your own needs only the prompts that are used: `expand-….user.md` for drafts that are
lengthened by section, `demand.user.md` for `finish`, `refine-….user.md` for
`curate longest --refine`. `evaluate` always reads the shipped `grade-….user.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from selflengthen.errors import UserError
from selflengthen.inputs import templates
from selflengthen.inputs.user_files import read_text, text_fault

PLACEHOLDERS: Mapping[str, frozenset[str]] = {
    "instruct.user": frozenset(),
    "instruct.assistant": frozenset({"first", "second"}),
    "judge.user": frozenset({"instruction"}),
    "draft.user": frozenset({"instruction"}),
    "expand.user": frozenset({"instruction", "outline"}),
    "expand-part.user": frozenset({"instruction", "number", "total", "before", "part", "after"}),
    "expand-plan.user": frozenset({"instruction", "draft"}),
    "gate.user": frozenset({"instruction", "first", "second"}),
    "demand.user": frozenset({"instruction", "demand"}),
}
SECTION = frozenset({"expand-part.user", "expand-plan.user"})
"""What a run needs only where drafts are lengthened by section."""
GATE = frozenset({"gate.user"})
"""What a run needs only where a judge compares expansions with their drafts."""
LATER = frozenset({"demand.user"})
"""The prompts that a run needs only after its last round."""

SYSTEM = "system"
"""The system turn of the requests for texts; there is none where it is missing or blank."""
ANSWERS = "judge.answers"
_ENV = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


@dataclass(frozen=True)
class Prompts:
    """The prompt texts of one language, by name.

    `answers` are the judge's two answers: yes, then no.
    """

    texts: Mapping[str, str]
    answers: tuple[str, str]

    @property
    def system(self) -> str:
        """The system turn; empty where there is none."""
        return self.fill(SYSTEM) if SYSTEM in self.texts else ""

    def fill(self, name: str, **values: str) -> str:
        """Fill the placeholders of prompt `name`; raises UserError if that fails."""
        try:
            return fill(self.texts[name], **values)
        except UserError as error:
            raise UserError(f"{name}.md: {error}") from error


def load(folder: Path) -> Prompts:
    """Read and check the prompts in `folder`; raises UserError with the file and placeholder.

    Those that only some runs need may be missing; `require` checks for them when they are needed.
    """
    texts = {
        name: read(folder, name, expected)
        for name, expected in PLACEHOLDERS.items()
        if name not in LATER | SECTION | GATE or (folder / f"{name}.md").exists()
    }
    return Prompts(texts | _system(folder), _answers(folder / f"{ANSWERS}.md"))


def load_copy(folder: Path, *, shipped: Path) -> Prompts:
    """Read the prompts that a run keeps; one that its version did not have is the shipped one.

    The system turn is the run's own or none: a run goes on with what its rows were made with.
    """
    texts = {
        name: read(folder if (folder / f"{name}.md").exists() else shipped, name, expected)
        for name, expected in PLACEHOLDERS.items()
    }
    return Prompts(texts | _system(folder), _answers(folder / f"{ANSWERS}.md"))


def require(
    prompts: Prompts, folder: Path, names: frozenset[str] = LATER, needed_by: str = "this command"
) -> None:
    """Raise UserError if a prompt that is needed is missing."""
    for name in sorted(names - prompts.texts.keys()):
        raise UserError(
            f"{folder / name}.md: is missing, and {needed_by} needs it; write it, or copy the one "
            f"in {shipped('en')}."
        )


def read(folder: Path, name: str, expected: frozenset[str]) -> str:
    """Read and check one prompt, which must have exactly the placeholders `expected`."""
    path = folder / f"{name}.md"
    text = _read(path)
    _check(path, text, expected)
    return text


def fill(text: str, **values: str) -> str:
    """Fill the placeholders of a prompt; raises UserError if that fails.

    It can fail even for a checked prompt, because what a template does may depend on the values.
    """
    try:
        return _template(text).render(values)
    except Exception as error:  # a template is the user's code: it can raise anything
        raise UserError(f"cannot be filled: {_brief(error)}; fix the prompt.") from error


def files(prompts: Prompts) -> dict[str, str]:
    """Return the files of these prompts, by name; `load` reads them back."""
    texts = {f"{name}.md": text for name, text in prompts.texts.items()}
    return texts | {f"{ANSWERS}.md": "\n".join(prompts.answers)}


def shipped(language: str) -> Path:
    """Return the folder of the shipped prompts of a language."""
    return root() / language


def root() -> Path:
    """Return the folder `prompts/` of the checkout, or its copy inside an installed package."""
    here = Path(str(resources.files("selflengthen")))
    inside = here / "_prompts"
    return inside if inside.is_dir() else here.parent / "prompts"


def _read(path: Path) -> str:
    try:
        return read_text(path).rstrip("\n")
    except OSError as error:
        raise UserError(f"{path}: cannot read this prompt ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8.") from error


def _system(folder: Path) -> dict[str, str]:
    """Return the system turn by its name; nothing where there is none, or a blank one."""
    if not (folder / f"{SYSTEM}.md").exists():
        return {}
    text = read(folder, SYSTEM, frozenset())
    return {SYSTEM: text} if fill(text).strip() else {}


def _answers(path: Path) -> tuple[str, str]:
    lines = [line.strip() for line in _read(path).split("\n")]
    if len(lines) != 2 or not all(lines) or lines[0] == lines[1]:
        raise UserError(
            f"{path}: must have two different lines, the judge's yes and then its no; "
            f"it has {lines!r:.80}."
        )
    return lines[0], lines[1]


def _check(path: Path, text: str, expected: frozenset[str]) -> None:
    try:
        if fault := templates.first_fault(text, _ENV):
            raise UserError(f"{path}, line {fault.line}: {fault.text}.")
        placeholders = meta.find_undeclared_variables(_ENV.parse(text))
    except (TemplateError, RecursionError, ValueError) as error:  # ValueError: numbers too long
        raise UserError(f"{path}: is not a valid template: {_brief(error)}.") from error
    for name in sorted(placeholders - expected):
        allowed = ", ".join(sorted(expected)) or "none"
        raise UserError(
            f"{path}: unknown placeholder {{{{ {name} }}}}; this prompt takes: {allowed}."
        )
    for name in sorted(expected - placeholders):
        raise UserError(f"{path}: placeholder {{{{ {name} }}}} is missing; add it.")
    _try(path, text, expected)


def _try(path: Path, text: str, expected: frozenset[str]) -> None:
    """Fill a template once: what the sandbox forbids fails only when the template runs."""
    values = {name: f"value-of-{name}" for name in expected}
    try:
        filled = _template(text).render(values)
    except Exception as error:  # a template is the user's code: it can raise anything
        raise UserError(f"{path}: cannot be filled: {_brief(error)}.") from error
    if fault := text_fault(filled):
        raise UserError(f"{path}: its output {fault}; remove that.")
    for name, value in sorted(values.items()):
        if value not in filled:
            raise UserError(f"{path}: never outputs {{{{ {name} }}}} unchanged; add it.")


@lru_cache(maxsize=64)
def _template(text: str) -> Template:
    return _ENV.from_string(text)


def _brief(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
