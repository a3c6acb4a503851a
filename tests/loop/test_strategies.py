"""Drafts lengthened by section, or as `auto` finds best: rows, keys, and kills at any moment."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from selflengthen.cli import main
from selflengthen.cli.options.settings import dump
from selflengthen.config import Config
from selflengthen.engines.base import Completion, Request
from selflengthen.engines.scripted import nonsense
from selflengthen.errors import UserError
from selflengthen.inputs import prompts
from selflengthen.pipeline.fingerprints import Fingerprints
from selflengthen.runner import executor
from selflengthen.runner.verify import require_sound
from selflengthen.storage.records import text_of_row
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_table import CURATE, DATASET, STRATEGY
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
from tests.soak import many

SAMPLED = "rounds/01/2b-strategy"
LATENCY = 0.002


def by(strategy: str, **changes: Any) -> Config:
    """Return a small run's configuration with a strategy."""
    settings = {"instruct": {"per_round": 6}, "expand": {"strategy": strategy}, **changes}
    return config(**settings)


def whole_texts_fail(request: Request) -> Completion:
    """Lengthen parts, but break every whole text, as a small real model does."""
    asked = request.messages[-1].content
    if "Treat the text as the outline of yours" in asked:
        return Completion("I am here to help you craft", "stop", 1, 40)
    return nonsense(request)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def done(folder: Path) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads((folder / "DONE.json").read_text())
    return plain


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("section")
    play(folder, by("section"))
    (folder / "config.yaml").write_text(dump(by("section")))
    return folder


