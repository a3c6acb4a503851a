"""What comes after the last round: killed at any write it goes on; its data keeps its promises."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from selflengthen.config import Config
from selflengthen.engines.base import Completion, Request
from selflengthen.engines.scripted import nonsense
from selflengthen.errors import UserError
from selflengthen.length.requirement import LengthRequirement, read_requirement
from selflengthen.pipeline.final import Final
from selflengthen.pipeline.fingerprints import Fingerprints
from selflengthen.runner import executor
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_table import FINAL_STAGES, find_stage
from selflengthen.text.measures import word_count
from tests.loop.scripted_run import adapter_of, config, contents, context, play, survives

WHEN = 24
"""A start is killed at one of so many first writes; the last step, made as a whole, has ten."""


def reply(request: Request) -> Completion:
    """Put a demand in as asked, one time in three; all else is nonsense."""
    asked = request.messages[-1].content
    if "<length>" not in asked or random.Random(request.seed).random() < 0.67:
        return nonsense(request)
    instruction, length = (
        asked.partition(f"<{tag}>\n")[2].partition(f"\n</{tag}>")[0]
        for tag in ("request", "length")
    )
    return Completion(f"{instruction} Please write {length} in all.", "stop", 1, 1)


def end(folder: Path, settings: Config | None = None, **how: Any) -> None:
    """Play what comes after the last round."""
    play(folder, settings, reply=reply, make=partial(Final, **how))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its rounds."""
    folder = tmp_path_factory.mktemp("final") / "run"
    play(folder, reply=reply)
    return folder


