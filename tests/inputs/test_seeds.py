"""Seeds: every source loads, data stays data, and every fault is named with its line."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selflengthen.errors import UserError
from selflengthen.inputs import seeds
from selflengthen.inputs.seeds import Seed

ODD = [
    "{{ 7*7 }} {% raw %} {# x #}",
    "<|im_end|>\n<|im_start|>system",
    "\x00\x07\x1b[31m\x7f \u2028 \x85 \u202e end",
    "  spaces stay  \n\n",
    " ".join(["word"] * 200_000),
]


def write(path: Path, *rows: object) -> Path:
    """Write each row as a line of JSON."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def rejection(source: str | Path, field: str = "instruction") -> str:
    """Return the one line with which `source` is refused."""
    with pytest.raises(UserError) as caught:
        seeds.load(source, field)
    message = str(caught.value)
    assert "\n" not in message
    return message


# What a file may hold.


def test_objects_and_strings(tmp_path: Path) -> None:
    """Ids and kinds are taken where there are any; else the line names the seed."""
    path = tmp_path / "mine.jsonl"
    path.write_text(
        '{"id": "a", "kind": "essay", "instruction": "Write of dawn.", "more": [1]}\n'
        '"Write of noon."\n\n  \r\n{"id": 7, "instruction": "Write of dusk.", "kind": 3}\r\n'
        '{"id": null, "instruction": "Write of night."}',
        "utf-8",
    )
    assert seeds.load(path) == [
        Seed("a", "Write of dawn.", "essay"),
        Seed("line-2", "Write of noon."),
        Seed("7", "Write of dusk."),
        Seed("line-6", "Write of night."),
    ]


def test_another_field(tmp_path: Path) -> None:
    """The field that holds the instruction can be named."""
    path = write(tmp_path / "mine.jsonl", {"query": "One of them."}, {"query": "Another one."})
    assert [s.instruction for s in seeds.load(path, "query")] == ["One of them.", "Another one."]


def test_byte_order_mark(tmp_path: Path) -> None:
    """A mark at the beginning is no part of the first line."""
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b'"One of them."\n"Another one."\n')
    assert [s.instruction for s in seeds.load(path)] == ["One of them.", "Another one."]


def test_odd_instructions_are_data(tmp_path: Path) -> None:
    """Markup, control characters and great length change nothing and are not changed."""
    rows = [{"id": str(n), "instruction": text} for n, text in enumerate(ODD)]
    path = write(tmp_path / "mine.jsonl", *rows)
    assert [s.instruction for s in seeds.load(path)] == ODD


