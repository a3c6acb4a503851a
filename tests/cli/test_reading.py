"""status, show and estimate on a run that the scripted engine made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from selflengthen.cli import main
from selflengthen.cli.output.format import visible
from selflengthen.text.measures import word_count
from tests.cli.conftest import make_model
from tests.cli.test_bad_input import refused, tree


@pytest.fixture
def run(work: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["run", "small.yaml"]) == 0
    capsys.readouterr()
    return Path("runs/small")


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    before = tree(Path("runs"))
    assert main([*words, "--json"]) == 0
    assert tree(Path("runs")) == before
    return json.loads(capsys.readouterr().out)


def records(run: Path, stage: str) -> list[dict[str, Any]]:
    text = (run / "rounds" / stage / "records.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_status_keeps_its_contract(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = asked(capsys, "status", "runs/small")
    held = {"held_out_words", "held_out_ends", "held_out_repeats"}
    assert held <= said["base"].keys()
    assert [row["round"] for row in said["rounds"]] == [1, 2]
    texts = records(run, "01/6-held-out")
    first = said["rounds"][0]
    assert {"draft_words", "expansion_words", "acceptance", *held} <= first.keys()
    assert first["held_out_words"] == pytest.approx(
        sum(word_count(t["text"]) for t in texts) / len(texts), abs=0.06
    )
    assert first["held_out_ends"] == pytest.approx(
        sum(t["finish_reason"] == "stop" for t in texts) / len(texts), abs=1e-4
    )
    drafts = records(run, "01/2-draft")
    assert first["draft_words"] == pytest.approx(
        sum(d["words"] for d in drafts) / len(drafts), abs=0.06
    )
    tried = sum(1 for d in drafts if d["dropped"] is None)
    assert first["acceptance"] == pytest.approx(len(records(run, "01/3-expand")) / tried, abs=1e-4)
    assert said["complete"] is True and said["stopped"] is None and said["current"] is None


def test_status_of_an_unfinished_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a kill in the drafts of round 2 leaves it, the last line torn."""
    second = run / "rounds/02"
    for name in ("3-expand", "4-dataset", "5-train", "6-held-out", "metrics.json"):
        path = second / name
        path.unlink() if path.is_file() else shutil.rmtree(path)
    draft = second / "2-draft"
    (draft / "DONE.json").unlink()
    (draft / "rejected.jsonl").write_bytes(b"")
    lines = (draft / "records.jsonl").read_bytes().splitlines(keepends=True)
    (draft / "records.jsonl").write_bytes(b"".join(lines[:5]) + lines[5][:20])
    said = asked(capsys, "status", "runs/small")
    assert [row["round"] for row in said["rounds"]] == [1]
    total = sum(1 for r in records(run, "02/1-instruct") if r["dropped"] is None)
    now = said["current"]
    assert (now["round"], now["stage"], now["done"], now["total"]) == (2, "2-draft", 5, total)
    assert now["seconds_left"] >= 0
    assert said["complete"] is False and said["controller"] is None
    assert main(["status", "small"]) == 0
    out = capsys.readouterr().out
    assert "Interrupted" in out and f"Round 2, 2-draft: 5 of {total}" in out