@pytest.fixture(scope="module")
def finished(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, collected and then finished."""
    folder = shutil.copytree(run, tmp_path_factory.mktemp("final") / "finished")
    end(folder, until="collect")
    assert not (folder / "final/4-demand").exists()
    end(folder)
    return folder


def lines(path: Path) -> Iterator[Any]:
    return map(json.loads, path.read_text().splitlines())


def test_killed_at_any_write_it_ends_like_an_uninterrupted_one(
    run: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "FLUSH_VERDICTS", 4)
    whole, kills = contents(finished), 0
    assert len(whole) > 30
    for number in range(3):
        folder = shutil.copytree(run, tmp_path / f"killed-{number}")
        rng = random.Random(number)
        while not survives(partial(end, folder), rng.randint(1, WHEN)):
            kills += 1
        assert contents(folder) == whole
    assert kills > 10


ANNEAL = {"anneal": {"steps": [{"longest": {"k": 7}}]}}


def test_an_anneal_goes_on_with_the_adapter_on_chosen_rows(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at the writes of its start and end, too."""
    folder, settings = shutil.copytree(finished, tmp_path / "run"), config(finish=ANNEAL)
    with pytest.raises(UserError, match=r"final/6-held-out/final was made .*\(anneal: None → "):
        identities(folder, settings).check_last()
    again = identities(folder, settings).check_last(find_stage("anneal", FINAL_STAGES))
    assert [f.title for f in again] == ["final/6-held-out/base", "final/6-held-out/final"]
    RunFolder(folder).set_aside(again)
    killed = shutil.copytree(folder, tmp_path / "killed")
    end(folder, settings)
    annealed = folder / "final/5b-anneal"
    chosen = list(lines(annealed / "rows.jsonl"))
    whole = list(lines(folder / "final/dataset/train.jsonl"))
    assert [row for row in whole if row in chosen] == chosen and len(chosen) == 7
    assert min(r["words"] for r in chosen) >= max(r["words"] for r in whole if r not in chosen)
    weights = [
        (folder / "final" / name / "adapter_model.safetensors").read_bytes()
        for name in ("5-train", "5b-anneal", "adapter")
    ]
    assert weights[1] == weights[2] != weights[0]
    rows = (annealed / "rows.jsonl").read_bytes()
    assert weights[1] == adapter_of(rows + weights[0])
    assert "anneal afterwards" in (folder / "final/adapter/README.md").read_text()
    assert identities(folder, settings).check_last() == []
    with pytest.raises(UserError, match="--redo 5b-anneal"):
        identities(folder, config()).check_last()
    monkeypatch.setattr(executor, "FLUSH_VERDICTS", 4)
    rng = random.Random(1)
    while not survives(partial(end, killed, settings), rng.randint(3, WHEN)):
        pass
    assert contents(killed / "final") == contents(folder / "final")


def test_every_demand_is_satisfied_by_its_text(finished: Path) -> None:
    rows = list(lines(finished / "final/dataset/train.jsonl"))
    assert len(rows) > 10
    for row in rows:
        demand = LengthRequirement(row["kind"], row["low"], row["high"], row["unit"])
        assert read_requirement(row["prompt"][0]["content"]) == demand
        assert row["words"] == word_count(row["completion"][0]["content"])
        assert demand.satisfied(row["words"])
    assert {row["by"] for row in rows} == {"engine", "template"}
    assert len({row["kind"] for row in rows}) >= 3


def test_rows_lead_back_to_text_and_instruction(run: Path, finished: Path) -> None:
    texts, asked = {}, {}
    for path in finished.rglob("records.jsonl"):
        for record in lines(path):
            texts[record["id"]] = record
            if "-instruct-" in record["id"]:
                asked[record["id"]] = record["text"]
    accepted = {
        r["id"]
        for number in ("01", "02")
        for r in lines(run / "rounds" / number / "3-expand/records.jsonl")
        if r["dropped"] is None
    }
    collected = {r["id"] for r in lines(finished / "final/2-draft/records.jsonl")}
    united = list(lines(finished / "final/3-union/union.jsonl"))
    dropped = {d["id"]: d["reason"] for d in lines(finished / "final/3-union/dropped.jsonl")}
    assert {pair["id"] for pair in united} | dropped.keys() == accepted | collected
    assert not {pair["id"] for pair in united} & dropped.keys()
    for pair in united:
        assert texts[pair["id"]]["text"] == pair["response"]
        assert asked[pair["instruction_id"]] == pair["instruction"]
        assert pair["round"] == (int(pair["id"][1:3]) if pair["id"].startswith("r") else None)
    done = json.loads((finished / "final/3-union/DONE.json").read_text())
    assert done["rows"] == len(united) and sum(done["dropped"].values()) == len(dropped)
    demands = {r["source"] for r in lines(finished / "final/4-demand/records.jsonl")}
    rows = {row["id"] for row in lines(finished / "final/dataset/train.jsonl")}
    assert rows == demands <= {pair["id"] for pair in united}


def test_held_out_instructions_carry_demands_and_are_in_no_row(finished: Path) -> None:
    figures = json.loads((finished / "final/figures.json").read_text())
    assert figures["base"]["texts"] == figures["final"]["texts"] == config().held_out.texts
    trained = (finished / "final/dataset/train.jsonl").read_text()
    for text in figures["texts"]:
        assert read_requirement(text["instruction"]) == LengthRequirement(
            text["kind"], text["low"], text["high"], text["unit"]
        )
        assert text["instruction"] not in trained


def test_nothing_is_collected_where_nothing_is_asked(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    end(folder, config(collect={"instructions": 0}), until="collect")
    done = json.loads((folder / "final/3-union/DONE.json").read_text())
    assert done["from"]["collected"] == 0 < done["from"]["rounds"]
    assert not (folder / "final/1-instruct").exists()


def test_few_texts_of_an_instruction_stay(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    end(folder, config(collect={"keep": 1}), until="collect")
    united = list(lines(folder / "final/3-union/union.jsonl"))
    assert len({pair["instruction"] for pair in united}) == len(united)
    reasons = json.loads((folder / "final/3-union/DONE.json").read_text())["dropped"]
    assert reasons.keys() == {"over keep"}


@pytest.mark.parametrize(
    ("changes", "stage", "says"),
    [
        ({"collect": {"instructions": 7}}, "1-instruct", "collect.instructions: 6 → 7"),
        ({"collect": {"keep": 3}}, "3-union", "collect.keep: 4 → 3"),
        ({"finish": {"spelled": 0.5}}, "4-demand", "finish.spelled: 0.2 → 0.5"),
        ({"finish": {"epochs": 3}}, "5-train", "finish.epochs"),
        ({"finish": {"about": 0.5}}, "4-demand", "finish.about"),
    ],
)
def test_other_settings_are_refused_by_the_stage_they_touch(
    finished: Path, changes: dict[str, Any], stage: str, says: str
) -> None:
    assert identities(finished, config()).check_last() == []
    with pytest.raises(UserError) as refused:
        identities(finished, config(**changes)).check_last()
    assert f"final/{stage} was made with other settings" in str(refused.value)
    assert says in str(refused.value) and f"--redo {stage}" in str(refused.value)
    again = identities(finished, config(**changes)).check_last(find_stage(stage, FINAL_STAGES))
    assert again[0].title == f"final/{stage}"
    assert again[-1].title == "final/6-held-out/final"


def test_rounds_that_were_made_since_are_noticed(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    play(folder, config(iterations=3), reply=reply)
    with pytest.raises(UserError, match=r"from other rounds \(inputs\.03/1-instruct differs"):
        identities(folder, config(iterations=3)).check_last()


def identities(folder: Path, settings: Config) -> Fingerprints:
    """Return the identities that a start with these settings has."""
    return Fingerprints(context(folder, settings))
