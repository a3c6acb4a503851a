"""`instruct.source` and the system turn from the command line: bad input, resuming, showing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from selflengthen.cli import main
from selflengthen.inputs import prompts
from tests.cli.test_bad_input import refused
from tests.cli.test_older_runs import digests

ROWS = [
    {"id": "r01-instruct-000003", "prompt": "A history of the tram in twelve cities."},
    {"messages": [{"role": "system", "content": "Be brief."},
                  {"role": "user", "content": "Why do bees dance before their sisters?"},
                  {"role": "assistant", "content": "They show the way."}]},
    {"instruction": "Explain this law to tenants.", "input": "Rent is due on the third day."},
    "The diary of a lighthouse keeper who learns to paint.",
    {"prompt": [{"role": "user", "content": "Compare granite and slate as roofs."}]},
]  # fmt: skip
TEXTS = {
    "r01-instruct-000003": "A history of the tram in twelve cities.",
    "line-2": "Why do bees dance before their sisters?",
    "line-3": "Explain this law to tenants.\n\nRent is due on the third day.",
    "line-4": "The diary of a lighthouse keeper who learns to paint.",
    "line-5": "Compare granite and slate as roofs.",
}
RUN = ["run", "small.yaml", "--iterations", "1"]


@pytest.fixture
def mine(work: Path) -> Path:
    """A file with instructions in every form."""
    path = work / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(list(words)) == 0
    return capsys.readouterr().out


def test_every_form_is_taken_and_shown(
    mine: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*RUN, "--instruct.source", "mine.jsonl"]) == 0
    run = work / "runs/small"
    saved = {row["id"]: row["instruction"] for row in lines(run / "source.jsonl")}
    assert saved == TEXTS
    records = lines(run / "rounds/01/1-instruct/records.jsonl")
    assert {r["source"]: r["text"] for r in records[:5]} == TEXTS
    assert all(r["source"] is None for r in records[5:]) and len(records) > 6
    # Ids of the user's may look like ours: the lineage ends there all the same.
    own = next(r for r in records if r["source"] == "r01-instruct-000003")
    out = printed(capsys, "show", "small", "--id", own["id"])
    assert f"instruction {own['id']} (8 words, from r01-instruct-000003)" in out
    assert out.count(f"instruction {own['id']}") == out.count("instruction r01") == 1
    chain = json.loads(printed(capsys, "show", "small", "--id", own["id"], "--json"))
    assert [text["stage"] for text in chain][:2] == ["1-instruct", "2-draft"]
    assert "from" not in printed(capsys, "show", "small", "--id", records[-1]["id"]).split(")")[0]
    assert main(["check", "small"]) == 0


def test_a_run_finds_its_source_from_elsewhere_and_by_content(
    mine: Path, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*RUN, "--instruct.source", "mine.jsonl"]) == 0
    before = digests(work / "runs/small")
    elsewhere = work / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert main(["run", "../runs/small/config.yaml"]) == 0
    monkeypatch.chdir(work)
    mine.rename(work / "moved.jsonl")
    assert main([*RUN, "--instruct.source", "moved.jsonl"]) == 0
    assert digests(work / "runs/small") == before
    (work / "moved.jsonl").write_text('"Only one instruction is left."\n')
    message = refused(work, capsys, *RUN, "--instruct.source", "moved.jsonl")
    assert "01/1-instruct was made with other settings (instruct.source differs)" in message


def test_other_shipped_instructions_change_no_run(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*RUN, "--instruct.source", "shipped"]
    assert main(words) == 0
    before = digests(work / "runs/small")
    newer = Path(shutil.copytree(prompts.root(), work / "newer"))
    with (newer / "seeds/en.jsonl").open("a") as file:
        file.write('{"id": "en-more", "instruction": "Write a text about the sea at night."}\n')
    monkeypatch.setattr(prompts, "root", lambda: newer)
    assert main([*words[:2], *words[4:], "--iterations", "2"]) == 0
    assert before.items() < digests(work / "runs/small").items()
    first, second = (
        {r["source"] for r in lines(work / f"runs/small/rounds/{n}/1-instruct/records.jsonl")}
        for n in ("01", "02")
    )
    assert None not in first | second and first.isdisjoint(second)


def test_estimate_counts_what_the_model_writes(
    mine: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def tokens(*more: str) -> list[float]:
        out = printed(capsys, "estimate", *RUN[1:], *more, "--json")
        return [json.loads(out)[name]["value"] for name in ("generated", "collect_generated")]

    alone, five = tokens(), tokens("--instruct.source", "mine.jsonl")
    shipped = tokens("--instruct.source", "en")
    # 12 in the round and 6 afterwards, 60 tokens each, 1.5 attempts
    assert [a - b for a, b in zip(alone, five, strict=True)] == [5 * 90, 0]
    assert [a - b for a, b in zip(alone, shipped, strict=True)] == [12 * 90, 6 * 90]


BAD = {
    "missing": (["nope.jsonl"], "nope.jsonl: no such seeds file; give a JSONL file, a data set"),
    "empty": (["empty.jsonl"], "empty.jsonl: is empty; write one instruction per line."),
    "no field": (
        ["odd.jsonl"],
        "odd.jsonl, line 1: has no field 'instruction', 'prompt' or 'messages'; add it, or name "
        "the field that has the instruction with instruct.field (it has 'text').",
    ),
    "no named field": (
        ["odd.jsonl", "--instruct.field", "query"],
        "odd.jsonl, line 1: has no field 'query'; add it, or name the field",
    ),
    "null": (["null.jsonl"], "null.jsonl, line 1: field 'prompt' is not a string; write the"),
    "no user": (
        ["mute.jsonl"],
        "mute.jsonl, line 1: field 'messages' has no turn with role 'user' and a text as its "
        "content; write the instruction there.",
    ),
    "not a name": (["a\0b"], "--instruct.source: contains a NUL character."),
}
FILES = {
    "empty.jsonl": "\n",
    "odd.jsonl": '{"text": "Write of dawn."}\n',
    "null.jsonl": '{"prompt": null}\n',
    "mute.jsonl": '{"messages": [{"role": "assistant", "content": "Hello."}]}\n',
}


@pytest.mark.parametrize("command", ["run", "estimate"])
@pytest.mark.parametrize(("words", "says"), BAD.values(), ids=BAD.keys())
def test_a_bad_source_is_one_line(
    work: Path, capsys: pytest.CaptureFixture[str], command: str, words: list[str], says: str
) -> None:
    for name, text in FILES.items():
        (work / name).write_text(text)
    message = refused(work, capsys, command, "small.yaml", "--instruct.source", *words)
    assert says in message


@pytest.mark.parametrize(("field", "value"), [("judge", "true"), ("field", "query")])
def test_what_belongs_to_a_source_needs_one(
    work: Path, capsys: pytest.CaptureFixture[str], field: str, value: str
) -> None:
    message = refused(work, capsys, "run", "small.yaml", f"--instruct.{field}", value)
    assert f"instruct.{field} is only for instructions of instruct.source, which is not" in message
    assert f"(--instruct.{field})" in message


def shipping(work: Path, monkeypatch: pytest.MonkeyPatch, *, system: str | None) -> None:
    """Let the program ship a system turn for English, or none."""
    shipped = Path(shutil.copytree(prompts.root(), work / f"shipped-{system}"))
    (shipped / "en/system.md").unlink(missing_ok=True)
    if system:
        (shipped / "en/system.md").write_text(system)
    monkeypatch.setattr(prompts, "root", lambda: shipped)


@pytest.mark.parametrize(("first", "later"), [(None, "You write."), ("You write.", None)])
def test_a_run_goes_on_with_the_system_turn_that_it_was_begun_with(
    work: Path, monkeypatch: pytest.MonkeyPatch, first: str | None, later: str | None
) -> None:
    with monkeypatch.context() as patch:
        shipping(work, patch, system=first)
        assert main(RUN) == 0
    run = work / "runs/small"
    before = digests(run)
    with monkeypatch.context() as patch:
        shipping(work, patch, system=later)
        assert main([*RUN[:3], "2"]) == 0
    assert before.items() < digests(run).items()
    assert (run / "prompts/system.md").exists() == (first is not None)
    for number in ("01", "02"):
        row = lines(run / f"rounds/{number}/4-dataset/generator.jsonl")[0]
        assert [t["content"] for t in row["prompt"] if t["role"] == "system"] == [first] * bool(
            first
        )


def test_a_start_leaves_no_system_turn_of_another(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a start that made nothing yet, a later one with other prompts keeps nothing."""
    shipping(work, monkeypatch, system="You write.")
    assert main(RUN) == 0
    run = work / "runs/small"
    shutil.rmtree(run / "rounds")
    own = Path(shutil.copytree(prompts.shipped("en"), work / "own"))
    (own / "system.md").unlink()
    assert main([*RUN, "--prompts", "own"]) == 0
    assert not (run / "prompts/system.md").exists()


