"""Random configurations, options, seeds, data and prompts: one line at most, and nothing written.

Commands are played in this process. `run` is stopped after everything has been read and checked, by
asking it to make again a stage of a run that is not there.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import string
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from selflengthen.cli import main
from selflengthen.cli.options.config_fields import fields, sections
from selflengthen.inputs import prompts
from selflengthen.inputs.templates import FILTERS
from tests.cli.conftest import CONFIG
from tests.soak import fuzz

SECONDS = 2.0
STOP = ["--redo", "1/1-instruct"]
OUT = ["--out", "out.jsonl"]

NASTY = [
    "", " ", "0", "-1", "1", "3", "1.5", "true", "yes", "null", "none", "~", "nan", ".inf", "1e999",
    "9" * 400, "9" * 5000, "1:20", "0x1f", "1_000", "2023-99-99", "2024-01-01", "a\0b", "\ud800",
    "x" * 300, "x/" * 2100, "[", "[]", "{", "{}", "[a, b]", "{a: b}", "- a", "&a [*a]", "*a",
    "!!int x",
    "!!python/name:os.system", "<<", "%", "%s", "{}", "{{ 7 }}", "\x1b[2J", "\u202e", "\n", "\r",
    "a\nb", "é", "日本", "\U0001f600", ".", "..", "/", "/dev/null", "/dev/zero", "~/x", "pipe",
    "tiny",
    "small.yaml", "data.jsonl", "mine", "gone", "gone/gone", "pocket", "paper", "en", "zh", "auto",
    "scripted", "cosine", "greedy", "longest", "published", "--", "-", "-h", "--seed", "@x", "a=b",
]  # fmt: skip
nasty = st.sampled_from(NASTY)
words = st.one_of(nasty, nasty, nasty, st.text(max_size=12), st.integers().map(str))
names = st.sampled_from([*fields(), *filter(None, sections())])
lasts = names.map(lambda name: name.rpartition(".")[2])

scalars = st.one_of(
    words, st.integers(), st.floats(), st.booleans(), st.none(), st.dates(), st.binary(max_size=8)
)
steps = st.dictionaries(
    st.one_of(st.sampled_from(["longest", "quality", "faithful", "mix"]), words),
    st.one_of(
        scalars,
        st.dictionaries(
            st.sampled_from(["k", "least", "general", "ratio", "rule", "seed"]), scalars
        ),
    ),
    max_size=2,
)
trees = st.recursive(
    st.one_of(scalars, steps),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(lasts, words), inner, max_size=4)
    ),
    max_leaves=8,
)
LINES = CONFIG.format(model="tiny").splitlines()


EDITS = (
    "{line}\n{line}", " {line}", "{bare}", "{word}", "{head}: {word}", "{head}: {word}",
    "{head}: {quoted}", "{head}: {quoted}", "{head}:\n  {last}: {word}", "{last}: {word}\n{line}",
    "{word}: 1\n{line}", "{head}: &a", "{head}: *a", "<<: *a\n{line}", "\t{line}", "{line} {word}",
    "{head}: [{quoted}, {word}]", "curate: [{{{word}: {{k: {word}}}}}]\n{line}",
)  # fmt: skip


BAD = [
    "9" * 5000, "-" + "9" * 400, "2023-99-99", "2024-01-01", "1e999", "!!int x", "!!float x",
    "!!bool x", "!!timestamp x", "!!binary x", "!!set {a}", "!!pairs [a]", "!!str", "! x",
    "&a [*a]", "&a {b: *a}", "{<<: {seed: 1}}", "{<<: x}", "{<<: [x]}", "{[a]: b}", "{{a: b}: c}",
    "? a", "[[[[a]]]]", "[" * 500, "{a: " * 500, "|", ">-", '"\\0"', '"\\ud800"',
    "[a, 1, null, 2024-01-01]", "0o17", "0b1", "1:20:30", "+1", "1_0", "~", "- 1", "{k: 1, k: 2}",
    "yes", "!!python/tuple [1]", "{}", "[]",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, lines: list[str]) -> str:
    """Return lines of which some are doubled, indented, or have other words in them."""
    lines = list(lines)
    for _ in range(draw(st.integers(1, 3))):
        at, word = draw(st.integers(0, len(lines) - 1)), draw(words)
        lines[at] = draw(st.sampled_from([*EDITS, *["{head}: {bad}"] * 12])).format(
            line=lines[at], bare=lines[at].lstrip(), head=lines[at].partition(":")[0],
            bad=draw(st.sampled_from(BAD)), word=word, quoted=json.dumps(word), last=draw(lasts),
        )  # fmt: skip
    return "\n".join(lines)


def dumped(tree: Any) -> str:
    return yaml.safe_dump(tree, allow_unicode=True)


configurations = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.dictionaries(st.one_of(names, lasts), trees, max_size=4)
    .map(dumped)
    .map(lambda text: text.encode("utf-8", "surrogatepass")),
    *[mutated(LINES).map(lambda text: text.encode("utf-8", "surrogatepass"))] * 3,
)


@pytest.fixture
def play(work: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., int]:
    """Return the command: whatever it is given it ends soon, says one line, and leaves no trace."""
    Path("data.jsonl").write_text('{"prompt": "p", "response": "r"}\n' * 3)
    shutil.copytree(prompts.shipped("en"), "mine")

    def command(*argv: str) -> int:
        before = set(work.rglob("*"))
        began = time.process_time()
        code = main(list(argv))
        seconds = time.process_time() - began
        _, error = capsys.readouterr()
        written = set(work.rglob("*")) - before
        for path in sorted(written, reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        assert code in (0, 1, 2)
        if code:
            assert error.count("\n") == 1 and error.startswith("selflengthen: "), error
            assert not written
        assert seconds < SECONDS
        return code

    # A run to look at, of another name than what is fuzzed. Imports take their time here, once.
    assert main(["run", "small.yaml", "--iterations", "1", "--run-dir", "runs/done"]) == 0
    assert main(["run", "small.yaml", "--seeds", "gone/gone", *STOP]) == 2
    capsys.readouterr()
    return command


@pytest.mark.soak
@fuzz(200, 8_000)
@given(content=configurations)
def test_configurations(play: Callable[..., int], content: bytes) -> None:
    Path("fuzz.yaml").write_bytes(content)
    play("estimate", "fuzz.yaml")
    assert play("run", "fuzz.yaml", *STOP) == 2
    play("curate", "fuzz.yaml", "data.jsonl", *OUT)


def options_of(*command: str) -> list[str]:
    """Return the options that the help of a command names."""
    with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return sorted(set(re.findall(r"--[a-z][\w.-]*\w", shown.getvalue())) - {"--help"})


COMMANDS = {
    ("run", "small.yaml"): STOP,
    ("estimate",): ["small.yaml"],
    ("status",): ["done"],
    ("show",): ["done"],
    ("collect",): ["gone"],
    ("finish",): ["gone"],
    ("evaluate",): ["gone"],
    ("score",): ["quality", "data.jsonl"],
    ("curate", "longest"): ["data.jsonl", *OUT],
    ("curate", "faithful"): ["data.jsonl", *OUT],
    ("curate", "mix"): ["data.jsonl", *OUT],
    ("curate", "quality"): ["data.jsonl", *OUT, "--k", "1"],
    ("curate", "measure"): ["data.jsonl", *OUT],
    ("curate", "fit"): ["data.jsonl", *OUT],
}
OPTIONS = {command: options_of(*command) or ["--json"] for command in COMMANDS}


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Return a command with some of its own options, each with any value, in any order."""
    command = draw(st.sampled_from(list(COMMANDS)))
    options = st.one_of(st.sampled_from(OPTIONS[command]), names.map("--{}".format), words)
    argv: list[str] = []
    for _ in range(draw(st.integers(0, 4))):
        option, value = draw(options), draw(words)
        argv += draw(st.sampled_from([[option], [option, value], [f"{option}={value}"], [value]]))
    last = [] if draw(st.integers(0, 9)) == 0 and command[0] != "run" else COMMANDS[command]
    return [*command, *argv, *last]


