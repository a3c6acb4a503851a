"""Imports point down only, in no circle, and heavy libraries are imported late.

A room is a module or a package at the top of `selflengthen`. `FLOORS` lists the rooms from the
ground up; a room imports rooms of lower floors, never of its own floor or a higher one.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "selflengthen"

FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "field_kinds"}),
    # What needs nothing of the others: settings, what can be said of a text, files, inputs.
    frozenset({"config", "inputs", "storage", "text"}),
    frozenset({"engines", "length", "planning"}),
    frozenset({"pocket", "stages", "training"}),
    # How any stage is brought from its key to its DONE.json.
    frozenset({"runner"}),
    frozenset({"curate", "evaluate", "release"}),
    # The method.
    frozenset({"pipeline"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
HEIGHT = {room: height for height, floor in enumerate(FLOORS) for room in floor}

# Modules of these packages know only what their package shares; its front door knows them all.
SHARED: Mapping[str, frozenset[str]] = {
    "stages": frozenset({"contract", "expansion"}),
    "engines": frozenset(
        {"answers", "base", "chat", "cpu", "guard", "loops", "wire"}
        | {"vllm_arguments", "vllm_log", "vllm_start"}
    ),
}

HEAVY = frozenset(
    {"accelerate", "datasets", "lingua", "matplotlib", "nltk", "openai", "peft", "torch"}
    | {"faiss", "flaml", "optuna", "pyarrow", "scipy", "statsmodels", "transformers", "trl", "vllm"}
)
MAY_BE_HEAVY = frozenset(
    {"curate.indicators.losses", "curate.indicators.scorers", "curate.indicators.token_losses"}
    | {"engines.transformers", "engines.vllm"}
    | {"pocket.build", "pocket.gate", "pocket.model"}
    | {"training.progress", "training.sft", "training.trainer"}
)


@dataclass(frozen=True)
class Import:
    """One import: of what, where it stands, and whether it runs when the module is imported."""

    target: str
    line: int
    at_import: bool


Tree = Mapping[str, tuple[Path, list[Import]]]


def read(package: Path) -> Tree:
    """Read the imports of every module below `package`, by dotted name inside the package."""
    files = {_name(path.relative_to(package)): path for path in sorted(package.rglob("*.py"))}
    return {
        name: (path, list({_resolve(i, package.name, files): None for i in _imports(path)}))
        for name, path in files.items()
    }


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> Iterator[Import]:
    """Yield what a file imports; `from x import y` as x.y, which may be a module or a name in x."""
    todo: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text(encoding="utf-8")), True)]
    while todo:
        node, at_import = todo.pop()
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full, from the package"
            for alias in node.names:
                yield Import(f"{node.module}.{alias.name}", node.lineno, at_import)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            at_import = False
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            todo += [(child, False) for child in node.body]
            todo += [(child, at_import) for child in node.orelse]
            continue
        todo += [(child, at_import) for child in ast.iter_child_nodes(node)]


def _resolve(found: Import, package: str, modules: Mapping[str, Path]) -> Import:
    """Shorten an import of our own to the module it reaches; leave other libraries as they are."""
    if found.target.split(".")[0] != package:
        return found
    target = found.target.removeprefix(package).removeprefix(".")
    while target not in modules:
        target = target.rpartition(".")[0]
    return Import(f"{package}.{target}".rstrip("."), found.line, found.at_import)


def upward(package: Path) -> list[str]:
    """List the imports that do not point down, and the rooms that stand on no floor."""
    faults = []
    for module, (path, imports) in read(package).items():
        if module and module.split(".")[0] not in HEIGHT:
            faults.append(f"{module}: stands on no floor; give it a place in FLOORS")
            continue
        for found in imports:
            name, _, target = found.target.partition(".")
            if name == package.name and (reason := _forbidden(module, target)):
                faults.append(
                    f"{path}:{found.line}: {module or name} imports {found.target}: {reason}"
                )
    return faults


def _forbidden(module: str, target: str) -> str | None:
    """Say why one module of ours may not import another, or None where it may."""
    if target in ("", module):
        return None
    if not module:
        return "the package itself imports nothing of its own"
    (here, _, inside), (there, _, other) = module.partition("."), target.partition(".")
    if there not in HEIGHT:
        return "it stands on no floor"
    if here == there:
        apart = here in SHARED and inside and other not in SHARED[here]
        return f"modules of {here} do not know each other" if apart else None
    if HEIGHT[there] < HEIGHT[here]:
        return None
    return f"{there} is on floor {HEIGHT[there]}, {here} on floor {HEIGHT[here]}"


def circles(package: Path) -> list[str]:
    """List the modules that import each other, straight or by others, at whatever time."""
    prefix = f"{package.name}."
    reach = {
        module: {
            target
            for found in imports
            if (target := found.target.removeprefix(prefix)) != module
            and found.target.startswith(prefix)
        }
        for module, (_, imports) in read(package).items()
    }
    grown = True
    while grown:
        grown = False
        for targets in reach.values():
            further = set().union(*(reach[target] for target in targets)) - targets
            targets |= further
            grown = grown or bool(further)
    return sorted(module for module, targets in reach.items() if module in targets)


def hasty(package: Path) -> list[str]:
    """List the heavy imports that run when a light module is imported."""
    heavy_rooms = {f"{package.name}.{name}" for name in MAY_BE_HEAVY}
    return [
        f"{path}:{found.line}: {module} imports {found.target} as it loads; import it in a function"
        for module, (path, imports) in read(package).items()
        if module not in MAY_BE_HEAVY
        for found in imports
        if found.at_import and (found.target.split(".")[0] in HEAVY or found.target in heavy_rooms)
    ]


def test_a_room_stands_on_one_floor() -> None:
    assert len(HEIGHT) == sum(map(len, FLOORS))
    rooms = {name.split(".")[0] for name in read(PACKAGE) if name}
    assert set(HEIGHT) == rooms, "a floor has a room that is not there, or lacks one"


def test_no_import_goes_round() -> None:
    assert circles(PACKAGE) == []


def test_imports_point_down() -> None:
    assert upward(PACKAGE) == []


def test_heavy_libraries_are_imported_late() -> None:
    assert hasty(PACKAGE) == []


def test_light_modules_load_nothing_heavy() -> None:
    """What the source cannot show: a library of ours that itself imports a heavy one."""
    light = [f"selflengthen.{m}" for m in read(PACKAGE) if m and m not in MAY_BE_HEAVY]
    light = [m for m in light if not m.endswith("__main__")]
    code = f"import sys, importlib\nfor m in {light}: importlib.import_module(m)\n" + (
        f"print(*sorted({set(HEAVY)} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small house in which all is well."""
    package = tmp_path / "selflengthen"
    for name, source in {
        "__init__.py": "",
        "errors.py": "class UserError(Exception): ...",
        "text/__init__.py": "",
        "text/measures.py": "import re",
        "storage/__init__.py": "",
        "storage/run_dir.py": "from selflengthen.errors import UserError",
        "engines/__init__.py": "def make():\n    from selflengthen.engines import vllm",
        "engines/base.py": "from selflengthen import errors",
        "engines/vllm.py": "import torch\nimport selflengthen.engines.base",
        "engines/openai.py": "def ask():\n    import openai",
        "stages/__init__.py": "from selflengthen.stages.draft import draft",
        "stages/contract.py": "from selflengthen.engines.base import Engine",
        "stages/draft.py": "from selflengthen.stages import contract",
        "stages/expand.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
        "runner/__init__.py": "from selflengthen import stages",
        "pipeline/__init__.py": "from selflengthen.storage import run_dir",
        "cli/__init__.py": "from selflengthen.cli import run",
        "cli/run.py": "from selflengthen import pipeline",
        "__main__.py": "from selflengthen.cli import main",
    }.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return package