@pytest.fixture(scope="module")
def auto(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("auto")
    play(folder, by("auto"), reply=whole_texts_fail)
    (folder / "config.yaml").write_text(dump(by("auto")))
    return folder


def test_the_expander_learns_the_parts_and_the_generator_the_whole(section: Path) -> None:
    rows = section / "rounds/01/4-dataset"
    generator, expander = lines(rows / "generator.jsonl"), lines(rows / "expander.jsonl")
    assert (done(rows)["rows"], done(rows)["expander_rows"]) == (len(generator), len(expander))
    assert len(expander) > len(generator)
    assert len({row["id"] for row in expander}) == len(expander)
    texts = {row["id"]: row["completion"][0]["content"] for row in generator}
    assert {text_of_row(row["id"]) for row in expander} == texts.keys()
    records = lines(section / "rounds/01/3-expand/records.jsonl")
    parts = [part for r in records if not r["dropped"] for part in r["details"]["parts"]]
    for row, part in zip(expander, parts, strict=True):
        assert part["part"] in row["prompt"][-1]["content"]
        assert row["completion"][0]["content"] == part["text"]
    assert done(section / "rounds/01/5-train/expander")["rows"] == len(expander)


def test_a_row_of_a_part_shows_its_text(section: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = lines(section / "rounds/02/4-dataset/expander.jsonl")[-1]["id"]
    assert "/part-" in row
    assert main(["show", str(section), "--id", row, "--json"]) == 0
    chain = json.loads(capsys.readouterr().out)
    assert [found["stage"] for found in chain] == ["1-instruct", "2-draft", "3-expand"]
    assert chain[-1]["id"] == text_of_row(row)


def test_there_is_no_sample_where_the_strategy_is_said(section: Path) -> None:
    assert not (section / SAMPLED).exists()
    assert "strategy" not in json.loads((section / "rounds/01/metrics.json").read_text())["stages"]


def test_auto_takes_what_adds_more_words_for_its_tokens(auto: Path) -> None:
    said = done(auto / SAMPLED)
    assert said["strategy"] == "section"
    assert said["trials"]["two-stage"]["accepted"] == 0
    trial = said["trials"]["section"]
    own = [r for r in lines(auto / SAMPLED / "records.jsonl") if r["id"].endswith("-section")]
    assert trial["accepted"] == len(own) > 0
    assert trial["words"] == sum(r["words"] - r["details"]["draft_words"] for r in own)
    for number in ("01", "02"):
        (record, *_) = lines(auto / f"rounds/{number}/3-expand/records.jsonl")
        assert record["details"]["parts"]
        key = json.loads((auto / f"rounds/{number}/3-expand/stage.json").read_text())["identity"]
        assert key["inputs"]["01/2b-strategy"] == said["digest"]
        assert sorted(key["prompts"]) == ["expand-part.user", "expand-plan.user", "system"]
    assert not (auto / "rounds/02/2b-strategy").exists()


def test_auto_says_what_it_chose_once(tmp_path: Path) -> None:
    notes: list[str] = []
    for _ in range(2):
        controller = rounds(tmp_path, by("auto", iterations=1), reply=whole_texts_fail)
        object.__setattr__(controller.services, "note", notes.append)
        asyncio.run(controller.play())
    (note,) = (line for line in notes if "strategy" in line)
    assert note.startswith("Round 1: expand.strategy auto: section (two-stage 0 of ")


def test_status_shows_what_was_chosen(auto: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(auto)]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert "chosen: section" in lines["01/2b-strategy"]
    counts = done(auto / "rounds/01/4-dataset")
    assert (
        f"{counts['rows']} rows, {counts['expander_rows']} rows of parts" in (lines["01/4-dataset"])
    )
    assert main(["show", str(auto), "--stage", "strategy"]) == 0
    assert "r01-strategy-" in capsys.readouterr().out


@pytest.mark.parametrize("strategy", ["section", "auto"])
def test_a_run_killed_at_any_moment_ends_like_an_uninterrupted_one(
    strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "FLUSH_VERDICTS", 2)
    settings = by(strategy, iterations=1, instruct={"per_round": 4})
    how: dict[str, Any] = {"latency": LATENCY, "reply": whole_texts_fail}
    play(tmp_path / "whole", settings, **how)
    whole = contents(tmp_path / "whole")
    rng, kills = random.Random(3), 0
    while kills < many(30, 300):
        folder, here = tmp_path / f"killed-{kills}", 0
        while True:
            what = rng.choice([WRITES, REQUESTS])
            when = rng.randint(1, 10 + here) * (1 if what is WRITES else 8)
            if survives(partial(play, folder, settings, **how), when, what):
                break
            here += 1
        assert here, "it ended unharmed"
        kills += here
        assert contents(folder) == whole


def test_a_sample_that_is_done_is_not_drawn_again(auto: Path, tmp_path: Path) -> None:
    """Killed right after the sample: nothing of it is asked for again."""
    run = Path(shutil.copytree(auto, tmp_path / "run"))
    shutil.rmtree(run / "rounds/02")
    for name in ("3-expand", "4-dataset", "5-train", "6-held-out"):
        shutil.rmtree(run / "rounds/01" / name)
    before = (run / SAMPLED / "records.jsonl").read_bytes()
    seen: list[Request] = []

    def reply(request: Request) -> Completion:
        seen.append(request)
        return whole_texts_fail(request)

    play(run, by("auto"), reply=reply)
    assert (run / SAMPLED / "records.jsonl").read_bytes() == before
    assert not any("Treat the text as the outline" in r.messages[-1].content for r in seen)
    assert contents(run) == contents(auto)


def test_rows_of_texts_that_were_not_chosen_are_left_out_with_all_their_parts(
    tmp_path: Path,
) -> None:
    play(tmp_path, by("section", iterations=1, curate=[{"longest": {"k": 2}}]))
    made, kept = tmp_path / "rounds/01/4-dataset", tmp_path / "rounds/01/4b-curate"
    texts = {row["id"] for row in lines(kept / "generator.jsonl")}
    assert len(texts) == 2
    rows = lines(kept / "expander.jsonl")
    assert rows == [r for r in lines(made / "expander.jsonl") if text_of_row(r["id"]) in texts]
    assert done(kept)["expander_rows"] == len(rows) > 2
    require_sound(RunFolder(tmp_path).stage(CURATE, 1))


def test_each_role_has_its_own_least_rows(tmp_path: Path) -> None:
    """More rows of parts than texts: the expander is trained, the generator is not."""
    first = by("section", iterations=1)
    play(tmp_path / "first", first)
    counts = done(tmp_path / "first/rounds/01/4-dataset")
    between = counts["rows"] + 1
    assert between <= counts["expander_rows"]
    play(tmp_path / "run", by("section", iterations=1, train={"min_rows": between}))
    trained = tmp_path / "run/rounds/01/5-train"
    assert done(trained / "generator")["skipped"] and "skipped" not in done(trained / "expander")


def test_counts_of_rows_are_verified(section: Path, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(section, tmp_path / "run")))
    folder = run.stage(DATASET, 1)
    require_sound(folder)
    plain = done(folder.path) | {"expander_rows": 3}
    (folder.path / "DONE.json").write_text(json.dumps(plain))
    with pytest.raises(Exception, match="its `rows` is not what"):
        require_sound(folder)


@pytest.mark.parametrize("strategy", ["section", "auto"])
def test_another_strategy_is_named_and_can_be_made_again(strategy: str, tmp_path: Path) -> None:
    play(tmp_path, by(strategy, iterations=1))
    other = Fingerprints(context(tmp_path, by("two-stage", iterations=1)))
    with pytest.raises(UserError, match=rf"strategy: {strategy} → None"):
        other.check()
    assert other.check((1, STRATEGY))


def test_the_prompts_of_a_strategy_are_in_keys_only_where_it_is_used(tmp_path: Path) -> None:
    """Runs that lengthen in two stages keep their keys, whatever becomes of the other prompts."""
    settings = config(iterations=1)
    play(tmp_path, settings)
    stage = json.loads((tmp_path / "rounds/01/3-expand/stage.json").read_text())["identity"]
    assert (
        stage["prompts"].keys() == {"expand.user", "system"} and "strategy" not in stage["expand"]
    )
    changed = context(tmp_path, settings)
    texts = dict(changed.prompts.texts)
    for name in prompts.SECTION:
        del texts[name]
    object.__setattr__(changed, "prompts", prompts.Prompts(texts, changed.prompts.answers))
    assert Fingerprints(changed).check() == []
