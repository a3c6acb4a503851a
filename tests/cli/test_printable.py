"""What others wrote is shown and gives a terminal no orders, wherever it stands."""

from __future__ import annotations

import io
import json
import os
import unicodedata
from pathlib import Path

import pytest

from selflengthen.cli import main
from selflengthen.cli.output.streams import for_people
from selflengthen.cli.output.tables import print_table
from selflengthen.text.printable import encodable, one_line, visible
from tests.cli.conftest import reseal

BAD = "\x1b]52;c;cm0=\x07\x1b[2J\x9b31m\x85\x7f\r\u202e\u2066\u2028x"
DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def orders(text: str) -> set[str]:
    """Return the characters that a terminal could take for orders, by Unicode's own tables."""
    return {
        c
        for c in text
        if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(c) in DIRECTIONS
    } - {"\n", "\t"}


def play(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """Run a command; return what it printed, after looking at every character of it."""
    capfd.readouterr()
    main(words)
    out, err = capfd.readouterr()
    assert not orders(out) and not orders(err), (words, out, err)
    assert out or err
    assert "Traceback" not in err
    return out, err


COMMANDS = {
    "command": [BAD],
    "option": ["run", f"--{BAD}"],
    "value of an option": ["run", "small.yaml", "--iterations", BAD],
    "text of an option": ["run", "small.yaml", "--language", BAD],
    "model": ["run", "small.yaml", "--model", BAD],
    "seeds": ["run", "small.yaml", "--seeds", BAD],
    "prompts": ["run", "small.yaml", "--prompts", BAD],
    "held out": ["run", "small.yaml", "--held_out.source", BAD],
    "address": ["run", "small.yaml", "--engine.url", BAD],
    "redo": ["run", "small.yaml", "--redo", BAD],
    "configuration": ["run", f"{BAD}.yaml"],
    "one word too many": ["run", "small.yaml", BAD],
    "status": ["status", BAD],
    "show": ["show", BAD],
    "show, id": ["show", "small", "--id", BAD],
    "show, stage": ["show", "small", "--stage", BAD],
    "estimate": ["estimate", BAD],
    "score": ["score", BAD, BAD],
    "score, file": ["score", "longen", BAD],
    "evaluate": ["evaluate", BAD, "--benchmark", "pocket"],
    "evaluate, benchmark": ["evaluate", "runs/small", "--benchmark", BAD],
    "collect": ["collect", BAD],
    "finish": ["finish", BAD],
    "curate": ["curate", BAD],
    "curate, data": ["curate", "longest", BAD, "--k", "1", "--out", "out.jsonl"],
    "curate, out": ["curate", "longest", "rows.jsonl", "--k", "1", "--out", BAD],
    "curate, field": ["curate", "longest", "rows.jsonl", "--prompt-field", BAD, "--out", "o.jsonl"],
    "pocket": ["pocket", BAD],
}


@pytest.mark.parametrize("place", COMMANDS)
def test_what_stands_on_the_command_line(
    work: Path, place: str, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("rows.jsonl").write_text(json.dumps({"prompt": "a", "response": "b"}) + "\n")
    play(capfd, *COMMANDS[place])


ESCAPED = json.dumps(BAD)
YAML = {
    "key": f"{ESCAPED}: 1",
    "key of a section": f"train:\n  {ESCAPED}: 1",
    "value": f"iterations: {ESCAPED}",
    "list": f"sampling:\n  temperature: [{ESCAPED}]",
    "step": f"curate:\n  - {{{ESCAPED}: 1}}",
    "method": f"curate:\n  - {{method: {ESCAPED}}}",
    "address": f"engine:\n  url: {ESCAPED}",
    "tag": "model: !<tag:\u202ex> y",
    "anchor": "model: *\u202e",
}


@pytest.mark.parametrize("place", YAML)
def test_what_stands_in_a_configuration(
    work: Path, place: str, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = [s for s in Path("small.yaml").read_text().split("\n") if "iterations" not in s]
    kept = [s for s in kept if place not in ("tag", "anchor") or not s.startswith("model")]
    text = "\n".join(kept)
    for section in ("sampling", "train", "engine"):
        if f"{section}:" in YAML[place]:
            before, _, after = text.partition(f"{section}:\n")
            text = before + after[after.index("\n") + 1 :] if section != "engine" else before
    Path("bad.yaml").write_text(f"{text}\n{YAML[place]}\n")
    for command in ("run", "estimate"):
        out, err = play(capfd, command, "bad.yaml")
        assert not out and err.count("\n") == 1, err


def test_what_a_run_holds(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its folder's name, its model's, texts, ids, reasons: all as bad as can be."""
    run = Path("runs") / BAD
    Path("tiny").rename(BAD)
    assert main(["run", "small.yaml", "--model", BAD, "--run-dir", str(run)]) == 0
    for path in run.rglob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
        for line in lines:
            line |= {name: f"{line[name]}{BAD}" for name in ("text", "reason") if name in line}
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    reseal(run)
    name = str(run)
    play(capfd, "status", name)
    out, _ = play(capfd, "status", name, "--json")
    assert json.loads(out)["run"] == name
    for stage in ("instruct", "draft", "expand", "held-out"):
        play(capfd, "show", name, "--round", "1", "--stage", stage)
    out, err = play(capfd, "show", name, "--round", "1", "--stage", "draft", "--json")
    assert not err, err
    listed = json.loads(out)
    assert all(text["text"].endswith(BAD) for text in listed)
    play(capfd, "show", name, "--id", listed[0]["id"])
    rejected = (run / "rounds/01/2-draft/rejected.jsonl").read_text("utf-8").split("\n")[0]
    play(capfd, "show", name, "--id", json.loads(rejected)["id"])
    play(capfd, "run", "small.yaml", "--model", BAD, "--run-dir", name)
    play(capfd, "collect", name)


def test_rows_and_responses(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    row = {f"prompt{BAD}": f"a {BAD}", "response": f"b {BAD}"}
    rows = Path(f"{BAD}.jsonl")
    rows.write_text(json.dumps(row) + "\n")
    field = ["--prompt-field", f"prompt{BAD}", "--response-field", "response"]
    curate = ["curate", "longest", str(rows), "--k", "1", *field]
    play(capfd, *curate, "--out", f"out{BAD}.jsonl")
    out, _ = play(capfd, *curate, "--out", f"more{BAD}.jsonl", "--json")
    assert json.loads(out)["data"] == str(rows)
    play(capfd, "score", "quality", str(rows))
    rows.write_text(f'{{"{BAD}": nonsense}}\n')
    play(capfd, "score", "quality", str(rows))
    play(capfd, *curate, "--out", "third.jsonl")


def test_names_of_bytes_that_are_not_utf_8(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows, out = os.fsdecode(b"r\xff.jsonl"), os.fsdecode(b"\xe5.jsonl")
    Path(rows).write_text(json.dumps({"prompt": "Write.", "response": "A text."}) + "\n")
    assert "1 of 1 rows" in play(capfd, "curate", "longest", rows, "--k", "1", "--out", out)[0]
    report = json.loads(Path(os.fsdecode(b"\xe5.report.json")).read_bytes())
    assert (report["data"], report["out"]) == (rows, out)
    for option, value in {"--model": "tiny\udcff", "--run-dir": "run\udcff"}.items():
        _, err = play(capfd, "run", "small.yaml", option, value)
        assert "contains bytes that are not utf-8, the locale's encoding" in err, err
    assert not Path("runs").exists()


def test_a_wide_table_is_printed_whole(capfd: pytest.CaptureFixture[str]) -> None:
    figures = [f"{column:,}.5" for column in range(123_000, 123_020)]
    print_table([["model", *figures], ["a model with a long name", *figures]])
    lines = capfd.readouterr().out.splitlines()
    assert lines[1].split() == ["a", "model", "with", "a", "long", "name", *figures]
    assert len(lines) == 2


def test_json_stays_the_same_json() -> None:
    text = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x3000 + 0xE000), 0x1F600, 0xE0041]))
    for shown in (json.dumps(text, ensure_ascii=False), json.dumps(text)):
        assert json.loads(visible(shown)) == text
        for encoding in ("ascii", "latin-1", "utf-8", "cp1252"):
            carried = encodable(visible(shown), encoding).encode(encoding).decode(encoding)
            assert json.loads(carried) == text


def test_a_long_text_of_which_every_other_character_is_unknown() -> None:
    assert encodable("é " * 50_000, "ascii") == "\\u00e9 " * 50_000


def test_one_line_is_one_and_not_long() -> None:
    assert one_line(f" a \n\n b\t{BAD}c ") == (
        "a b ␛]52;c;cm0=␇␛[2J\\u009b31m \\u007f \\u202e\\u2066 xc"
    )
    assert len(one_line("word " * 10_000)) <= 300
    assert not orders(one_line(BAD * 100))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_the_bars_of_a_download() -> None:
    from tqdm import tqdm  # type: ignore[import-untyped]

    for out, moves in ((Terminal(), True), (io.StringIO(), False)):
        stream = for_people(out)
        outer = tqdm(total=2, file=stream, ncols=60, desc="two files", position=0)
        inner = tqdm(total=5, file=stream, ncols=60, desc=f"one{BAD}", position=1)
        inner.update(5)
        inner.close()
        outer.close()
        shown = out.getvalue()
        assert "two files:" in shown
        assert ("\r" in shown, "\x1b[A" in shown) == (moves, moves)
        assert not orders(shown.replace("\r", "").replace("\x1b[A", ""))


def test_lines_that_are_written_at_once_give_no_orders() -> None:
    for out in (io.StringIO(), Terminal()):
        for_people(out).writelines([BAD, f"a\r{BAD}", "\x1b[A\x1b[2J"])
        assert not orders(out.getvalue())
