"""Rows are chosen between dataset and training: what is trained on, and what no kill takes."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from selflengthen.config import Config
from selflengthen.errors import UserError
from selflengthen.pipeline.fingerprints import Fingerprints
from selflengthen.storage.stage_table import CURATE
from selflengthen.text.measures import word_count
from tests.loop.scripted_run import config, contents, context, play

K = 5
MOMENTS = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 4.0, 8.0)
"""Seconds after the choosing began; its child alone takes half a second to start."""
GENERAL = [{"instruction": f"What is {n} and {n}?", "output": f"It is {2 * n}."} for n in range(40)]


def chosen(folder: Path, **changes: Any) -> Config:
    """Return a configuration that trains on the longest of a round with general rows among them."""
    general = folder / "general.jsonl"
    general.write_text("".join(json.dumps(row) + "\n" for row in GENERAL))
    steps = [{"longest": {"k": K}}, {"mix": {"general": str(general), "ratio": "2:5"}}]
    return config(**{"curate": steps, **changes})


def lines(path: Path) -> Iterator[Any]:
    return map(json.loads, path.read_text().splitlines())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curated")
    play(folder / "run", chosen(folder))
    return folder / "run"


@pytest.mark.parametrize("number", ["01", "02"])
def test_the_longest_stay_and_what_went_is_on_file(run: Path, number: str) -> None:
    made, kept = run / "rounds" / number / "4-dataset", run / "rounds" / number / "4b-curate"
    whole = list(lines(made / "generator.jsonl"))
    words = {row["id"]: word_count(row["completion"][0]["content"]) for row in whole}
    rows = list(lines(kept / "generator.jsonl"))
    own = [row for row in rows if not row["id"].startswith("general-")]
    assert len(own) == K < len(whole)
    assert own == [row for row in whole if row["id"] in {r["id"] for r in own}]
    dropped = {line["id"]: line for line in lines(kept / "generator.dropped.jsonl")}
    assert dropped.keys() == words.keys() - {row["id"] for row in own}
    assert all(line["words"] == words[name] for name, line in dropped.items())
    assert max(words[n] for n in dropped) <= min(words[row["id"]] for row in own)
    done = json.loads((kept / "DONE.json").read_text())
    assert (done["rows"], done["of"], done["added"]) == (K + 2, len(whole), 2)
    assert done["dropped"] == {"short": len(dropped)}


def test_the_expanders_rows_are_those_of_the_same_texts(run: Path) -> None:
    made, kept = run / "rounds/01/4-dataset", run / "rounds/01/4b-curate"
    own = [r["id"] for r in lines(kept / "generator.jsonl") if not r["id"].startswith("general-")]
    rows = list(lines(kept / "expander.jsonl"))
    assert [row["id"] for row in rows] == own
    assert all(row in list(lines(made / "expander.jsonl")) for row in rows)


def test_general_rows_are_training_rows_and_others_each_round(run: Path) -> None:
    drawn = []
    for number in ("01", "02"):
        rows = list(lines(run / "rounds" / number / "4b-curate/generator.jsonl"))
        general = [row for row in rows if row["id"].startswith("general-")]
        for row in general:
            number_ = int(row["id"].removeprefix("general-"))
            assert row["prompt"][0]["content"] == GENERAL[number_]["instruction"]
            assert row["completion"] == [
                {"role": "assistant", "content": GENERAL[number_]["output"]}
            ]
        drawn.append([row["id"] for row in general])
    assert drawn[0] != drawn[1]


def test_both_roles_are_trained_on_what_was_chosen(run: Path) -> None:
    for role, rows in (("generator", K + 2), ("expander", K)):
        done = json.loads((run / f"rounds/01/5-train/{role}/DONE.json").read_text())
        assert done["rows"] == rows
    figures = json.loads((run / "rounds/01/metrics.json").read_text())
    assert figures["stages"]["curate"]["rows"] == K + 2


def test_a_k_beyond_the_round_keeps_all(tmp_path: Path) -> None:
    play(tmp_path / "run", config(curate=[{"longest": {"k": 10_000}}], iterations=1))
    first = tmp_path / "run/rounds/01"
    assert list(lines(first / "4b-curate/generator.jsonl")) == list(
        lines(first / "4-dataset/generator.jsonl")
    )


def test_too_few_rows_are_those_after_it(tmp_path: Path) -> None:
    settings = chosen(tmp_path, train={"min_rows": K + 1}, iterations=1)
    play(tmp_path / "run", settings)
    skipped = {
        role: json.loads((tmp_path / f"run/rounds/01/5-train/{role}/DONE.json").read_text()).get(
            "skipped", False
        )
        for role in ("generator", "expander")
    }
    assert skipped == {"generator": False, "expander": True}


def test_where_none_is_left_the_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^faithful: would drop every row of .*generator\.jsonl"):
        play(tmp_path / "run", config(curate=[{"faithful": {"least": 100}}], iterations=1))
    assert not (tmp_path / "run/rounds/01/4b-curate/DONE.json").exists()


def test_without_steps_nothing_is_other(tmp_path: Path) -> None:
    play(tmp_path / "run", config(iterations=1))
    first = tmp_path / "run/rounds/01"
    assert not (first / "4b-curate").exists()
    identity = json.loads((first / "5-train/generator/stage.json").read_text())["identity"]
    assert identity.keys() == {"model", "seed", "train", "prompts", "inputs"}
    assert identity["inputs"].keys() == {"4-dataset", "generator"}
    assert "curate" not in json.loads((first / "metrics.json").read_text())["stages"]


def test_other_steps_or_other_content_are_refused(run: Path) -> None:
    folder = run.parent
    assert identities(run, chosen(folder)).check() == []
    other = config(curate=[{"longest": {"k": 6}}])
    with pytest.raises(UserError, match=r"01/4b-curate was made with other settings \(curate: "):
        identities(run, other).check()
    with pytest.raises(UserError, match=r"--redo 01/4b-curate"):
        identities(run, config()).check()
    settings = chosen(folder)
    (folder / "general.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    with pytest.raises(UserError, match=r"4b-curate was made .*\(files\..*general\.jsonl differs"):
        identities(run, settings).check()
    chosen(folder)


def test_steps_that_come_later_are_noticed(tmp_path: Path) -> None:
    play(tmp_path / "run", config(iterations=1))
    settings = chosen(tmp_path, iterations=1)
    with pytest.raises(UserError, match=r"01/5-train/expander was made with other settings"):
        identities(tmp_path / "run", settings).check()
    again = identities(tmp_path / "run", settings).check((1, CURATE))
    assert [f.title for f in again] == [
        "01/5-train/expander", "01/5-train/generator", "01/6-held-out",
    ]  # fmt: skip


def identities(folder: Path, settings: Config) -> Fingerprints:
    """Return the identities that a start with these settings has."""
    return Fingerprints(context(folder, settings))


def test_killed_while_it_chooses_it_ends_like_an_uninterrupted_one(
    run: Path, tmp_path: Path
) -> None:
    """Every start is killed some time after the choosing began; a child in work dies with it."""
    settings = chosen(run.parent)
    whole, rng, kills = contents(run), random.Random(2), 0
    while kills < 4:
        folder = tmp_path / f"killed-{kills}"
        while not _survives(folder, settings, rng.choice(MOMENTS)):
            kills += 1
        assert contents(folder) == whole


def _survives(folder: Path, settings: Config, seconds: float) -> bool:
    """Play in a fork that is killed `seconds` after it began to choose, or not at all."""
    done = set(folder.glob("rounds/*/4b-curate/DONE.json"))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            play(folder, settings)
            status = 0
        finally:
            os._exit(status)
    began = None
    while not os.waitpid(child, os.WNOHANG)[0]:
        begun = set(folder.glob("rounds/*/4b-curate/stage.json"))
        if began is None and len(begun) > len(done):
            began = time.monotonic()
        if began is not None and time.monotonic() > began + seconds:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            return not os.WIFSIGNALED(status)
        time.sleep(0.002)
    return True
