"""Runs that version 0.1.0 began go on: same keys, same digests, same texts.

`runs_of_0_1_0/` holds two runs of that version on the scripted engine and the training double: one
complete, collected and finished; one killed in the second round's drafts.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from selflengthen.cli import main
from selflengthen.cli.options.settings import resolve
from selflengthen.cli.run_state import read_config
from selflengthen.config import Config
from selflengthen.field_kinds import identity_of
from selflengthen.inputs import prompts
from selflengthen.storage.run_dir import RunFolder
from tests.loop.scripted_run import contents

RUNS = Path(__file__).parent / "runs_of_0_1_0"


@pytest.fixture
def old(work: Path) -> Path:
    """Copies of the two runs, with the configuration and the model they were started with."""
    shutil.copytree(RUNS, work, dirs_exist_ok=True)
    return work


def digests(run: Path) -> dict[str, tuple[str, str]]:
    """Return key and digest of every finished stage."""
    return {
        str(path.parent.relative_to(run)): (done["key"], done["digest"])
        for path in sorted(run.rglob("DONE.json"))
        for done in [json.loads(path.read_text())]
    }


def texts(run: Path, below: str) -> dict[str, Any]:
    """Return every text of a run by file."""
    return {
        name: [line["text"] for line in lines]
        for name, lines in contents(run / below).items()
        if name.endswith("records.jsonl")
    }


def test_a_run_killed_among_its_drafts_goes_on(old: Path) -> None:
    drafts = old / "interrupted/rounds/02/2-draft/records.jsonl"
    before = [json.loads(line) for line in drafts.read_text().splitlines()]
    assert main(["run", "small.yaml", "--run-dir", "interrupted"]) == 0
    after = {line["id"]: line for line in map(json.loads, drafts.read_text().splitlines())}
    for line in before:  # not made again: even the time is that of the first start
        assert after[line["id"]] | {"dropped": None} == line
    assert texts(old / "interrupted", "rounds") == texts(RUNS / "complete", "rounds")
    made, whole = digests(old / "interrupted"), digests(RUNS / "complete")
    assert made == {name: whole[name] for name in whole if name.startswith("rounds")}


def test_a_complete_run_takes_another_round(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "small.yaml", "--run-dir", "complete", "--iterations", "3"]) == 0
    assert "Complete: 3 of 3 rounds." in capsys.readouterr().out
    made, whole = digests(old / "complete"), digests(RUNS / "complete")
    assert {name: made[name] for name in whole} == whole


def test_what_comes_after_the_last_round_is_made_as_it_was(old: Path) -> None:
    shutil.rmtree(old / "complete" / "final")
    assert main(["collect", "complete"]) == 0
    assert main(["finish", "complete"]) == 0
    assert digests(old / "complete") == digests(RUNS / "complete")
    assert texts(old / "complete", "final") == texts(RUNS / "complete", "final")
    made, was = (run / "complete/final" for run in (old, RUNS))
    assert (made / "dataset/train.jsonl").read_bytes() == (was / "dataset/train.jsonl").read_bytes()
    figures, before = (json.loads((run / "figures.json").read_text()) for run in (made, was))
    assert {name: figures[name] for name in before} == before


HELD_OUT = ("held_out_words", "held_out_ends", "held_out_repeats", "held_out_words_median")
HELD_OUT += ("held_out_words_p90",)
NEWER = ("held_out_ended_words", "held_out_ended_words_median", "held_out_near_repeats")
NEWER += ("held_out_assistant_talk", "held_out_relevance")
ROUND = ("round", "draft_words", "expansion_words", "acceptance", *HELD_OUT, "draft_words_median")
ROUND += ("draft_words_p90", "expansion_words_median", "expansion_words_p90")
RUN = ("run", "iterations", "complete", "stopped", "controller", "base", "rounds", "current")
RUN += ("stages", "final")
FINAL = ("collected", "finished", "merged", "rounds", "rows", "from", "stale", "current", "base")
FINAL += ("final",)


def test_status_prints_the_same_keys_in_the_same_order(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "complete", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert tuple(status) == RUN
    assert tuple(status["base"]) == HELD_OUT + NEWER
    assert {tuple(figures) for figures in status["rounds"]} == {ROUND + NEWER}
    assert {figures[name] for figures in status["rounds"] for name in NEWER} == {None}
    assert tuple(status["final"]) == FINAL
    assert status["current"] is status["final"]["current"] is None
    figures = json.loads((old / "complete/final/figures.json").read_text())
    assert status["final"]["final"] == figures["final"]
    for stage in status["stages"]:  # beside its name stands what its DONE.json says
        folder = stage.pop("stage")
        within = old / "complete" / ("" if folder.startswith("final") else "rounds") / folder
        done = json.loads((within / "DONE.json").read_text())
        hidden = ("key", "digest", "version", "files")
        assert stage.pop("done") is True
        assert list(stage.items()) == [(k, v) for k, v in done.items() if k not in hidden]


def test_status_of_a_stage_in_progress(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "interrupted", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert tuple(status["current"]) == ("round", "stage", "done", "total", "seconds_left")
    assert (status["current"]["round"], status["current"]["stage"]) == (2, "2-draft")
    assert tuple(status["stages"][-1]) == ("stage", "done", "accepted", "refusals", "words")


def test_an_older_run_keeps_its_checks_and_a_new_one_has_the_new(old: Path) -> None:
    newer = {
        "checks.refusal": (False, True),
        "checks.assistant_talk": (False, True),
        "checks.near_repeats": (False, True),
        "checks.version": (1, 2),
        "instruct.multiline": (False, True),
    }
    run = RunFolder(old / "complete")
    goes_on = resolve("small.yaml", {}, "complete", resumes=True).config
    copied = resolve("complete/config.yaml", {}, "new").config
    fresh = resolve("small.yaml", {}, "new", resumes=True).config
    for field, (was, today) in newer.items():
        assert read_config(run).value(field) == goes_on.value(field) == was
        assert copied.value(field) == was
        assert fresh.value(field) == Config().value(field) == today
    assert "---" in goes_on.sampling.stop and "---" not in fresh.sampling.stop
    # What an older run did is no part of its keys; what a new one does is part of its own.
    assert not identity_of(goes_on.checks).keys() & {"refusal", "version"}
    assert {"refusal", "version"} <= identity_of(fresh.checks).keys()
    overridden = resolve("small.yaml", {"checks.refusal": "true"}, "complete", resumes=True).config
    assert overridden.checks.refusal


@pytest.mark.parametrize("command", ["run", "collect", "finish", "status", "show"])
def test_a_complete_run_stays_as_it_is(
    old: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = digests(old / "complete")
    words = ["small.yaml", "--run-dir", "complete"] if command == "run" else ["complete"]
    assert main([command, *words]) == 0
    assert capsys.readouterr().out
    assert digests(old / "complete") == before


def test_other_shipped_prompts_and_seeds_change_no_run_that_exists(
    old: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither one of an older version, nor one that this version begins."""
    words = "run small.yaml --iterations 1 --run-dir new".split()
    assert main(words) == 0
    first = digests(old / "new")
    newer = Path(shutil.copytree(prompts.root(), old / "newer"))
    for text in newer.glob("*/*.user.md"):
        text.write_text("Write with care.\n" + text.read_text())
    with (newer / "seeds/en.jsonl").open("a") as file:
        file.write('{"id": "en-more", "instruction": "Write a text about the sea at night."}\n')
    monkeypatch.setattr(prompts, "root", lambda: newer)
    assert main(["run", "small.yaml", "--run-dir", "interrupted"]) == 0
    assert main([*words[:2], "--iterations", "2", "--run-dir", "new"]) == 0
    run, whole = digests(old / "interrupted"), digests(RUNS / "complete")
    assert run == {name: whole[name] for name in whole if name.startswith("rounds")}
    assert first.items() < digests(old / "new").items()
    assert main([*words[:-1], "another"]) == 0
    assert digests(old / "another").items().isdisjoint(first.items())
    assert main(["run", "small.yaml", "--run-dir", "new", "--language", "zh"]) == 2
    assert "was made with other settings" in capsys.readouterr().err