def test_a_sound_house_passes(house: Path) -> None:
    assert upward(house) == []
    assert hasty(house) == []
    assert circles(house) == []


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("text/measures.py", "import selflengthen.storage.run_dir", "storage is on floor 1, text"),
        ("text/measures.py", "from selflengthen.storage import run_dir", "storage is on floor 1"),
        ("text/measures.py", "def f():\n    import selflengthen.runner", "runner is on floor 4"),
        ("errors.py", "import selflengthen.text.measures", "text is on floor 1, errors on floor 0"),
        ("stages/expand.py", "from selflengthen.stages.draft import x", "do not know each other"),
        ("stages/expand.py", "from selflengthen.stages import draft", "do not know each other"),
        ("stages/contract.py", "import selflengthen.stages.draft", "do not know each other"),
        ("stages/draft.py", "if TYPE_CHECKING:\n    import selflengthen.runner", "on floor 4"),
        ("engines/vllm.py", "import selflengthen.engines.openai", "do not know each other"),
        ("engines/base.py", "import selflengthen.engines.openai", "do not know each other"),
        ("pipeline/__init__.py", "from selflengthen.cli import run", "cli is on floor 7"),
        ("__init__.py", "from selflengthen import errors", "imports nothing of its own"),
        ("gossip.py", "", "gossip: stands on no floor"),
    ],
)
def test_an_import_that_points_up_is_named(
    house: Path, file: str, line: str, complaint: str
) -> None:
    _add(house / file, line)
    (fault,) = upward(house)
    assert complaint in fault


@pytest.mark.parametrize(
    ("files", "round_trip"),
    [
        ({"cli/run.py": "import selflengthen.cli"}, ["cli", "cli.run"]),
        (
            {
                "cli/a.py": "from selflengthen.cli import b",
                "cli/b.py": "def f():\n    import selflengthen.cli.a",
            },
            ["cli.a", "cli.b"],
        ),
    ],
)
def test_a_circle_is_named(house: Path, files: dict[str, str], round_trip: list[str]) -> None:
    for file, line in files.items():
        _add(house / file, line)
    assert circles(house) == round_trip


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("storage/run_dir.py", "import torch", "storage.run_dir imports torch as it loads"),
        ("storage/run_dir.py", "from torch.nn import Module", "imports torch.nn.Module"),
        ("storage/run_dir.py", "try:\n    import peft\nexcept ImportError: ...", "imports peft"),
        ("storage/run_dir.py", "class A:\n    import trl", "imports trl"),
        ("engines/openai.py", "import openai", "engines.openai imports openai"),
        (
            "engines/__init__.py",
            "from selflengthen.engines import vllm",
            "selflengthen.engines.vllm",
        ),
        (
            "engines/__init__.py",
            "from selflengthen.engines.vllm import V",
            "selflengthen.engines.vllm",
        ),
    ],
)
def test_a_hasty_import_is_named(house: Path, file: str, line: str, complaint: str) -> None:
    _add(house / file, line)
    (fault,) = hasty(house)
    assert complaint in fault


def _add(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text() if path.exists() else ''}\n{line}\n")
