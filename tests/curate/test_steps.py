"""Quality by a rule, lists of steps, and what bad input gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from selflengthen.curate import steps
from selflengthen.curate.io.load import open_rows
from tests.curate.conftest import lines, read, row

Command = Callable[..., str]
RULE = "intercept: 1\nweights: {output_length: -0.5, mtld: 0.25}\n"


def test_quality_keeps_the_lowest_predicted_loss(work: Path, curate: Command) -> None:
    Path("rule.yaml").write_text(RULE)
    curate("quality", "six.jsonl", "--rule", "rule.yaml", "--k", "2", "--out", "out.jsonl")
    # All words differ, so that MTLD is the number of words, and the loss 1 - words / 4.
    assert [r["id"] for r in read("out.jsonl")] == ["r3", "r4"]
    dropped = read("out.dropped.jsonl")
    assert [(r["row"], r["predicted"]) for r in dropped] == [
        (0, 0.75),
        (1, 0.25),
        (2, 0.5),
        (5, 0.5),
    ]
    (step,) = json.loads(Path("out.report.json").read_text())["steps"]
    assert step["mean_kept"] == {"output_length": 4.5, "mtld": 4.5, "predicted": -0.125}


def test_ties_go_by_order(work: Path, curate: Command) -> None:
    Path("rule.yaml").write_text("intercept: 0\nweights: {input_length: 1}\n")
    curate("quality", "six.jsonl", "--rule", "rule.yaml", "--k", "2", "--out", "out.jsonl")
    assert [r["id"] for r in read("out.jsonl")] == ["r0", "r1"]


def test_measure(work: Path, curate: Command) -> None:
    output = curate("measure", "six.jsonl", "--indicators", "mtld,input_length", "--out", "t.jsonl")
    assert "6 rows in t.jsonl" in output
    assert read("t.jsonl")[1] == {"row": 1, "id": "r1", "mtld": 3.0, "input_length": 2.0}


STEPS = """\
- longest: {k: 4}
- quality:
    k: 3
    rule: rule.yaml
