"""The pages: commands and snippets run, links lead somewhere, the tree and the values are true."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import selflengthen
from selflengthen.cli import COMMANDS
from selflengthen.cli.options.config_fields import fields
from selflengthen.cli.options.reference import lines
from selflengthen.cli.options.settings import resolve
from selflengthen.config import Config
from selflengthen.storage import reference
from tests.cli.conftest import CONFIG, make_model

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "runs/README.md"]

# What no test runs, with what it would need. Blocks of these carry the mark `<!-- not run: … -->`.
NOT_RUN = {
    "source .venv/bin/activate",
    "python -m selflengthen estimate --model Qwen/Qwen2.5-7B-Instruct",
    "python -m selflengthen run --iterations 3 --model Qwen/Qwen2.5-7B-Instruct "
    "--run-dir runs/qwen",
    "vllm serve Qwen/Qwen2.5-7B-Instruct --enable-lora --lora-modules "
    "long=runs/qwen/rounds/03/5-train/generator",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve Qwen/Qwen2.5-7B-Instruct --enable-lora "
    "--max-lora-rank 8",
    "python -m selflengthen run --model Qwen/Qwen2.5-7B-Instruct --engine.kind openai "
    "--engine.url http://127.0.0.1:8000/v1",
    "python -m selflengthen pocket build --out runs/pocket-model",
    "python -m benchmarks.experiments --run runs/pocket",
    "python -m selflengthen finish runs/qwen --merge",
    "vllm serve runs/qwen/final/merged",
    "hf upload me/qwen-long runs/qwen/final/merged",
    "python -m selflengthen curate longest tatsu-lab/alpaca --k 1000 --unit nltk "
    "--out longest.jsonl",
    "python -m selflengthen curate quality tatsu-lab/alpaca --k 1000 --out best.jsonl --reward "
    "OpenAssistant/reward-model-deberta-v3-large-v2 --unieval MingZhong/unieval-dialog",
    "python -m selflengthen curate longest tatsu-lab/alpaca --k 1000 --refine --model "
    "Qwen/Qwen2.5-7B-Instruct --out refined.jsonl",
    "python -m selflengthen curate fit rows.jsonl --evaluation held-out.jsonl --indicators "
    "output_length,mtld --model Qwen/Qwen2.5-7B-Instruct --train.generator.epochs 3 "
    "--out rule.yaml",
    "python -m selflengthen curate search rows.jsonl --evaluation held-out.jsonl --rule rule.yaml "
    "--model Qwen/Qwen2.5-7B-Instruct --out best.jsonl",
    "python -m selflengthen evaluate Qwen/Qwen2.5-7B-Instruct runs/qwen --benchmark longen "
    "--data LonGen.jsonl",
    "python -m selflengthen evaluate runs/qwen --benchmark longen --data LonGen.jsonl "
    "--judge.model gpt-4o --judge.engine.kind openai "
    "--judge.engine.url https://api.openai.com/v1",
}
# Blocks of these carry the mark `<!-- file: NAME -->`: the commands of all pages find them there.
FILE = "file: "
MAKE = {"make demo", "make test"}  # the second runs this test

_FENCE = re.compile(
    r"(?:<!-- (?P<mark>[^>]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, with the mark in the comment before it."""

    page: str
    language: str
    mark: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of all pages, or those in one of the `languages`."""
    found = [
        Block(str(page.relative_to(ROOT)), match["language"], match["mark"] or "", match["text"])
        for page in PAGES
        for match in _FENCE.finditer(page.read_text(encoding="utf-8"))
    ]
    return [block for block in found if not languages or block.language in languages]


def commands(*, run: bool) -> list[str]:
    """Return the command lines that are run, or those that are marked not to be."""
    chosen = [b for b in blocks("bash") if b.mark.startswith("not run: ") != run]
    lines = "\n".join(b.text for b in chosen).replace("\\\n", " ").splitlines()
    bare = (re.sub(r"\s+#.*", "", line).strip() for line in lines)
    return [line for line in dict.fromkeys(bare) if line]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `mine.yaml`, its run of two rounds by a double, and responses."""
    folder = tmp_path_factory.mktemp("docs")
    make_model(folder / "model")
    (folder / "mine.yaml").write_text(CONFIG.format(model="model"))
    for block in blocks():
        if block.mark.startswith(FILE):
            (folder / block.mark.removeprefix(FILE)).write_text(block.text)
    for name in ("longen", "longbench-write", "lifebench"):
        rows = (ROOT / f"tests/evaluate/{name}.jsonl").read_text().splitlines()
        answers = (json.dumps(json.loads(row) | {"response": "A sea. " * 1500}) for row in rows)
        (folder / f"{name}.jsonl").write_text("\n".join(answers))
    shutil.copy(ROOT / "tests/evaluate/lifebench-public.jsonl", folder / "data_label.jsonl")
    # The pages' `python` is this one, and its training takes no time.
    shim = folder / "bin/python"
    shim.parent.mkdir()
    shim.write_text(
        "#!/bin/sh\n"
        '[ "$1 $2" = "-m selflengthen" ] || exit 99\n'
        f'shift 2; exec "{sys.executable}" -m tests.cli.double "$@"\n'
    )
    shim.chmod(0o755)
    for command in ("run mine.yaml", "finish runs/mine"):
        result = shell(f"python -m selflengthen {command}", folder)
        assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def work(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder, to be changed at will."""
    return shutil.copytree(finished, tmp_path / "work", symlinks=True)


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of a page in `folder`."""
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    environment |= {"PYTHONPATH": str(ROOT), "HF_HOME": str(folder / "hub")}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", command],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("command", [c for c in commands(run=True) if c not in MAKE])
def test_commands_run(command: str, work: Path) -> None:
    if "jq " in command and shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    result = shell(command, work)
    assert result.returncode == 0, result.stderr
    assert set(result.stdout.split()) - {"null"}, "it printed nothing"


@pytest.mark.parametrize("block", blocks("python"), ids=lambda b: b.page)
def test_snippets_run(block: Block, work: Path) -> None:
    (work / "snippet.py").write_text(block.text)
    result = shell(f'"{sys.executable}" snippet.py', work)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


def test_what_is_not_run_is_listed() -> None:
    assert set(commands(run=False)) == NOT_RUN
    assert set(commands(run=True)) >= MAKE
    assert {block.language for block in blocks()} <= {"bash", "python", "yaml", ""}


def test_what_is_not_run_could_be() -> None:
    """Commands, options and values exist, also where nothing is run."""
    ours = [c.split()[3:] for c in commands(run=False) if c.startswith("python -m selflengthen ")]
    assert len(ours) >= 3
    for name, *words in ours:
        assert name in COMMANDS
        pairs = (
            dict(zip(words[::2], words[1::2], strict=True)) if name in ("run", "estimate") else {}
        )
        given = {option[2:]: value for option, value in pairs.items() if option != "--run-dir"}
        assert given.keys() <= fields().keys()
        resolve(None, given, None)


@pytest.mark.parametrize(
    "block", [b for b in blocks("yaml") if not b.mark.startswith(FILE)], ids=lambda b: b.page
)
def test_configurations_are_valid(block: Block) -> None:
    assert Config.model_validate(yaml.safe_load(block.text)) != Config()


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link} is not there"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link} has no such heading"


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(_LINK.findall((ROOT / "README.md").read_text()))
    assert {f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")} <= linked


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_that_are_named_are_there(page: Path) -> None:
    named = re.findall(
        r"`((?:selflengthen|tests|benchmarks|requirements|prompts)/[\w./-]+)`", page.read_text()
    )
    for name in named:
        assert (ROOT / name).exists(), f"{page.name} names {name}"


def tree() -> Iterator[str]:
    """Yield the paths of the README's tree."""
    text = next(b.text for b in blocks("") if b.page == "README.md" and b.mark == "tree")
    folder = ""
    for line in text.splitlines():
        name = line.split()[0]
        folder = folder if line.startswith(" ") else ""
        yield folder + name
        if not line.startswith(" "):
            folder = name


def test_the_readmes_tree_is_that_of_the_files() -> None:
    paths = set(tree())
    assert [p for p in paths if not (ROOT / p).exists()] == []
    package = ROOT / "selflengthen"
    rooms = {p.name for p in package.glob("*.py")} - {"__init__.py"}
    rooms |= {f"{p.name}/" for p in package.glob("[!_]*/") if any(p.glob("[!_]*.*"))}
    assert {f"selflengthen/{room}" for room in rooms} == {
        p for p in paths if p.startswith("selflengthen/") and p != "selflengthen/"
    }


def test_the_methods_values_are_the_defaults() -> None:
    text = (ROOT / "docs/method.md").read_text()
    rows = re.findall(r"^\| `([a-z_.]+\.[a-z_]+)` \| `(.+?)` \|$", text, re.M)
    assert len(rows) > 30
    assert rows == [(name, fields()[name].shown) for name, _ in rows]


def test_the_reference_is_that_of_the_models() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == "\n".join(lines()) + "\n"


def test_the_tables_of_a_run_are_those_of_its_structs() -> None:
    page = (ROOT / "docs/run-directory.md").read_text()
    assert reference.fill(page) == page
    shown = set(re.findall(r"^<!-- fields: (\w+) -->$", page, re.M))
    in_prose = {"Instruction", "Selection", "UnionSources", "KindScore", "TextScore"}
    assert shown | in_prose == reference.STRUCTS.keys()


def test_a_table_follows_its_struct() -> None:
    begin, end = "<!-- fields: LeftOut -->\n", "<!-- /fields -->\n"
    rows = ["| field | type | |", "|---|---|---|", "| `id` | string | of the text |"]
    rows.append("| `reason` | string | `duplicate` or `over keep` |")
    assert reference.fill(f"{begin}| old |\n{end}") == begin + "\n".join(rows) + "\n" + end


def test_the_gates_figures_are_those_of_the_gate() -> None:
    from selflengthen.pocket.gate import GATE, TEMPERATURE, TEXTS
    from selflengthen.pocket.model import VOCABULARY, new_model

    text = (ROOT / "docs/pocket.md").read_text()
    rows = re.findall(r"^\| (\d) \| (\d+) % \| (\d+) \|$", text, re.M)
    assert {int(t): (int(k) / 100, int(r)) for t, k, r in rows} == GATE
    assert f"{TEXTS} texts a row at temperature {TEMPERATURE}" in text
    assert f"{VOCABULARY:,} entries" in text
    assert f"{new_model().num_parameters() / 1e6:.2f} million parameters" in text


def test_the_changelogs_newest_version_is_this_one() -> None:
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert versions[0] == selflengthen.__version__
