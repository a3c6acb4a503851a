"""The gate between expansions and rows: what is set aside, and what is trained on."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from selflengthen.config import Config, GateConfig
from selflengthen.curate.indicators import pairs
from selflengthen.engines.base import Completion, Request
from selflengthen.engines.scripted import nonsense
from selflengthen.errors import RequestRefused, SelfLengthenError, UserError
from selflengthen.inputs.models import Model
from selflengthen.pipeline.final import Final
from selflengthen.pipeline.fingerprints import Fingerprints
from selflengthen.runner import executor
from selflengthen.stages import gate
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import GATE
from selflengthen.text.measures import word_count
from tests.loop.scripted_run import (
    REQUESTS,
    WRITES,
    config,
    contents,
    context,
    play,
    rounds,
    survives,
)

JUDGE = {"by": "judge"}


def judged(request: Request) -> tuple[str, str] | None:
    """Return the two versions that a request shows to the judge, or None for other requests."""
    if request.choices != gate.CHOICES:
        return None
    user = request.messages[-1].content
    versions = (user.partition(f"<version-{name}>\n")[2] for name in "AB")
    first, second = (v.partition("\n</version-")[0] for v in versions)
    return first, second


def reply(request: Request) -> Completion:
    """Prefer the shorter version where the longer has an odd number of words, else the first."""
    if (pair := judged(request)) is None:
        return nonsense(request)
    words = [word_count(text) for text in pair]
    answer = "A" if max(words) % 2 == 0 or words[0] < words[1] else "B"
    return Completion(answer, "stop", 1, 1)


def lines(path: Path) -> Iterator[Any]:
    return map(json.loads, path.read_text().splitlines())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gate") / "run"
    play(folder, config(gate=JUDGE), reply=reply)
    return folder


@pytest.mark.parametrize("number", ["01", "02"])
def test_what_is_worse_in_both_orders_is_set_aside(run: Path, number: str) -> None:
    """A judge that prefers whatever comes first sets nothing aside."""
    made = run / "rounds" / number
    expansions = {r["id"]: r for r in lines(made / "3-expand/records.jsonl") if not r["dropped"]}
    records = {r["source"]: r for r in lines(made / "3b-gate/records.jsonl")}
    assert records.keys() == expansions.keys()
    for name, record in records.items():
        worse = expansions[name]["words"] % 2 == 1
        assert record["text"] == expansions[name]["text"]
        assert record["dropped"] == ("worse" if worse else None)
        preferred = ["draft", "draft"] if worse else ["draft", "expansion"]
        assert record["details"] == {"preferred": preferred}
    dropped = sum(1 for record in records.values() if record["dropped"])
    assert 0 < dropped < len(records)
    done = json.loads((made / "3b-gate/DONE.json").read_text())
    assert done["dropped"] == {"worse": dropped}
    figures = json.loads((made / "metrics.json").read_text())
    assert figures["stages"]["gate"]["dropped"] == {"worse": dropped}


@pytest.mark.parametrize("number", ["01", "02"])
def test_rows_are_made_of_what_passed(run: Path, number: str) -> None:
    made = run / "rounds" / number
    passed = {r["source"] for r in lines(made / "3b-gate/records.jsonl") if not r["dropped"]}
    for role in ("generator", "expander"):
        rows = list(lines(made / f"4-dataset/{role}.jsonl"))
        assert {row["id"] for row in rows} == passed
        assert len(rows) == len(passed)


def test_the_final_data_set_has_only_what_passed(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    play(copy, config(gate=JUDGE), reply=reply, make=partial(Final, until="collect"))
    names = {row["id"] for row in lines(copy / "final/3-union/union.jsonl")}
    judged = [r for path in copy.glob("rounds/*/3b-gate/records.jsonl") for r in lines(path)]
    aside = {r["source"] for r in judged if r["dropped"]}
    assert names & {r["source"] for r in judged} and not names & aside
    with pytest.raises(UserError, match=r"final/3-union was made with other settings"):
        identities(copy, config()).check_last()


def test_without_a_gate_nothing_is_other(tmp_path: Path) -> None:
    play(tmp_path / "run", config(iterations=1))
    first = tmp_path / "run/rounds/01"
    assert not (first / "3b-gate").exists()
    identity = json.loads((first / "4-dataset/stage.json").read_text())["identity"]
    assert identity["inputs"].keys() == {"2-draft", "3-expand"}
    assert "gate" not in json.loads((first / "metrics.json").read_text())["stages"]


def test_a_gate_that_is_turned_on_or_off_later_is_noticed(run: Path, tmp_path: Path) -> None:
    assert identities(run, config(gate=JUDGE)).check() == []
    with pytest.raises(UserError, match=r"01/3b-gate was made with .*gate\.by: judge"):
        identities(run, config()).check()
    play(tmp_path / "run", config(iterations=1))
    with pytest.raises(UserError, match=r"01/4-dataset was .*--redo 01/4-dataset"):
        identities(tmp_path / "run", config(gate=JUDGE)).check()
    again = identities(run, config(gate=JUDGE)).check((1, GATE))
    assert [f.title for f in again][:2] == ["01/3b-gate", "01/4-dataset"]
    assert "01/3-expand" not in {f.title for f in again}


def test_what_is_too_long_to_be_compared_passes(tmp_path: Path) -> None:
    def short(request: Request) -> Completion:
        if judged(request):
            raise RequestRefused("too long")
        return nonsense(request)

    play(tmp_path, config(gate=JUDGE, iterations=1), reply=short)
    records = list(lines(tmp_path / "rounds/01/3b-gate/records.jsonl"))
    assert {r["dropped"] for r in records} == {None}
    assert {json.dumps(r["details"]) for r in records} == {
        '{"preferred": [], "unjudged": "too long"}'
    }


def test_where_all_are_worse_the_run_says_so(tmp_path: Path) -> None:
    def strict(request: Request) -> Completion:
        if (pair := judged(request)) is None:
            return nonsense(request)
        return Completion("A" if len(pair[0]) < len(pair[1]) else "B", "stop", 1, 1)

    with pytest.raises(SelfLengthenError, match=r"3b-gate: the gate set every expansion aside.*"):
        play(tmp_path, config(gate=JUDGE, iterations=1), reply=strict)


def test_killed_over_and_over_it_ends_like_an_uninterrupted_one(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "FLUSH_VERDICTS", 4)
    whole, rng, kills = contents(run), random.Random(3), 0
    settings = config(gate=JUDGE)
    folder = tmp_path / "killed"
    act = partial(play, folder, settings, latency=0.002, reply=reply)
    while not survives(act, *moment(rng, kills)):
        kills += 1
    assert kills > 5
    assert contents(folder) == whole


def moment(rng: random.Random, kills: int) -> tuple[int, tuple[object, str]]:
    """Return when to kill: later from kill to kill, so that every run ends."""
    most = 8 + kills // 2
    return rng.choice([(rng.randint(1, most), WRITES), (rng.randint(1, 4 * most), REQUESTS)])


# By IFD.


@pytest.mark.parametrize(
    ("draft", "expansion", "reason"),
    [
        (0.80, 0.80, None),
        (0.80, 0.85, None),
        (0.80, 0.86, "off topic"),
        (0.97, 1.00, None),
        (0.97, 1.01, "off topic"),
        (1.20, 1.01, "off topic"),
        (None, 1.20, None),
        (0.80, None, None),
    ],
)
def test_an_ifd_far_over_the_drafts_is_off_topic(
    draft: float | None, expansion: float | None, reason: str | None
) -> None:
    details = {"draft_ifd": draft, "ifd": expansion}
    assert gate.reason(details, GateConfig(by="ifd", margin=0.0501)) == reason


def by_ifd(folder: Path, settings: Config, model: Path) -> None:
    """Play a run whose gate scores by this model."""
    controller = rounds(folder, settings)
    controller.context = dataclasses.replace(
        controller.context, model=Model("scripted", model, {}, "0" * 64)
    )
    asyncio.run(controller.play())


def test_by_ifd_a_child_scores_and_a_kill_takes_nothing(tmp_path: Path, pocket_model: Path) -> None:
    """Killed before it scores, among the records, and before they are settled."""
    settings = config(gate={"by": "ifd", "margin": 0.0, "most": 2.0}, iterations=1)
    whole = tmp_path / "whole"
    by_ifd(whole, settings, pocket_model)
    records = list(lines(whole / "rounds/01/3b-gate/records.jsonl"))
    for record in records:
        scores = record["details"]
        aside = scores["ifd"] > scores["draft_ifd"]
        assert record["dropped"] == ("off topic" if aside else None)
        assert 0 < scores["ifd"] < 2
    assert 0 < sum(1 for r in records if r["dropped"]) < len(records)
    assert not (whole / "rounds/01/3b-gate/ifd").exists()
    killed = tmp_path / "killed"
    act = partial(by_ifd, killed, settings, pocket_model)
    assert not survives(act, 1, (pairs, "score"))
    assert not survives(act, 3, (gate, "by_ifd"))
    assert (killed / "rounds/01/3b-gate/ifd/scores.json").exists()
    assert not survives(act, 1, (StageFolder, "settle"))
    by_ifd(killed, settings, pocket_model)
    assert contents(killed) == contents(whole)


def identities(folder: Path, settings: Config) -> Fingerprints:
    """Return the identities that a start with these settings has."""
    return Fingerprints(context(folder, settings))