- mix: {general: general.jsonl, ratio: "1:3", seed: 5}
"""


def test_steps_take_what_the_one_before_kept(work: Path, curate: Command) -> None:
    Path("steps.yaml").write_text(STEPS)
    Path("rule.yaml").write_text("intercept: 0\nweights: {output_length: 1}\n")
    Path("general.jsonl").write_text(lines([row(9, "general")]))
    output = curate("steps.yaml", "six.jsonl", "--out", "out.jsonl")
    assert {r["id"] for r in read("out.jsonl")} == {"r1", "r2", "r4", "r9"}
    assert [(r["step"], r["method"], r["id"]) for r in read("out.dropped.jsonl")] == [
        (1, "longest", "r0"),
        (1, "longest", "r5"),
        (2, "quality", "r3"),
    ]
    table = [line.split()[:3] for line in output.splitlines() if line[0] in "lqm"]
    assert table == [["longest", "6", "4"], ["quality", "4", "3"], ["mix", "3", "4"]]
    report = json.loads(Path("out.report.json").read_text())
    assert report["steps"][2]["options"] == {"general": "general.jsonl", "ratio": "1:3", "seed": 5}


def test_dropped_after_a_mix(work: Path) -> None:
    """A row of the general set is told from one of the first with the same number."""
    Path("general.jsonl").write_text(lines([row(9, "g")]))
    Path("s.yaml").write_text("- mix: {general: general.jsonl}\n- longest: {k: 5}\n")
    listed = steps.read(Path("s.yaml"))
    played = steps.play(open_rows("six.jsonl"), listed, steps.StepContext())
    from selflengthen.curate.io.write import write_dropped

    write_dropped(played, Path("out.jsonl"))
    assert [(r["row"], r.get("of"), r["id"]) for r in read("out.dropped.jsonl")] == [
        (0, None, "r0"),
        (0, "general.jsonl", "r9"),
    ]


def test_a_missing_model_is_told_before_the_first_step(work: Path, refused: Command) -> None:
    Path("six.jsonl").write_text("not read")
    Path("s.yaml").write_text("- longest: {k: 3}\n- quality: {k: 2}\n")
    Path("one.jsonl").write_text(lines([row(0, "a")]))
    error = refused("s.yaml", "one.jsonl", "--out", "out.jsonl")
    assert "reward: needs a model; name one with --reward" in error


WORDS = ("--k", "2", "--out", "out.jsonl")
BAD = {
    "no such set": ("gone.jsonl", None, "gone.jsonl: no such data set"),
    "empty": ("a.jsonl", "", "a.jsonl: is empty"),
    "blank": ("a.jsonl", "\n \n", "a.jsonl: is empty"),
    "no response": (
        "a.jsonl",
        '{"prompt": "p", "text": "t"}',
        "a.jsonl: has no response (none of response, completion, output, messages); it has"
        " 'prompt', 'text'; name the field with --response-field",
    ),
    "no prompt": ("a.jsonl", '{"response": "r"}', "a.jsonl: has no prompt for its response"),
    "several": (
        "a.jsonl",
        '{"prompt": "p", "response": "r", "messages": []}',
        "could be prompt and response or messages; choose with --prompt-field",
    ),
    "no JSON": ("a.jsonl", 'X\n{"prompt": 1}', "a.jsonl, line 1: is not valid JSON"),
    "torn": (
        "a.jsonl",
        '{"prompt": "p", "response": "r"}\n{"prompt": "p", "resp',
        "a.jsonl, line 2: is not valid JSON (",
    ),
    "a list": (
        "a.jsonl",
        '[\n{"prompt": "p"}]',
        "one JSON list; write one row per line: jq -c '.[]'",
    ),
    "no object": ("a.jsonl", "3", "a.jsonl: its first row is a number"),
    "no object later": (
        "a.jsonl",
        '{"prompt": "p", "response": "r"}\n"text"',
        "line 2: is a text, not an object",
    ),
    "a number": (
        "a.jsonl",
        '{"prompt": "p", "response": "r"}\n\n{"prompt": "p", "response": 3.5}',
        "a.jsonl, line 3: field 'response' is a number, not a text",
    ),
    "null": (
        "a.jsonl",
        '{"prompt": "p", "response": "r"}\n{"prompt": null, "response": "r"}',
        "a.jsonl, line 2: field 'prompt' is null, not a text",
    ),
    "missing later": (
        "a.jsonl",
        '{"prompt": "p", "response": "r"}\n{"prompt": "p"}',
        "a.jsonl, line 2: has no field 'response'; it has 'prompt'",
    ),
    "user last": (
        "a.jsonl",
        '{"messages": [{"role": "user", "content": "c"}]}',
        "a.jsonl, line 1: field 'messages': its last turn is not the assistant's",
    ),
    "odd turn": (
        "a.jsonl",
        '{"messages": [{"from": "human", "value": "c"}]}',
        "line 1: field 'messages': turn 1 lacks a `role` or `content` text",
    ),
    "Latin-1": ("a.jsonl", b'{"prompt": "p", "response": "\xff"}', "line 1: is not UTF-8"),
    "k too large": (
        "a.jsonl",
        '{"prompt": "p", "response": "r"}',
        "k is 2, but a.jsonl has 1 row; ask for at most 1.",
    ),
    "duplicates": (
        "a.jsonl",
        '{"prompt": "p", "response": "r"}\n' * 3,
        "k is 2, but a.jsonl has 3 rows and 1 without exact duplicates; ask for at most 1.",
    ),
    "no Parquet": ("a.parquet", "text", "a.parquet: is not a Parquet file"),
    "a plain folder": ("cache", None, "cache: was not written by save_to_disk"),
}


@pytest.mark.parametrize(("name", "content", "says"), BAD.values(), ids=BAD)
def test_bad_sets(
    work: Path, refused: Command, name: str, content: str | bytes | None, says: str
) -> None:
    Path("cache").mkdir()
    if content is not None:
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert says in refused("longest", name, *WORDS)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "a.parquet: is empty"),
        ([{"prompt": "p", "response": 3}], "a.parquet, row 0: field 'response' is a number"),
        (
            [{"prompt": "p", "response": "r"}, {"prompt": "p", "response": None}],
            "a.parquet, row 1: field 'response' is null, not a text",
        ),
    ],
)
def test_bad_tables(work: Path, refused: Command, rows: list[dict[str, object]], says: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows or [{"prompt": "p"}]).slice(0, len(rows)), "a.parquet")
    assert says in refused("longest", "a.parquet", *WORDS)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["longset", "six.jsonl"], "no method 'longset'; did you mean longest?"),
        (["longest", "six.jsonl", "--out", "o.jsonl"], "arguments are required: --k; see curate"),
        (["longest", "six.jsonl", "--k", "0", "--out", "o.jsonl"], "--k: expected `int` >= 1"),
        (["longest", "six.jsonl", "--k", "x", "--out", "o.jsonl"], "--k: expected `int`"),
        (["longest", "six.jsonl", "--k", "7", "--out", "o.jsonl"], "k is 7, but six.jsonl has 6"),
        (["longest", "six.jsonl", "--k", "1", "--out", "six.jsonl"], "six.jsonl already exists"),
        (["longest", "six.jsonl", "--k", "1", "--out", "no/o.jsonl"], "no: no such folder"),
        (["longest", "six.jsonl", "--k", "1", "--out", "o.txt"], "--out must end in .jsonl or"),
        (
            ["longest", "six.jsonl", "--k", "1", "--out", "o.jsonl", "--response-field", "text"],
            "six.jsonl: has no field 'text' (--response-field); it has 'id', 'prompt'",
        ),
        (
            ["longest", "six.jsonl", "--k", "1", "--out", "o.jsonl", "--messages-field", "text"],
            "six.jsonl: has no field 'text' (--messages-field)",
        ),
        (
            ["quality", "six.jsonl", "--k", "7", "--rule", "rule.yaml", "--out", "o.jsonl"],
            "quality: k is 7, but six.jsonl has 6 rows",
        ),
        (
            ["quality", "six.jsonl", "--k", "1", "--rule", "gone.yaml", "--out", "o.jsonl"],
            "; give a YAML file or one of published",
        ),
        (["quality", "six.jsonl", "--k", "1", "--out", "o.jsonl"], "reward: needs a model"),
        (
            ["quality", "six.jsonl", "--k", "1", "--reward", "m", "--out", "o.jsonl"],
            "understandability: needs a model; name one with --unieval",
        ),
        (
            ["measure", "six.jsonl", "--indicators", "mtld,ppl", "--out", "o.jsonl"],
            "ppl: no such indicator; there are input_length",
        ),
        (
            ["measure", "six.jsonl", "--indicators", "knn_3", "--out", "o.jsonl"],
            "knn_3: needs a model; name one with --embedder",
        ),
        (
            [
                "measure",
                "six.jsonl",
                "--indicators",
                "knn_6",
                "--embedder",
                "m",
                "--out",
                "o.jsonl",
            ],
            "knn_6: six.jsonl has 6 rows, too few for 6 neighbours",
        ),
        (
            ["mix", "six.jsonl", "--general", "nan.jsonl", "--ratio", "1:2", "--out", "o.jsonl"],
            "mix: 6 rows need 3 general ones, but nan.jsonl has 2",
        ),
        (
            ["mix", "six.jsonl", "--general", "nan.jsonl", "--ratio", "0.05", "--out", "o.jsonl"],
            "--ratio: expected `str` matching regex",
        ),
        (["mix", "six.jsonl", "--general", "gone", "--out", "o.jsonl"], "gone: no such data set"),
        (["fit", "gone.jsonl", "--out", "r.yaml"], "gone.jsonl: cannot be read"),
    ],
)
def test_bad_commands(work: Path, refused: Command, words: list[str], says: str) -> None:
    Path("rule.yaml").write_text("intercept: 0\nweights: {mtld: 1}\n")
    Path("nan.jsonl").write_text(lines([row(0, "a"), row(1, "")]))
    assert says in refused(*words)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("longest: {k: 3}", "s.yaml: is not a list of steps"),
        ("[", "s.yaml, line 1: is not valid YAML"),
        ("- longest", "s.yaml, step 1: is not of the form `METHOD: {OPTION: VALUE}`"),
        ("- longest: {k: 3}\n- best: {k: 1}", "s.yaml, step 2: no method 'best'"),
        ("- longest: 3", "s.yaml, step 1: write the options of longest as"),
        ("- longest: {k: three}", "s.yaml, step 1: longest: k: expected `int`, got `str`"),
        ("- longest: {}", "s.yaml, step 1: longest: lacks the required field `k`"),
        ("- longest: {k: 1, n: 2}", "s.yaml, step 1: longest: has an unknown field `n`"),
    ],
)
def test_bad_lists(work: Path, refused: Command, text: str, says: str) -> None:
    Path("s.yaml").write_text(text)
    assert says in refused("s.yaml", "six.jsonl", "--out", "o.jsonl")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("weights: {mtld: 1}", "is not a rule (Object missing required field `intercept`)"),
        ("intercept: 0\nweights: {mtld: x}", "is not a rule (Expected `float`"),
        ("intercept: 0\nweights: {}", "has no weights"),
        ("intercept: 0\nweights: {ppl: 1}", "ppl: no such indicator"),
        ("- 1", "is not a rule"),
    ],
)
def test_bad_rules(work: Path, refused: Command, text: str, says: str) -> None:
    Path("r.yaml").write_text(text)
    words = ("quality", "six.jsonl", "--k", "1", "--rule", "r.yaml", "--out", "o.jsonl")
    assert says in refused(*words)


def test_help(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from selflengthen.cli import main

    assert main(["curate", "--help"]) == 0
    assert all(name in capsys.readouterr().out for name in ["longest"])
    for name in steps.METHODS:
        with pytest.raises(SystemExit):
            main(["curate", name, "--help"])
        assert "--out FILE" in capsys.readouterr().out
