"""Input made to hang, to fill the memory or to confuse: one line, soon, in little memory."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from selflengthen.cli import main
from selflengthen.config import TrainConfig
from selflengthen.inputs import prompts
from tests.cli.test_bad_input import refused

SECONDS, MEMORY = 2.0, 1 << 30
"""What a refusal may take, without the time that Python takes to start and to import."""
PATIENCE = 30
"""Seconds after which a command counts as hanging."""


def in_bounds(*words: str) -> None:
    """Play a command in a fork that may not hang or take more memory; it must be refused."""
    child = os.fork()
    if child == 0:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))
        signal.alarm(PATIENCE)
        code = 1
        try:
            code = main(list(words))
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    assert os.WIFEXITED(status), f"killed by signal {os.WTERMSIG(status)}"
    assert os.WEXITSTATUS(status) == 2


def bomb(levels: int, start: str, item: str) -> str:
    """Return YAML whose aliases stand for ten to the power of `levels` values."""
    lines = [f"a0: &a0 {start}"]
    lines += [f"a{n}: &a{n} {item.format(n - 1)}" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


TEN = "[" + ", ".join(["*a{0}"] * 10) + "]"
YAMLS = {
    "brackets": ("curate: " + "[" * 3000, "nested over 32 levels deep"),
    "closed brackets": ("curate: " + "[" * 3000 + "]" * 3000, "nested over 32 levels deep"),
    "braces": ("{a: " * 3000, "nested over 32 levels deep"),
    "blocks": ("".join(" " * n + "a:\n" for n in range(1000)), "nested over 32 levels deep"),
    "a number of 5,000 digits": ("seed: " + "9" * 5000, "is not valid YAML (not a value of"),
    "a number of 4,000 digits": ("seed: " + "9" * 4000, "line 1: seed: 9999"),
    "an impossible date": ("seed: 2023-99-99", "line 1: seed: '2023-99-99' is not allowed"),
    "a date": ("seed: 2023-09-09", "line 1: seed: '2023-09-09' is not allowed"),
    "an impossible time": ("seed: !!timestamp x", "line 1: is not valid YAML (not a value of type"),
    "an impossible number": ("seed: !!int x", "is not valid YAML (not a value of type int)"),
    "an object of Python": ("seed: !!python/name:os.system", "line 1: is not valid YAML"),
    "many lists by aliases": (bomb(12, "[x, x]", TEN), "through aliases; use fewer of them"),
    "a list of ten lists": (
        "curate: &a [1]\nsampling:\n  stop: " + "[*a, *a]" * 1, "sampling.stop"
    ),
    "many keys by merging": (
        bomb(12, "{x: 1}", "{{<<: " + TEN + "}}"), "through aliases; use fewer of them"
    ),
    "a list in itself": ("curate: &a [*a]", "line 1: contains itself through an alias"),
    "a section in itself": ("train: &a\n  generator: *a", "1: contains itself through an alias"),
    "a merge with itself": ("train: &a\n  <<: *a", "line 1: contains itself through an alias"),
    "duplicate keys in a step": (
        "curate:\n- longest:\n    k: 1\n    k: 2", "line 4: curate.longest.k is set twice"
    ),
    "a list as a key": ("? [a, b]\n: 1", "line 1: a list or a mapping cannot be a key"),
    "no name as a key": ("~: 1", "line 1: unknown config field ~"),
    "a dotted key": ("train.lora_r: 4", "line 1: train.lora_r: write `train:`, and below it"),
    "an unknown key by merging": (
        "train:\n  <<: {lora_rank: 4}", "line 2: unknown config field train.lora_rank; did you mean"
    ),
    "a merge with a text": ("train:\n  <<: x", "is not valid YAML"),
    "many values": ("curate: [" + "1, " * 300_000 + "]", "has more than 20,000 values"),
    "much text": ("# " + "x" * 2_000_000, "has over 1,048,576 bytes"),
    "a long comment": ("# x\n" * 200_000 + "seeed: 1", "line 200001: unknown config field seeed"),
    "a NUL in a path": ('seeds: "a\\0b"', "line 1: seeds: contains a NUL character"),
    "a NUL in the file": ("seed: \0", "is not valid YAML"),
    "half a pair in a path": ('model: "\\ud800"', "model: contains half of a surrogate pair"),
    "half a pair in a text": ('sampling:\n  stop: ["\\ud800"]', "sampling.stop: contains half"),
    "half a pair in a step": (
        'curate: [{longest: {k: 1, tokenizer: "\\ud800"}}]', "tokenizer: contains half"
    ),
    "a long path": ("prompts: " + "x" * 300, "prompts: is too long for a file name"),
    "a long path of short names": ("prompts: " + "x/" * 3000, "prompts: is too long for a file"),
    "no model": ('model: ""', "model: is empty"),
    "very many rounds": ("iterations: 100000000", "it takes a whole number ≥ 1 and ≤ 10000"),
    "very many texts": ("draft: {per_instruction: 10000000000}", "it takes at most 1,000,000,000"),
    "a huge number": ("train: {generator: {epochs: 1.0e+300}}", "it takes at most 1,000,000,000"),
    "no such schedule": ("train:\n  scheduler: nope", "train.scheduler: 'nope'"),
    "a schedule that needs more": (
        "train:\n  scheduler: warmup_stable_decay", "one of linear, cosine,"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), YAMLS.values(), ids=YAMLS)
def test_yaml(work: Path, capsys: pytest.CaptureFixture[str], text: str, says: str) -> None:
    Path("bad.yaml").write_text(text)
    in_bounds("run", "bad.yaml")
    started = time.process_time()
    error = refused(work, capsys, "run", "bad.yaml")
    assert says in error and len(error) < 700
    assert time.process_time() - started < SECONDS


def test_a_library_that_changes_pyyamls_own_loader_changes_nothing(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """lm-format-enforcer does this when vLLM imports it."""
    constructors = yaml.SafeLoader.yaml_constructors
    text = constructors["tag:yaml.org,2002:str"]
    monkeypatch.setitem(constructors, "tag:yaml.org,2002:timestamp", text)
    Path("bad.yaml").write_text("seed: !!timestamp x")
    assert "is not valid YAML (not a value of" in refused(work, capsys, "run", "bad.yaml")


def test_steps_and_rules_are_read_as_a_configuration_is(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("data.jsonl").write_text('{"prompt": "p", "response": "r"}\n')
    Path("bad.yaml").write_text(bomb(12, "[x, x]", TEN))
    words = ["data.jsonl", "--out", "out.jsonl"]
    assert "values through aliases" in refused(work, capsys, "curate", "bad.yaml", *words)
    rule = ["quality", *words, "--k", "1", "--rule", "bad.yaml"]
    assert "values through aliases" in refused(work, capsys, "curate", *rule)


def test_what_yaml_allows_is_still_allowed(work: Path) -> None:
    """Anchors, aliases and merge keys, dates where a text is wanted, and a field said twice so."""
    Path("2024-01-01").mkdir()
    Path("good.yaml").write_text(
        "train:\n"
        "  generator: &both {learning_rate: 2.0e-4, epochs: 2}\n"
        "  expander: {<<: *both, epochs: 3}\n"
        "prompts: 2024-01-01\n"
    )
    from selflengthen.cli.options.settings import resolve

    config = resolve("good.yaml", {}, None).config
    assert (config.train.expander.learning_rate, config.train.expander.epochs) == (2e-4, 3)
    assert config.prompts == "2024-01-01"


OPTIONS = {
    "no folder": (["--run-dir", ""], "--run-dir: is empty"),
    "a NUL in the folder": (["--run-dir", "a\0b"], "--run-dir: contains a NUL character"),
    "a long folder": (["--run-dir", "x" * 256], "--run-dir: is too long for a file name"),
    "a NUL in a field": (["--seeds", "a\0b"], "--seeds: contains a NUL character"),
    "a NUL in a text": (["--engine.url", "a\0b"], "--engine.url: contains a NUL character"),
    "a long field": (["--held_out.source", "x/" * 5000], "--held_out.source: is too long"),
    "a long model": (["--model", "x" * 300], "--model: is too long for a file name"),
    "very many rounds": (["--iterations", "100000000"], "--iterations: '100000000' is not"),
    "brackets": (["--sampling.stop", "[" * 3000], "--sampling.stop: '[[["),
    "5,000 digits": (["--seed", "9" * 5000], "--seed: '999"),
    "a schedule": (["--train.scheduler", "Cosine"], "--train.scheduler: 'Cosine' is not allowed"),
}


@pytest.mark.parametrize(("words", "says"), OPTIONS.values(), ids=OPTIONS)
def test_options(
    work: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    in_bounds("run", "small.yaml", *words)
    started = time.process_time()
    assert says in refused(work, capsys, "run", "small.yaml", *words)
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize(
    "words",
    [
        ["status"], ["show"], ["collect"], ["finish"], ["estimate"], ["run"],
        ["evaluate", "--benchmark", "pocket"], ["score", "quality"],
        ["curate", "longest", "--k", "1", "--out", "out.jsonl"],
        ["curate", "longest", "data.jsonl", "--k", "1", "--out"],
        ["curate", "longest", "data.jsonl", "--k", "1", "--out", "out.jsonl", "--tokenizer"],
        ["curate", "mix", "data.jsonl", "--out", "out.jsonl", "--general"],
        ["curate", "quality", "data.jsonl", "--k", "1", "--out", "out.jsonl", "--rule"],
        ["curate", "fit", "--out", "rule.yaml"],
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("name", ["a\0b", "x" * 256, "x/" * 3000, "\ud800", ""])
def test_names_that_no_file_has(
    work: Path, capsys: pytest.CaptureFixture[str], words: list[str], name: str
) -> None:
    Path("data.jsonl").write_text('{"prompt": "p", "response": "r"}\n')
    refused(work, capsys, *words, name)


@pytest.fixture
def endless(work: Path) -> Iterator[Callable[[str], str]]:
    """Return what makes a pipe that nobody writes to, a folder, or a file without a line's end."""

    def make(kind: str) -> str:
        if kind == "pipe":
            os.mkfifo("pipe")
        elif kind == "folder":
            Path("folder").mkdir()
        elif kind == "sparse":
            with open("sparse", "wb") as file:
                file.truncate(5 << 30)
        return kind

    yield make
    Path("sparse").unlink(missing_ok=True)


