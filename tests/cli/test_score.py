"""`score`: JSON, tables, and errors for bad files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selflengthen.cli import main
from tests.cli.test_bad_input import refused
from tests.evaluate.data import HERE

BENCHMARKS = {"longen": "overall", "longbench-write": "s_l", "lifebench": "ls"}
GOOD = b'{"prompt": "Write 9 words.", "type": "News", "length": 9, "response": "one two"}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with responses to each benchmark's instructions, and to work in."""
    monkeypatch.chdir(tmp_path)
    for name in BENCHMARKS:
        rows = [json.loads(line) for line in (HERE / f"{name}.jsonl").read_text().splitlines()]
        answers = [row | {"response": "sea " * 3000, "finish_reason": "stop"} for row in rows]
        lines = "".join(json.dumps(answer) + "\n" for answer in answers)
        Path(f"{name}.jsonl").write_text(lines)
    return tmp_path


@pytest.mark.parametrize("name", BENCHMARKS)
def test_json_and_table(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["score", name, f"{name}.jsonl", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["benchmark"] == name
    assert figures["words"]["mean"] == 3000
    assert figures["counter"]
    assert figures[BENCHMARKS[name]] > 0
    assert main(["score", name, f"{name}.jsonl"]) == 0
    table = capsys.readouterr().out
    assert f"{figures['responses']} responses" in table
    digits = 3 if name == "longen" else 1
    row = next(line for line in table.splitlines() if line.startswith("all "))
    assert f"{figures[BENCHMARKS[name]]:.{digits}f}" in row.split()
    for group in (key for key in figures if key.startswith("by_")):
        assert all(
            any(line.startswith(name) for line in table.splitlines()) for name in figures[group]
        )


def test_quality(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "quality", "longen.jsonl", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["ends"], figures["truncated"], figures["repeats"]) == (1, 1, 1)
    assert len(figures["by_decile"]) == 10
    assert main(["score", "quality", "longen.jsonl"]) == 0
    assert "decile 10" in capsys.readouterr().out


def test_answers_that_lifebench_leaves_out_are_mentioned(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("lifebench.jsonl", "a") as file:
        file.write('{"prompt": "Use at most 50 words.", "response": "Sure."}\n')
    assert main(["score", "lifebench", "lifebench.jsonl"]) == 0
    assert "25 responses, 0 empty, 1 left out," in capsys.readouterr().out


def test_nothing_in_a_file_gives_orders_to_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = json.loads(GOOD) | {"type": "[bold]\x1b[2J\u202e"}
    Path("nasty.jsonl").write_text(json.dumps(row))
    assert main(["score", "longbench-write", "nasty.jsonl"]) == 0
    output = capsys.readouterr().out
    assert "[bold]" in output and not {"\x1b", "\u202e"} & set(output)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("longbench-write", b"", ["bad.jsonl: is empty"]),
        ("longbench-write", b"\n \n", ["bad.jsonl: is empty"]),
        ("longbench-write", GOOD + b'{"response": ', ["line 2: is not valid JSON", "column"]),
        ("longbench-write", GOOD + b'{"response": "\xff"}', ["line 2: is not valid JSON"]),
        ("longbench-write", GOOD + b'{"length": NaN}', ["line 2: is not valid JSON"]),
        ("longbench-write", GOOD + b"[1]", ["line 2: is a list; write one object per line"]),
        (
            "longbench-write",
            b'{"prompt": "x", "length": 9}',
            ["line 1: has no field 'response'", "'prompt', 'length'"],
        ),
        (
            "longbench-write",
            GOOD + b'{"length": 9, "response": ["one"]}',
            ["line 2: field 'response' is a list; it must be a text"],
        ),
        ("longbench-write", GOOD + b'{"length": 9, "response": null}', ["'response' is null"]),
        (
            "longbench-write",
            GOOD + b'{"length": "9", "response": ""}',
            ["line 2: field 'length' is a text; it must be a number above 0"],
        ),
        ("longbench-write", b'{"length": 0, "response": ""}', ["line 1: field 'length' is 0"]),
        ("longbench-write", b'{"length": true, "response": ""}', ["'length' is true or false"]),
        ("longbench-write", b'{"length": 9, "type": 5, "response": ""}', ["'type' is a number"]),
        ("longbench-write", b'{"response": ""}', ["line 1: has no field 'prompt'"]),
        (
            "longbench-write",
            b'{"prompt": "A poem.", "response": ""}',
            ["line 1: field 'prompt' asks for no length"],
        ),
        ("longen", b'{"response": ""}', ["line 1: has no field 'query'", "'response'"]),
        ("longen", b'{"constraint": "long", "response": ""}', ["'constraint' asks for no length"]),
        (
            "longen",
            b'{"constraint": "9 words", "type": "long", "response": ""}',
            ["line 1: field 'type' is 'long'; it must be one of about, range, above, below"],
        ),
        (
            "longen",
            b'{"constraint": "900 words", "type": "range", "response": ""}',
            ["line 1: field 'type' is 'range', but the row asks for a length of '900 words'"],
        ),
        ("lifebench", b'{"length_constraint": 9, "response": ""}', ["no field 'control_method'"]),
        (
            "lifebench",
            b'{"length_constraint": 9, "control_method": "over", "response": ""}',
            ["field 'control_method' is 'over'", "equal to, at most, at least"],
        ),
        ("lifebench", b'{"prompt": "5-9 words", "response": ""}', ["asks for a range"]),
        ("quality", b'{"text": "x"}', ["line 1: has no field 'response'"]),
        ("quality", b'{"response": "x", "finish_reason": 3}', ["'finish_reason' is a number"]),
    ],
)
def test_bad_files(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes,
    says: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.jsonl").write_bytes(content)
    output = refused(tmp_path, capsys, "score", name, "bad.jsonl")
    assert output.startswith("selflengthen: bad.jsonl")
    for part in says:
        assert part in output


def test_bad_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "gone.jsonl: cannot be read" in refused(
        tmp_path, capsys, "score", "longen", "gone.jsonl"
    )
    assert "cannot be read" in refused(tmp_path, capsys, "score", "longen", str(tmp_path))
    assert "longbench-write" in refused(tmp_path, capsys, "score", "longbench", "x")
    assert "FILE" in refused(tmp_path, capsys, "score", "longen")