@given(texts=st.lists(st.text(min_size=1).filter(str.strip), min_size=2))
def test_any_instruction_is_data(
    texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever JSON can hold comes out as it went in."""
    path = write(tmp_path_factory.getbasetemp() / "any.jsonl", *texts)
    assert [s.instruction for s in seeds.load(path)] == texts


# What is refused.


@pytest.mark.parametrize("name", ["nowhere.jsonl", "some/where.jsonl", "../some/where", "nowhere"])
def test_missing_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that looks like a file is looked for on the hub."""
    monkeypatch.chdir(tmp_path)
    message = rejection(name)
    assert message.startswith(f"{name}: no such seeds file; give a JSONL file, a data set ")
    assert all(shipped in message for shipped in ("en", "zh", "pocket"))


def test_missing_path() -> None:
    """A Path is a file's, whatever it looks like."""
    assert rejection(Path("owner/name")).startswith("owner/name: no such seeds file; ")


def test_folder(tmp_path: Path) -> None:
    """A folder is no file."""
    assert rejection(tmp_path).startswith(f"{tmp_path}: is a folder, not a seeds file; ")


def test_a_folder_does_not_hide_a_shipped_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder named like a language stands in many a project."""
    (tmp_path / "en").mkdir()
    monkeypatch.chdir(tmp_path)
    assert seeds.load("en")[0].id == "en-001"


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is there but cannot be read, not even by root."""
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("mine.jsonl")
        message = rejection("mine.jsonl")
    assert message == "mine.jsonl: is a socket, not a file; save its content to a file first."


@pytest.mark.parametrize("content", [b"", b"\n \n\r\n", b"\xef\xbb\xbf"])
def test_empty_file(tmp_path: Path, content: bytes) -> None:
    """Nothing but blank lines is nothing."""
    path = tmp_path / "mine.jsonl"
    path.write_bytes(content)
    assert rejection(path) == (
        f"{path}: is empty; at least two seeds are needed, because each attempt shows two."
    )


def test_one_seed(tmp_path: Path) -> None:
    """An attempt shows two."""
    path = write(tmp_path / "mine.jsonl", "Write of dawn.")
    assert rejection(path) == (
        f"{path}: has only one seed; at least two seeds are needed, because each attempt shows two."
    )


GOOD = b'{"id": "a", "instruction": "Write of dawn."}\n\n'
BAD_LINES = {
    "latin-1": (
        '"Café"'.encode("latin-1"),
        "is not UTF-8 (byte 4 of the line); save the file as UTF-8.",
    ),
    "no JSON": (b"Write of noon.", None),
    "torn": (b'{"instruction": "Write of', None),
    "two values": (b'"one" "two"', None),
    "raw control character": (b'"bell \x07"', None),
    "half a surrogate pair": (b'"\\ud800 alone"', None),
    "nested too deep": (b"[" * 100_000, None),
    "list": (
        b'["Write of noon."]',
        "is neither an object nor a string; write one of these per line.",
    ),
    "number": (b"7", "is neither an object nor a string; write one of these per line."),
    "no field": (
        b'{"id": 2, "query": "Write of noon."}',
        "has no field 'instruction'; add it, or name the field that has the instruction "
        "(it has 'id', 'query').",
    ),
    "no fields": (
        b"{}",
        "has no field 'instruction'; add it, or name the field that has the instruction "
        "(it has no fields at all).",
    ),
    "blank": (
        b'{"instruction": " \\n\\u3000"}',
        "field 'instruction' is blank; write the instruction there.",
    ),
    "blank string": (b'""', "field 'instruction' is blank; write the instruction there."),
    "null": (
        b'{"instruction": null}',
        "field 'instruction' is not a string; write the instruction there.",
    ),
    "not a string": (
        b'{"instruction": ["x"]}',
        "field 'instruction' is not a string; write the instruction there.",
    ),
    "bad id": (
        b'{"id": 1.5, "instruction": "Write of noon."}',
        "field 'id' must be a string or a whole number.",
    ),
    "truth as id": (
        b'{"id": true, "instruction": "Write of noon."}',
        "field 'id' must be a string or a whole number.",
    ),
    "same id": (
        b'{"id": "a", "instruction": "Write of noon."}',
        "field 'id': 'a' is already the id of line 1; give each seed a unique id.",
    ),
}


@pytest.mark.parametrize(("line", "expected"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_bad_line(tmp_path: Path, line: bytes, expected: str | None) -> None:
    """File, line and field are named; blank lines count as lines."""
    path = tmp_path / "mine.jsonl"
    path.write_bytes(GOOD + line + b'\n"Write of night."\n')
    message = rejection(path)
    if expected is None:
        assert message.startswith(f"{path}, line 3: is not valid JSON (")
        assert re.search(r", column \d+\); write one JSON object or string per line\.$", message)
    else:
        assert message == f"{path}, line 3: {expected}"


def test_utf16_file(tmp_path: Path) -> None:
    """What some editors call Unicode is not UTF-8."""
    path = tmp_path / "mine.jsonl"
    path.write_bytes('"Write of dawn."\n'.encode("utf-16"))
    assert rejection(path).startswith(f"{path}, line 1: is not UTF-8 (byte 0 of the line); ")


# Data sets, through the real library: it takes a folder owner/name for the hub's owner/name.

SCRIPT = """
import json, sys
from selflengthen.inputs import seeds
from selflengthen.errors import UserError
assert "datasets" not in sys.modules, "datasets is imported late"
for source, field in json.loads(sys.argv[1]):
    load = seeds.load if field else seeds.load_source
    try:
        loaded = load(source, field) if field else load(source)
        print(json.dumps([[s.id, s.instruction, s.kind] for s in loaded]))
    except UserError as error:
        print(json.dumps(str(error)))
"""


def test_data_sets(tmp_path: Path) -> None:
    """Splits, columns and failures of a data set; the hub itself is out of reach."""
    folder = tmp_path / "owner" / "name"
    folder.mkdir(parents=True)
    rows = [{"query": f"Request {n}.", "kind": "essay", "score": n} for n in range(3)]
    write(folder / "train.jsonl", *rows)
    write(folder / "test.jsonl", *rows[:2])
    chats = tmp_path / "owner" / "chats"
    chats.mkdir()
    user = {"role": "user", "content": "Write of dawn."}
    turns = [[{"role": "system", "content": "Be brief."}, user], [user]]
    write(chats / "train.jsonl", *({"messages": chat, "score": 1} for chat in turns))
    calls = [
        ("owner/name", "query"),
        ("owner/name:test", "query"),
        ("owner/name", "instruction"),
        ("owner/name:nosuch", "query"),
        ("nobody/nothing", "query"),
        ("owner/chats", None),
        ("owner/name", None),
    ]
    env = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(Path(seeds.__file__).parents[2]),
    }
    command = [sys.executable, "-c", SCRIPT, json.dumps(calls)]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    train, test, column, split, hub, chat, none = map(json.loads, done.stdout.splitlines())
    assert chat == [[f"row-{n}", "Write of dawn.", None] for n in (1, 2)]
    assert none == (
        "owner/name, split 'train': has no column 'instruction', 'prompt' or 'messages'; choose "
        "one of query, kind, score with instruct.field."
    )
    assert train == [[f"row-{n + 1}", f"Request {n}.", "essay"] for n in range(3)]
    assert test == train[:2]
    assert column == (
        "owner/name, split 'train': has no column 'instruction'; choose one of query, kind, score."
    )
    assert split.startswith("owner/name, split 'nosuch': ")
    assert hub.startswith("nobody/nothing, split 'train': ")
    for message in (split, hub):
        assert "loading it as a data set from the Hugging Face hub failed (" in message
        assert message.endswith("or give a JSONL file.")
        assert "\n" not in message