COMMANDS = {
    "seeds": ["run", "small.yaml", "--seeds", "{}"],
    "held-out": ["run", "small.yaml", "--held_out.source", "{}"],
    "config": ["run", "{}"],
    "prompts": ["run", "small.yaml", "--prompts", "mine"],
    "data": ["curate", "longest", "{}", "--k", "1", "--out", "out.jsonl"],
    "general": ["curate", "mix", "data.jsonl", "--general", "{}", "--out", "out.jsonl"],
    "rule": ["curate", "quality", "data.jsonl", "--k", "1", "--rule", "{}", "--out", "out.jsonl"],
    "table": ["curate", "fit", "{}", "--out", "rule.yaml"],
    "responses": ["score", "quality", "{}"],
    "benchmark": ["evaluate", "pocket", "--benchmark", "longen", "--data", "{}"],
}


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero", "folder", "sparse"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_what_is_no_file_or_has_no_end(
    work: Path,
    capsys: pytest.CaptureFixture[str],
    endless: Callable[[str], str],
    command: list[str],
    kind: str,
) -> None:
    Path("data.jsonl").write_text('{"prompt": "p", "response": "r"}\n')
    name = endless(kind)
    if "mine" in command:
        shutil.copytree(prompts.shipped("en"), "mine")
        Path("mine/draft.user.md").unlink()
        Path("mine/draft.user.md").symlink_to(Path(name).absolute())
    words = [word.format(name) for word in command]
    in_bounds(*words)
    started = time.process_time()
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("selflengthen: ") and error.count("\n") == 1, error
    assert Path(name).name in error or "draft.user.md" in error
    assert time.process_time() - started < SECONDS


