"""The longest responses: which, what is written of them, and from what kind of set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selflengthen.curate.io.load import open_rows
from selflengthen.curate.methods.longest import longest
from selflengthen.text.measures import word_count
from tests.curate.conftest import RESPONSES, lines, read, row

Command = Callable[..., str]


def test_the_longest_are_kept_untouched(work: Path, curate: Command) -> None:
    output = curate("longest", "six.jsonl", "--k", "3", "--out", "out.jsonl")
    raw = Path("six.jsonl").read_bytes().splitlines(keepends=True)
    assert Path("out.jsonl").read_bytes() == raw[1] + raw[3] + raw[4]
    assert "3 of 6 rows in out.jsonl" in output
    assert "short 3" in output


def test_what_is_dropped_is_told_with_its_reason(work: Path, curate: Command) -> None:
    twice = [*RESPONSES, RESPONSES[4]]
    Path("seven.jsonl").write_text(
        lines(row(n if n < 6 else 4, text) for n, text in enumerate(twice))
    )
    curate("longest", "seven.jsonl", "--k", "5", "--out", "out.jsonl")
    assert read("out.dropped.jsonl") == [
        {
            "row": 6,
            "id": "r4",
            "step": 1,
            "method": "longest",
            "reason": "duplicate",
            "duplicate_of": 4,
        },
        {"row": 0, "id": "r0", "step": 1, "method": "longest", "reason": "short", "words": 1},
    ]
    report = json.loads(Path("out.report.json").read_text())
    assert report["rows"] == 7 and report["kept"] == 5
    assert report["fields"] == {"prompt": "prompt", "response": "response"}
    (step,) = report["steps"]
    assert step["dropped"] == {"duplicate": 1, "short": 1}
    assert step["least_words_kept"] == 2


def test_the_same_response_to_another_prompt_is_no_duplicate(work: Path, curate: Command) -> None:
    Path("two.jsonl").write_text(lines([row(1, "same text"), row(2, "same text")]))
    curate("longest", "two.jsonl", "--k", "2", "--out", "out.jsonl")
    assert Path("out.jsonl").read_bytes() == Path("two.jsonl").read_bytes()


def test_json_for_programs(work: Path, curate: Command) -> None:
    output = curate("longest", "six.jsonl", "--k", "1", "--out", "out.jsonl", "--json")
    assert json.loads(output) == json.loads(Path("out.report.json").read_text())


def test_tokens_of_a_tokenizer(work: Path, curate: Command, pocket_model: Path) -> None:
    from transformers import AutoTokenizer

    words = ("--k", "1", "--tokenizer", str(pocket_model), "--out", "out.jsonl")
    Path("three.jsonl").write_text(
        lines([row(0, "a b c d e f"), row(1, "xylophonequartz" * 9), row(2, "a")])
    )
    curate("longest", "three.jsonl", *words)
    assert [r["id"] for r in read("out.jsonl")] == ["r1"]
    counts = AutoTokenizer.from_pretrained(pocket_model, trust_remote_code=False)(
        ["a b c d e f", "a"]
    )["input_ids"]
    assert [r["tokens"] for r in read("out.dropped.jsonl")] == [len(ids) for ids in counts]


@given(
    texts=st.lists(st.sampled_from(["a", "a b", "b a", "a b c", "a\u2028b", "", "天地", "天 é"])),
    k=st.integers(1, 9),
)
def test_as_if_sorted_in_plain_python(texts: list[str], k: int) -> None:
    unique = list(dict.fromkeys(texts))
    if not 0 < k <= len(unique):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "set.jsonl")
        path.write_text(lines({"prompt": "same", "response": text} for text in texts))
        rows = longest(open_rows(str(path)), k).rows
        best = sorted(unique, key=lambda text: -word_count(text))[:k]
        assert [r.response for r in rows] == [text for text in unique if text in best]


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n  \n"])
def test_lines_are_copied_byte_by_byte(work: Path, curate: Command, end: str) -> None:
    """A BOM, blank lines, carriage returns, a last line without an end, odd spacing."""
    first = '{"response":"b  \\u00e9 \\ud83d\\ude00 c",   "prompt" : "a","n":1.50e1}\r\n'
    last = '{"prompt": "c", "response": "d", "response2": NOT'.replace("NOT", "0}")
    Path("odd.jsonl").write_bytes(b"\xef\xbb\xbf" + f"{first}\n \n{last}{end}".encode())
    curate("longest", "odd.jsonl", "--k", "2", "--out", "out.jsonl")
    stop = "\r\n" if end == "\r\n" else "\n"
    assert Path("out.jsonl").read_bytes() == f"{first}{last}{stop}".encode()


def test_words_as_nltk_counts_them(work: Path, curate: Command) -> None:
    """Sentences are split, so that each full stop counts: the paper's unit, not ours."""
    texts = ["one two three four five six", "No. No. No. No.", "I can't; you can't, can you?"]
    Path("three.jsonl").write_text(lines(row(n, text) for n, text in enumerate(texts)))
    options = ("--k", "1", "--unit", "nltk", "--out", "out.jsonl", "--json")
    (step,) = json.loads(curate("longest", "three.jsonl", *options))["steps"]
    assert [r["id"] for r in read("out.jsonl")] == ["r2"]
    # I ca n't ; you ca n't , can you ? and: No . No . No . No .
    assert step["least_nltk_words_kept"] == 11
    assert step["sentences_by"] == "abbreviations"
    assert [r["nltk_words"] for r in read("out.dropped.jsonl")] == [6, 8]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("They don't know. Do they?", "They do n't know . Do they ?"),
        ("Dr. Lee saw Mrs. Fox. He paid $3.50.", "Dr. Lee saw Mrs. Fox . He paid $ 3.50 ."),
        ("Two (2) of them: a, b", "Two ( 2 ) of them : a , b"),
        ("", ""),
        ("他回家了。", "他回家了。"),
    ],
)
def test_nltk_words_are_those_of_the_penn_treebank(text: str, tokens: str) -> None:
    from selflengthen.curate.nltk_words import NltkWords

    assert list(NltkWords().counts([text])) == [len(tokens.split())]