def test_a_training_that_stands_still(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = run / "rounds/02"
    shutil.rmtree(second / "6-held-out")
    expander, rows = second / "5-train/expander", second / "4-dataset/expander.jsonl"
    (expander / "DONE.json").unlink()
    job = {"rows": str(rows), "batch": 2, "epochs": 4}
    (expander / "job.json").write_text(json.dumps(job))
    now = asked(capsys, "status", "small")["current"]
    count = len(rows.read_text().splitlines())
    assert (now["stage"], now["done"], now["total"]) == ("5-train/expander", 3, -(-count // 2) * 4)
    assert now["seconds_left"] == pytest.approx((now["total"] - 3) * 0.1)


def test_status_for_people(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "runs/small"]) == 0
    out = capsys.readouterr().out
    assert "runs/small: Complete: 2 of 2 rounds." in out
    for part in ("01/3-expand", "rejected: ", "median", "02/5-train/generator", "times as long"):
        assert part in out


def test_show_follows_a_text_both_ways(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expansion = records(run, "02/3-expand")[0]
    for name in (expansion["id"], expansion["source"]):
        chain = asked(capsys, "show", "small", "--id", name)
        assert [found["stage"] for found in chain] == ["1-instruct", "2-draft", "3-expand"]
        texts = [found["record"] for found in chain]
        assert texts[2] == expansion
        assert [texts[1]["source"], texts[2]["source"]] == [texts[0]["id"], texts[1]["id"]]
    assert main(["show", "small", "--id", expansion["id"]]) == 0
    out = capsys.readouterr().out
    assert out.index("instruction r02") < out.index("draft r02") < out.index("expansion r02")
    assert visible(expansion["text"]) in out


def test_show_of_a_refused_text(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rejections = [
        json.loads(line)
        for stage in ("01/2-draft", "02/2-draft")
        for line in (run / "rounds" / stage / "rejected.jsonl").read_text().splitlines()
    ]
    assert main(["show", "small", "--id", rejections[0]["id"]]) == 0
    assert f"rejected: draft, attempt 1: {rejections[0]['reason']}" in capsys.readouterr().out


def test_show_without_an_id_is_the_median_of_the_last_round(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = sorted(r["words"] for r in records(run, "02/3-expand") if r["dropped"] is None)
    chain = asked(capsys, "show", "small")
    assert chain[-1]["record"]["words"] == kept[len(kept) // 2]


def test_show_lists_a_stage(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(capsys, "show", "small", "--round", "1", "--stage", "draft") == records(
        run, "01/2-draft"
    )
    assert main(["show", "small", "--round", "0", "--stage", "6-held-out"]) == 0
    assert capsys.readouterr().out.count("\n") == 6


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--id", "nonsense"], "--id: 'nonsense' is not the id"),
        (["--id", "r01-draft-x", "--stage", "draft"], "--id names one text"),
        (["--id", "r01-draft-999999-00"], "no text 'r01-draft-999999-00'"),
        (["--round", "7", "--stage", "draft"], "no stage 07/2-draft"),
        (["--stage", "demand"], "no stage final/4-demand yet"),
        (["--stage", "train"], "--stage: no stage of texts 'train'"),
        (["--round", "x"], "--round: invalid int value: 'x'"),
    ],
)
def test_show_of_nothing(
    run: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert says in refused(Path(), capsys, "show", "small", *words)


def test_no_orders_to_the_terminal() -> None:
    text = "a\x1b[2Jb\x07\x9b1m\x7f\r\u202eend\n\ttab [red]"
    shown = visible(text)
    assert shown == "a␛[2Jb␇\\u009b1m\\u007f␍\\u202eend\n\ttab [red]"


def test_estimate_says_what_it_assumes(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs").mkdir()
    said = asked(capsys, "estimate", "small.yaml")
    assert (
        said["generated"]["value"] > 0 and "double with every round" in said["generated"]["assumes"]
    )
    assert all(figure["assumes"] for figure in said.values())
    more = asked(capsys, "estimate", "small.yaml", "--instruct.per_round", "120")
    for name in ("generated", "trained", "disk"):
        assert 5 < more[name]["value"] / said[name]["value"] <= 10
    assert main(["estimate", "small.yaml"]) == 0
    assert "train memory" in capsys.readouterr().out


def test_estimate_knows_what_is_chosen(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs").mkdir()
    words = ["estimate", "small.yaml", "--curate"]
    whole, same, few = (
        asked(capsys, *words, steps)["trained"]["value"]
        for steps in ("[]", "[{longest: {k: 9999}}, {faithful: {}}]", "[{longest: {k: 2}}]")
    )
    assert few < whole == same
    small = [*("small.yaml", "--iterations", "1"), "--curate", "[{longest: {k: 2}}]"]
    assert main(["run", *small]) == 0
    capsys.readouterr()
    assert asked(capsys, "estimate", *small)["trained"]["value"] < whole


def test_estimate_learns_from_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = asked(capsys, "estimate", "small.yaml")
    assert "measured in this run" in said["generated"]["assumes"]
    assert "1,000 tokens/s, measured in this run" in said["train_hours"]["assumes"]
    stages = asked(capsys, "status", "small")["stages"]
    written = sum(stage["tokens"] for stage in stages if "tokens" in stage)
    assert 0.5 < said["generated"]["value"] / written < 2
    assert said["disk_left"]["value"] < said["disk"]["value"]


def test_estimate_learns_nothing_from_another_models_run(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_model(Path("other"), positions=16_384)
    said = asked(capsys, "estimate", "small.yaml", "--model", "other")
    assert "double with every round" in said["generated"]["assumes"]
    assert "measured in this run" not in said["train_hours"]["assumes"]


def test_estimate_knows_what_comes_after_the_rounds(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["finish", "small"]) == 0
    capsys.readouterr()
    said = asked(capsys, "estimate", "small.yaml")
    stages = {s["stage"]: s for s in asked(capsys, "status", "small")["stages"]}
    collected = sum(stages[f"final/{name}"]["tokens"] for name in ("1-instruct", "2-draft"))
    assert 0.25 < said["collect_generated"]["value"] / collected < 4
    for name in ("hours", "memory", "disk"):
        assert said[f"collect_{name}"]["value"] > 0 and said[f"finish_{name}"]["value"] > 0
    rows = len((run / "final/dataset/train.jsonl").read_text().splitlines())
    mean = said["finish_trained"]["value"] / (4 * rows)
    assert 200 < mean < 4000
    none = asked(capsys, "estimate", "small.yaml", "--collect.instructions", "0")
    assert none["collect_generated"]["value"] == 0
    assert none["finish_trained"]["value"] < said["finish_trained"]["value"]
    rounds = sum(f.stat().st_size for f in (run / "rounds").rglob("*") if f.is_file())
    assert said["disk_left"]["value"] == max(0, said["disk"]["value"] - rounds)


def test_held_out_instructions_stand_in_the_run(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads a held-out text can see what it answers, in the files and by `show`."""
    kept = [json.loads(line) for line in (run / "held-out.jsonl").read_text().splitlines()]
    instructions = {line["id"]: line["instruction"] for line in kept}
    for record in records(run, "00/6-held-out") + records(run, "02/6-held-out"):
        assert instructions[record["source"]]
    text = records(run, "02/6-held-out")[0]
    chain = asked(capsys, "show", "small", "--id", text["id"])
    assert [found["stage"] for found in chain] == ["instruction", "6-held-out"]
    assert chain[0]["record"]["text"] == instructions[text["source"]]
    assert chain[1]["record"] == text
    assert main(["show", "small", "--id", text["id"]]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"instruction {text['source']} (")
    assert out.index(visible(instructions[text["source"]])) < out.index("held-out text r02")


def test_a_run_without_held_out_instructions_is_shown_as_it_is(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs that an earlier version began have no held-out.jsonl."""
    (run / "held-out.jsonl").unlink()
    text = records(run, "01/6-held-out")[0]
    assert [found["record"] for found in asked(capsys, "show", "small", "--id", text["id"])] == [
        text
    ]


def test_a_stage_without_a_round_is_that_of_the_last_round_that_has_it(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(capsys, "show", "small", "--stage", "draft") == records(run, "02/2-draft")
    assert asked(capsys, "show", "small", "--stage", "held-out") == records(run, "02/6-held-out")
    shutil.rmtree(run / "rounds/02/3-expand")
    assert asked(capsys, "show", "small", "--stage", "expand") == records(run, "01/3-expand")
    assert asked(capsys, "show", "small", "--stage", "draft") == records(run, "02/2-draft")