PROMPTS = {
    "loops": (
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "line 2: a loop is not allowed in a prompt",
    ),
    "a loop over a text": ("{% for c in instruction %}{{ c }}{% endfor %}", "a loop is not"),
    "a recursive macro": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "a macro is not"),
    "a power": ("{{ 9 ** 9 ** 9 }}", "`Pow` is not allowed"),
    "a product": ("{{ 'x' * 10 ** 9 }}", "`Mul` is not allowed"),
    "a format": ("{{ '%1000000000d' % 1 }}", "`Mod` is not allowed"),
    "a width": ("{{ instruction.center(10 ** 9) }}", "this call is not allowed"),
    "a filter": ("{{ instruction | center(999999999) }}", "the filter `center` is not allowed"),
    "an indent": ("{{ instruction | indent(999999999) }}", "a number over 1000"),
    "doubling": ("{% set a = a ~ a %}" * 60, "`set` is not allowed"),
    "brackets": ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "may not have so many expressions"),
    "few brackets": ("{{ " + "(" * 400 + "1" + ")" * 400 + " }}", "not a valid template"),
    "ifs": ("{% if 1 %}" * 60 + "{% endif %}" * 60, "nested too deeply"),
    "many expressions": ("{{ instruction }}" * 50_000, "may not have so many expressions"),
    "a long number": ("{{ " + "9" * 5000 + " }}", "is not a valid template"),
    "much text": ("x" * 2_000_000, "has over 1,048,576 bytes"),
    "half a pair": ("{{ '\\ud800' }}", "contains half of a surrogate pair"),
    "an include": ("{% include 'x' %}", "`Include` is not allowed"),
}