def test_a_faulty_system_turn_is_one_line(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = Path(shutil.copytree(prompts.shipped("en"), work / "own"))
    (own / "system.md").write_text("You write {{ kind }} texts.")
    message = refused(work, capsys, *RUN, "--prompts", "own")
    assert "own/system.md: unknown placeholder {{ kind }}; this prompt takes: none." in message


@pytest.mark.parametrize("name", ["system.md", "expand.user.md", "judge.answers.md"])
def test_a_prompt_of_the_run_that_was_changed_is_named_even_where_all_is_redone(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    shipping(work, monkeypatch, system="You write.")
    assert main(RUN) == 0
    prompt = work / "runs/small/prompts" / name
    text = prompt.read_text()
    changed = text.replace("yes", "Yes") if name == "judge.answers.md" else f"{text} Go."
    prompt.write_text(changed)
    for more in ([], ["--redo", "1/instruct"]):
        message = refused(work, capsys, *RUN, *more)
        assert f"prompts/{name}: 0" in message and "was made with another text" in message
        assert "restore the file, or name a folder of prompts with --prompts" in message
    if name == "system.md":
        prompt.unlink()
        assert "system.md: 0" in refused(work, capsys, *RUN, "--redo", "1/instruct")
    prompt.write_text(text)
    assert main([*RUN, "--redo", "1/instruct"]) == 0
    prompt.write_text(changed)
    words = [*RUN, "--redo", "1/instruct", "--prompts", "runs/small/prompts"]
    # The base model's texts of round 0 have the system turn, and no --redo of round 1 makes them.
    assert main(words) == (2 if name == "system.md" else 0)


def test_a_system_turn_that_nobody_was_told_is_no_part_of_a_run(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipping(work, monkeypatch, system=None)
    assert main(RUN) == 0
    (work / "runs/small/prompts/system.md").write_text("You sing.")
    message = refused(work, capsys, *RUN, "--redo", "1/instruct")
    assert "prompts/system.md: 00/6-held-out was made with another text, or with none" in message