def test_punkt_splits_sentences_where_its_model_is_installed(work: Path) -> None:
    """A model of Punkt, trained here on a few lines, lies where NLTK looks for the real one."""
    code = """
from pathlib import Path
from nltk.tokenize.punkt import PunktParameters, save_punkt_params
place = Path("data/tokenizers/punkt_tab/english")
place.mkdir(parents=True)
parameters = PunktParameters()
parameters.abbrev_types.add("foo")
save_punkt_params(parameters, str(place))
from selflengthen.curate.nltk_words import NltkWords
words = NltkWords()
print(words.sentences, *words.counts(["See foo. Bar and Mr. Lee."]))
"""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"NLTK_DATA": str(work / "data")},
    )
    # See foo. Bar and Mr . Lee .
    assert answer.stdout.split() == ["punkt", "8"], answer.stderr


def test_steps_name_the_unit(work: Path, curate: Command) -> None:
    Path("steps.yaml").write_text("- longest: {k: 2, unit: nltk}\n")
    curate("steps.yaml", "six.jsonl", "--out", "out.jsonl")
    report = json.loads(Path("out.report.json").read_text())
    assert report["steps"][0]["options"]["unit"] == "nltk"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--unit", "nltk", "--tokenizer", "x"], "not both"),
        (["--unit", "letters"], "unit"),
    ],
)
def test_units_that_are_none(work: Path, refused: Command, words: list[str], says: str) -> None:
    assert says in refused("longest", "six.jsonl", "--k", "1", "--out", "o.jsonl", *words)


def test_nltk_that_is_not_installed(
    work: Path, refused: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nltk", None)
    said = refused("longest", "six.jsonl", "--k", "1", "--unit", "nltk", "--out", "o.jsonl")
    assert "needs NLTK" in said and "curate" in said