@pytest.mark.parametrize(("text", "says"), PROMPTS.values(), ids=PROMPTS)
def test_prompts(work: Path, capsys: pytest.CaptureFixture[str], text: str, says: str) -> None:
    shutil.copytree(prompts.shipped("en"), "mine")
    Path("mine/draft.user.md").write_text("{{ instruction }}\n" + text)
    in_bounds("run", "small.yaml", "--prompts", "mine")
    started = time.process_time()
    error = refused(work, capsys, "run", "small.yaml", "--prompts", "mine")
    assert "mine/draft.user.md" in error and says in error
    assert time.process_time() - started < SECONDS


def test_prompts_may_still_choose_and_shorten(work: Path) -> None:
    folder = shutil.copytree(prompts.shipped("en"), "mine")
    text = "{% if instruction | length > 9 %}{{ instruction.strip()[:5] | upper }}{% endif %}"
    Path("mine/draft.user.md").write_text(text + "{{ instruction }}{# why #}")
    filled = prompts.load(Path(folder)).fill("draft.user", instruction="Write a lot.")
    assert filled == "WRITEWrite a lot."


def test_a_prompt_that_fails_for_some_texts_alone(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(prompts.shipped("en"), "mine")
    late = "{% if 'value-of' not in instruction %}{{ instruction + 1 }}{% endif %}{{ instruction }}"
    Path("mine/draft.user.md").write_text(late)
    assert main(["run", "small.yaml", "--prompts", "mine"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("selflengthen: draft.user.md: cannot be filled: ")


@pytest.mark.parametrize("place", ["seeds", "responses", "data"])
def test_json_that_is_nested_very_deeply(
    work: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    row = '{"instruction": "i", "response": "r", "x": ' + "[" * 100_000 + "]" * 100_000 + "}\n"
    Path("deep.jsonl").write_text(row * 3)
    command = {
        "seeds": ["run", "small.yaml", "--seeds", "deep.jsonl"],
        "responses": ["score", "quality", "deep.jsonl"],
        "data": ["curate", "longest", "deep.jsonl", "--k", "1", "--out", "out.jsonl"],
    }[place]
    assert "deep.jsonl, line 1" in refused(work, capsys, *command)


def test_the_schedules_are_those_of_transformers_that_need_nothing_else() -> None:
    import torch
    from transformers import SchedulerType, get_scheduler

    def works(name: str) -> bool:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-4)
        try:
            schedule = get_scheduler(name, optimizer, num_warmup_steps=1, num_training_steps=4)
            optimizer.step()
            schedule.step()
        except (TypeError, ValueError):
            return False
        return True

    named = set(TrainConfig.model_fields["scheduler"].annotation.__args__)  # type: ignore[union-attr]
    assert named == {kind.value for kind in SchedulerType if works(kind.value)}


def test_the_largest_configuration_is_estimated_soon(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers at their bounds: what is allowed does not hang either."""
    largest = {"iterations": "10000", "instruct.per_round": "1000000"}
    largest |= {"collect.instructions": "1000000", "draft.per_instruction": "1000000000"}
    words = [word for name, value in largest.items() for word in (f"--{name}", value)]
    started = time.process_time()
    assert main(["estimate", "small.yaml", *words]) == 0
    assert time.process_time() - started < SECONDS
    assert "the disk has" in refused(work, capsys, "run", "small.yaml", *words)