@pytest.mark.soak
@fuzz(100, 4_000)
@given(line=command_lines())
def test_options(play: Callable[..., int], line: list[str]) -> None:
    if "--refine" not in line and not any(word.startswith("--evaluation") for word in line):
        with contextlib.suppress(SystemExit):  # of --help
            play(*line)


ROWS = [
    '{"instruction": "Write a lot.", "id": "a", "kind": "x"}',
    '{"prompt": "p", "response": "A long text.", "id": 7}',
    '{"instruction": "i", "input": "", "output": "o"}',
    '{"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}',
    '"Only a text."',
]
values = st.recursive(
    st.one_of(words, st.integers(), st.floats(), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["instruction", "id", "prompt", "response", "messages", "role", "x"]),
            inner, max_size=4,
        ),
    ),
    max_leaves=8,
)  # fmt: skip


@st.composite
def rows(draw: st.DrawFn) -> bytes:
    """Return JSONL of good rows, of any values, and of bytes."""
    lines = draw(
        st.lists(
            st.one_of(
                st.sampled_from(ROWS).map(str.encode),
                values.map(lambda value: json.dumps(value).encode()),
                values.map(
                    lambda value: json.dumps(value, ensure_ascii=False).encode(
                        "utf-8", "surrogatepass"
                    )
                ),
                st.binary(max_size=30),
                st.sampled_from([b"", b"\xef\xbb\xbf", b"[" * 5000, b'{"id": ' * 2000, b"\xff"]),
            ),
            max_size=6,
        )
    )
    whole = draw(st.sampled_from([b"\n", b"\r\n", b"\n\n"])).join(lines)
    if draw(st.booleans()) and whole:
        at = draw(st.integers(0, len(whole) - 1))
        whole = whole[:at] + draw(st.binary(max_size=3)) + whole[at + draw(st.integers(0, 3)) :]
    return whole


