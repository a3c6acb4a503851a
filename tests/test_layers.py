"""Imports point down only, and heavy libraries are imported late.

A room is a module or a package of `selflengthen`. `FLOORS` lists the rooms from the ground up, each
with the rooms it may import; a row names only rows above it in the list, so no import can point up.
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

GROUND = frozenset(
    {"errors", "text", "languages", "talk", "likeness", "records", "models", "prompts", "seeds"}
    | {"model_files", "pretrained"}
    | {"checks", "config", "numerals", "lengths", "asides", "demand", "weave"}
)
ENGINE = frozenset(
    {"engines.base", "engines.chat", "engines.guard", "engines.vllm_log", "engines.vllm_start"}
    | {"engines.wire"}
)
KEPT = GROUND | {"files", "store", "metrics", "identities"}
ROUND = KEPT | {"engines.base", "engines", "training", "drive", "stages"}
WING = ROUND | {"controller", "rounds"}
WINGS = frozenset({"curate", "evaluate", "finish", "inspect", "pocket"})

FLOORS: Mapping[str, frozenset[str]] = {
    # The ground: pure.
    "errors": frozenset(),
    "text": frozenset({"errors"}),
    "languages": frozenset({"errors", "text"}),
    "talk": frozenset({"errors", "text"}),
    "likeness": frozenset({"errors", "text"}),
    "records": frozenset({"errors"}),
    "model_files": frozenset({"errors"}),
    "pretrained": frozenset({"errors", "model_files"}),
    "models": frozenset({"errors", "model_files"}),
    "shapes": frozenset({"models", "model_files"}),
    "prompts": frozenset({"errors"}),
    "seeds": frozenset({"errors", "text", "prompts"}),
    "numerals": frozenset(),
    "lengths": frozenset({"numerals"}),
    "asides": frozenset({"lengths"}),
    "demand": frozenset({"asides", "lengths", "numerals"}),
    "checks": frozenset({"errors", "text", "languages", "talk", "records"}),
    "config": frozenset({"errors", "text", "checks"}),
    "weave": frozenset({"checks", "demand", "languages", "lengths", "numerals"}),
    # What is kept on disk.
    "files": frozenset({"errors"}),
    "lines": frozenset({"errors"}),
    "locks": frozenset(),
    "store": GROUND | {"files", "lines", "locks"},
    "metrics": GROUND | {"files", "store"},
    "identities": GROUND | {"store"},
    "workload": GROUND | {"store"},
    "estimate": GROUND | {"store", "shapes", "workload"},
    # What does the work.
    "engines.base": GROUND,
    "engines.chat": GROUND | {"engines.base"},
    "engines.guard": frozenset(),
    "engines.vllm_log": frozenset(),
    "engines.vllm_start": frozenset(),
    "engines.wire": GROUND | {"engines.base", "engines.chat"},
    "engines": GROUND | ENGINE,
    "engines.ray": GROUND | ENGINE | {"engines"},  # replicas of the vllm engine
    "training": GROUND | {"files", "engines.base", "engines.chat"},
    "drive": GROUND | {"store", "engines.base"},
    "stages": GROUND | {"engines.base", "drive"},
    # A wing that the rounds use: what chooses their rows.
    "evaluate.counters": frozenset(),
    "evaluate.scores": GROUND,
    "curate": ROUND | {"engines.chat", "evaluate.counters", "evaluate.scores", "lines"},
    "controller": ROUND,
    "rounds": ROUND | {"controller", "curate"},
    # The wings.
    "curate.refine": ROUND | {"controller", "curate"},
    "evaluate": WING | {"evaluate.counters", "evaluate.scores"},
    "finish": WING | {"curate", "evaluate", "evaluate.counters", "evaluate.scores", "lines"},
    "inspect": WING,
    "pocket": GROUND,
    "cli": WING | WINGS | {"curate.refine", "estimate"},
    "__main__": frozenset({"cli"}),
}
# Modules of these packages do not know each other; only the package's front door knows them.
APART = frozenset({"stages", "engines"})

HEAVY = frozenset(
    {"accelerate", "datasets", "matplotlib", "openai", "peft", "ray", "torch", "transformers"}
    | {"faiss", "flaml", "optuna", "pyarrow", "scipy", "statsmodels", "trl", "vllm"}
)
MAY_BE_HEAVY = frozenset(
    {"curate.losses", "curate.scorers", "engines.ray", "engines.transformers", "engines.vllm"}
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


def room(module: str) -> str | None:
    """Find the row of `FLOORS` that a module belongs to: the longest that fits."""
    while module not in FLOORS:
        if not module:
            return None
        module = module.rpartition(".")[0]
    return module


def upward(package: Path) -> list[str]:
    """List the imports that the table forbids, and the modules that it does not know."""
    faults = []
    for module, (path, imports) in read(package).items():
        if module and room(module) is None:
            faults.append(f"{module}: has no row in FLOORS; say what it may import")
            continue
        for found in imports:
            name, _, target = found.target.partition(".")
            if name == package.name and (reason := _forbidden(module, target)):
                faults.append(
                    f"{path}:{found.line}: {module or name} imports {found.target}: {reason}"
                )
    return faults


def _forbidden(module: str, target: str) -> str | None:
    here, there = room(module), room(target)
    if target in ("", module):
        return None
    if not module:
        return "the package itself imports nothing of its own"
    if there is None:
        return "it has no row in FLOORS"
    if here == there:
        apart = here in APART and module != here
        return f"modules of {here} do not know each other" if apart else None
    assert here is not None
    allowed = ", ".join(sorted(FLOORS[here])) or "nothing of ours"
    return None if there in FLOORS[here] else f"{here} may import only {allowed}"


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


def test_the_table_itself_points_down() -> None:
    above: set[str] = set()
    for name, allowed in FLOORS.items():
        assert allowed <= above, f"row {name} names rows below it: {sorted(allowed - above)}"
        above.add(name)


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
        "text.py": "import re",
        "store.py": "from selflengthen.errors import UserError\nfrom selflengthen import text",
        "engines/__init__.py": "def make():\n    from selflengthen.engines import vllm",
        "engines/base.py": "from selflengthen import errors",
        "engines/vllm.py": "import torch\nimport selflengthen.engines.base",
        "engines/openai.py": "def ask():\n    import openai",
        "drive.py": "from selflengthen.engines.base import Engine",
        "stages/__init__.py": "from selflengthen.stages.draft import draft",
        "stages/draft.py": "from selflengthen import drive",
        "stages/expand.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
        "rounds.py": "from selflengthen import stages, store",
        "cli/__init__.py": "from selflengthen.cli import run",
        "cli/run.py": "from selflengthen import rounds",
        "__main__.py": "from selflengthen.cli import main",
    }.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return package


def test_a_sound_house_passes(house: Path) -> None:
    assert upward(house) == []
    assert hasty(house) == []


@pytest.mark.parametrize(
    ("room_file", "line", "complaint"),
    [
        ("text.py", "from selflengthen.store import append", "text imports selflengthen.store"),
        ("text.py", "import selflengthen.store", "text imports selflengthen.store"),
        ("text.py", "from selflengthen import store", "text imports selflengthen.store"),
        ("text.py", "def f():\n    import selflengthen.store", "text may import only errors"),
        ("errors.py", "import selflengthen.text", "errors may import only nothing of ours"),
        ("stages/expand.py", "from selflengthen.stages.draft import x", "do not know each other"),
        ("stages/expand.py", "from selflengthen.stages import draft", "do not know each other"),
        ("stages/draft.py", "import selflengthen.store", "stages.draft imports selflengthen.store"),
        ("stages/draft.py", "import selflengthen.engines.vllm", "stages may import only"),
        (
            "drive.py",
            "import selflengthen.engines.openai",
            "drive imports selflengthen.engines.open",
        ),
        ("drive.py", "from selflengthen import stages", "drive imports selflengthen.stages"),
        ("engines/vllm.py", "import selflengthen.engines.openai", "do not know each other"),
        ("engines/base.py", "import selflengthen.engines.openai", "engines.base imports"),
        ("rounds.py", "from selflengthen.cli import run", "rounds imports selflengthen.cli.run"),
        ("drive.py", "if TYPE_CHECKING:\n    import selflengthen.rounds", "drive may import only"),
        ("__init__.py", "from selflengthen import errors", "imports nothing of its own"),
        ("gossip.py", "", "gossip: has no row in FLOORS"),
    ],
)
def test_an_import_that_points_up_is_named(
    house: Path, room_file: str, line: str, complaint: str
) -> None:
    _add(house / room_file, line)
    (fault,) = upward(house)
    assert complaint in fault


@pytest.mark.parametrize(
    ("room_file", "line", "complaint"),
    [
        ("store.py", "import torch", "store imports torch as it loads"),
        ("store.py", "from torch.nn import Module", "store imports torch.nn.Module"),
        ("store.py", "try:\n    import ray\nexcept ImportError: ...", "store imports ray"),
        ("store.py", "class A:\n    import trl", "store imports trl"),
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
def test_a_hasty_import_is_named(house: Path, room_file: str, line: str, complaint: str) -> None:
    _add(house / room_file, line)
    (fault,) = hasty(house)
    assert complaint in fault


def _add(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text() if path.exists() else ''}\n{line}\n")