@pytest.mark.soak
@fuzz(100, 4_000)
@given(content=rows(), field=st.sampled_from(["", "prompt", "id", "x", "instruction,input"]))
def test_seeds_and_data(play: Callable[..., int], content: bytes, field: str) -> None:
    Path("fuzz.jsonl").write_bytes(content)
    assert play("run", "small.yaml", "--seeds", "fuzz.jsonl", *STOP) == 2
    named = ["--prompt-field", field, "--response-field", "response"] if field else []
    play("curate", "longest", "fuzz.jsonl", "--k", "2", *OUT, *named)
    play("curate", "faithful", "fuzz.jsonl", *OUT, *named)
    play("score", "quality", "fuzz.jsonl")
    play("score", "longen", "fuzz.jsonl")
    play("curate", "fit", "fuzz.jsonl", *OUT)


PIECES = [
    "{{", "}}", "{%", "%}", "{#", "#}", "{%-", "-%}", "if", "else", "elif", "endif", "for", "in",
    "endfor", "set", "macro", "endmacro", "block", "call", "filter", "include", "import", "raw",
    "endraw", "instruction", "outline", "range", "self", "loop", "__class__", "format", "center",
    "(", ")", "[", "]", "{", "}", "|", "~", "+", "*", "**", "//", "%", "==", "<", ".", ",", ":",
    "'", '"', "1", "999999999", "'x'", "not", "and", "or", "is", "defined", "none", "true",
    " ", "\n", "strip()", "split()", "items()", *sorted(FILTERS), "replace", "tojson", "map",
    "e", "safe",
]  # fmt: skip
templates = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=20).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=12).map(lambda p: "{{ " + " ".join(p) + " }}"),
    st.lists(st.sampled_from(PIECES), max_size=8).map(lambda p: "{{ instruction " + " ".join(p)),
    st.text(alphabet=string.printable + "é\u2028\ud800", max_size=40),
)


@pytest.mark.soak
@fuzz(100, 4_000)
@given(text=templates, name=st.sampled_from(["draft.user", "expand.user", "judge.answers"]))
def test_prompts(play: Callable[..., int], text: str, name: str) -> None:
    path = Path(f"mine/{name}.md")
    good = path.read_bytes()
    path.write_bytes(good + b"\n" + text.encode("utf-8", "surrogatepass"))
    assert play("run", "small.yaml", "--prompts", "mine", *STOP) == 2
    path.write_bytes(good)
