"""collect and finish: what they leave on disk, going on, doing again, and what they refuse."""

from __future__ import annotations

import fcntl
import json
import shlex
import shutil
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from selflengthen.cli import main
from selflengthen.inputs import prompts
from selflengthen.length.requirement import read_requirement
from tests.cli.test_bad_input import refused, tree
from tests.cli.test_run import no_engine  # noqa: F401 - a fixture
from tests.cli.test_signals import start, wait_for

SMALL = ["--collect.instructions", "5"]
FINAL = Path("runs/small/final")


@pytest.fixture
def run(work: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A run of one round."""
    assert main(["run", "small.yaml", "--iterations", "1", *SMALL]) == 0
    capsys.readouterr()
    return Path("runs/small")


def status(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what `status --json` says of the end."""
    capsys.readouterr()
    assert main(["status", "small", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["final"]


def test_collect_then_finish(
    run: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    assert status(capsys) is None
    assert main(["collect", "small"]) == 0
    assert "runs/small: Collected: " in capsys.readouterr().out
    said = status(capsys)
    assert said["collected"] and not said["finished"] and said["current"] is None
    union = (FINAL / "3-union/union.jsonl").read_text().splitlines()
    assert said["rows"] == len(union) == sum(said["from"].values())
    assert said["from"]["collected"] <= 5
    assert main(["finish", "runs/small"]) == 0
    assert "Finished." in capsys.readouterr().out
    said = status(capsys)
    assert said["finished"] and not said["stale"] and not said["merged"]
    assert {"score", "satisfied", "by_kind"} <= said["base"].keys() & said["final"].keys()
    products = {str(p.relative_to(FINAL)) for p in FINAL.rglob("*") if p.is_file()}
    assert products >= {
        "dataset/train.jsonl", "dataset/README.md", "figures.json", "adapter/README.md",
        "adapter/adapter_config.json", "adapter/adapter_model.safetensors",
    }  # fmt: skip
    before = tree(run)
    request.getfixturevalue("no_engine")
    for command in ("collect", "finish"):
        assert main([command, "small"]) == 0
    assert tree(run) == before
    assert main(["run", "small.yaml", "--iterations", "1", *SMALL]) == 0
    assert main(["status", "small"]) == 0
    out = capsys.readouterr().out
    assert "final/4-demand" in out and "length requirements" in out and "Complete: 1 of 1" in out


def test_prompts_of_ones_own_need_the_demand_only_to_finish(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(prompts.shipped("en"), "mine")
    Path("mine/demand.user.md").unlink()
    words = ["--iterations", "1", *SMALL, "--prompts", "mine"]
    assert main(["run", "small.yaml", *words]) == 0
    assert not Path("runs/small/prompts/demand.user.md").exists()
    assert main(["collect", "small"]) == 0
    said = refused(work, capsys, "finish", "small")
    assert said.startswith("selflengthen: mine/demand.user.md: is missing, and this command")


def test_the_cards_say_what_the_files_say(run: Path) -> None:
    from datasets import load_dataset

    assert main(["finish", "small"]) == 0
    cards = {name: (FINAL / name / "README.md").read_text() for name in ("dataset", "adapter")}
    heads = {name: yaml.safe_load(card.split("---\n")[1]) for name, card in cards.items()}
    assert heads["dataset"]["configs"][0]["data_files"][0]["path"] == "train.jsonl"
    assert heads["adapter"]["library_name"] == "peft" and "base_model" not in heads["adapter"]
    rows = load_dataset("json", data_files=str(FINAL / "dataset/train.jsonl"), split="train")
    assert f"{rows.num_rows} instructions" in cards["dataset"]
    for row in rows:
        asked = read_requirement(row["prompt"][0]["content"])
        assert asked is not None and asked.satisfied(row["words"])
    figures = json.loads((FINAL / "figures.json").read_text())
    scores = " | ".join(f"{figures[side]['score']:.3f}" for side in ("base", "final"))
    assert f"| score | {scores} |" in cards["adapter"]
    for card in cards.values():
        assert "{{" not in card and "\n\n\n" not in card
        assert str(Path.cwd()) not in card


def heads(*names: str) -> list[dict[str, Any]]:
    """Return the metadata of cards, as the hub's library reads them."""
    from huggingface_hub import metadata_load

    return [metadata_load(FINAL / name / "README.md") or {} for name in names]


def test_cards_carry_the_licence_and_the_results(run: Path) -> None:
    """Parsed by the hub's own classes, without a network."""
    from huggingface_hub import DatasetCardData, ModelCardData

    Path("tiny/README.md").write_text(
        "---\nlicense: other\nlicense_name: tiny-licence\n"
        "license_link: https://example.com/licence\n---\n# Tiny\n"
    )
    assert main(["finish", "small"]) == 0
    dataset, adapter = heads("dataset", "adapter")
    for head in (dataset, adapter):
        assert head["license"] == "other"
        assert head["license_name"] == "tiny-licence"
        assert head["license_link"] == "https://example.com/licence"
    assert DatasetCardData(**dataset).to_dict() == dataset
    parsed = ModelCardData(**adapter)
    assert parsed.model_name == "small"
    final = json.loads((FINAL / "figures.json").read_text())["final"]
    results = {result.metric_type: result.metric_value for result in parsed.eval_results or []}
    assert results["longen_score"] == final["score"]
    assert results["length_satisfied"] == final["satisfied"]
    assert results["mean_words"] == final["words"]["mean"]
    for name in ("dataset", "adapter"):
        card = (FINAL / name / "README.md").read_text()
        assert "[tiny-licence](https://example.com/licence)" in card
    assert "(../dataset)" in (FINAL / "adapter/README.md").read_text()


@pytest.mark.parametrize("card", [None, "# Tiny\n", "---\nlicense: [a\n---\n", "---\nx: 1\n---\n"])
def test_cards_say_where_the_licence_is_not_known(run: Path, card: str | None) -> None:
    if card is not None:
        Path("tiny/README.md").write_text(card)
    assert main(["finish", "small"]) == 0
    for name, head in zip(("dataset", "adapter"), heads("dataset", "adapter"), strict=True):
        assert "license" not in head
        assert "states its licence" in (FINAL / name / "README.md").read_text()


def test_a_model_of_the_hub_is_named_as_the_base(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cards of a run whose base model was fetched from the hub."""
    from dataclasses import replace

    from selflengthen.config import Config
    from selflengthen.inputs import models
    from selflengthen.release import cards
    from selflengthen.release.products import figures_of
    from selflengthen.storage.run_dir import RunFolder

    Path("tiny/README.md").write_text(
        "---\nlicense: other\nlicense_name: mine\nlicense_link: LICENSE\n---\n"
    )
    assert main(["finish", "small"]) == 0
    config = Config.model_validate(yaml.safe_load((run / "config.yaml").read_text()))
    config = config.model_copy(update={"model": "owner/tiny"})
    model = replace(models.find("tiny"), name="owner/tiny")
    figures = figures_of(RunFolder(run))
    assert figures
    facts = cards.gather(config, model, RunFolder(run), figures)
    for merged, relation in ((False, "adapter"), (True, "finetune")):
        head = yaml.safe_load(cards.model(facts, merged=merged).split("---\n")[1])
        assert head["base_model"] == "owner/tiny" and head["base_model_relation"] == relation
        assert head["license_link"] == "https://huggingface.co/owner/tiny/blob/main/LICENSE"
    final = msgspec.structs.replace(facts.figures.final, texts=0)
    none = replace(facts, figures=msgspec.structs.replace(facts.figures, final=final))
    assert "model-index" not in cards.model(none, merged=False)


def test_show_begins_a_final_held_out_text_with_its_instruction(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["finish", "small"]) == 0
    capsys.readouterr()
    wanted = {
        t["id"]: t["instruction"] for t in json.loads((FINAL / "figures.json").read_text())["texts"]
    }
    for name in ("base", "final"):
        line = (FINAL / f"6-held-out/{name}/records.jsonl").read_text().splitlines()[0]
        text = json.loads(line)
        assert main(["show", "small", "--json", "--id", text["id"]]) == 0
        chain = json.loads(capsys.readouterr().out)
        assert [found["stage"] for found in chain] == ["instruction", f"6-held-out/{name}"]
        assert chain[0]["record"]["text"] == wanted[text["source"]]


def test_show_follows_a_text_from_its_demand_to_its_instruction(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["finish", "small"]) == 0
    capsys.readouterr()
    ids = [json.loads(line)["id"] for line in (FINAL / "4-demand/records.jsonl").open()]
    stages = []
    for name in (ids[0], ids[-1]):
        assert main(["show", "small", "--json", "--id", name]) == 0
        chain = json.loads(capsys.readouterr().out)
        stages.append([found["stage"] for found in chain])
        assert chain[-1]["id"] == name
    assert sorted(stages) == [
        ["1-instruct", "2-draft", "3-expand", "4-demand"],
        ["1-instruct", "2-draft", "4-demand"],
    ]
    for stage, folder in {
        "demand": "4-demand", "final/4-demand": "4-demand", "final/draft": "2-draft",
        "final/1-instruct": "1-instruct", "held-out-base": "6-held-out/base",
        "final/6-held-out/final": "6-held-out/final",
    }.items():  # fmt: skip
        assert main(["show", "small", "--json", "--stage", stage]) == 0
        said = json.loads(capsys.readouterr().out)
        written = (FINAL / folder / "records.jsonl").read_text().splitlines()
        assert written and said == [json.loads(line) for line in written]
    for words, says in {
        ("--stage", "final/expand"): "no stage of texts 'final/expand'; choose one of ",
        ("--stage", "union"): "no stage of texts 'union'; choose one of ",
        ("--stage", "demand", "--round", "1"): "comes after the last round",
        ("--id", "final-expand-000000-00"): "no text 'final-expand",
    }.items():
        assert says in refused(Path(), capsys, "show", "small", *words)
    assert main(["show", "small", "--id", "final-draft-000000-00"]) == 0
    assert main(["show", "small", "--id", "final-held-out-base-held-out-en-001"]) == 0
    assert "held-out text final-held-out-base" in capsys.readouterr().out


def test_other_settings_are_refused_and_redo_sets_aside(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["finish", "small"]) == 0
    said = refused(Path(), capsys, "finish", "small", "--finish.spelled", "0.9")
    assert "final/4-demand was made with other settings" in said
    assert "finish.spelled: 0.2 → 0.9" in said and "--redo 4-demand" in said
    assert "expand.growth: 1.2 → 1.1" in refused(
        Path(), capsys, "finish", "small", "--expand.growth", "1.1"
    )
    kept = tree(FINAL / "3-union")
    assert main(["finish", "small", "--finish.spelled", "0.9", "--redo", "demand"]) == 0
    (aside,) = (run / "superseded").iterdir()
    assert {p.name for p in (aside / "final").iterdir()} == {
        "4-demand", "5-train", "6-held-out", "dataset", "adapter", "figures.json",
    }  # fmt: skip
    assert tree(FINAL / "3-union") == kept
    assert status(capsys)["finished"]
    assert main(["finish", "small"]) == 0  # the setting stands in config.yaml now
    made = tree(FINAL)
    assert main(["finish", "small", "--redo", "6-held-out"]) == 0
    assert {n: c for n, c in tree(FINAL).items() if n.startswith("dataset")} == {
        n: c for n, c in made.items() if n.startswith("dataset")
    }


def test_a_round_more_makes_the_end_stale(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finish", "small"]) == 0
    assert main(["run", "small.yaml", "--iterations", "2", *SMALL]) == 0
    assert status(capsys)["stale"]
    assert main(["status", "small"]) == 0
    assert "finish --redo instruct" in capsys.readouterr().out
    said = refused(Path(), capsys, "finish", "small")
    assert "from other rounds" in said and "--redo 1-instruct" in said
    assert main(["finish", "small", "--redo", "instruct"]) == 0
    said = status(capsys)
    assert said["finished"] and not said["stale"] and said["rounds"] == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["finish", "gone"], "gone is not a run"),
        (["collect", "small", "--redo", "demand"], "--redo: collect has no stage 'demand'"),
        (["finish", "small", "--redo", "dataset"], "one of 1-instruct, 2-draft, 3-union, 4-demand"),
        (["finish", "small", "--redo", "train"], "--redo train: runs/small has not reached"),
        (["finish", "small", "--finish.about", "2x"], "--finish.about: '2x' is not allowed"),
        (["finish"], "RUN"),
        (["collect", "small", "--merge"], "--merge: no such"),
        (
            ["finish", "small", *(w for k in ("about", "range", "above", "below")
                                  for w in (f"--finish.{k}", "0"))],
            "finish.about, range, above and below are all 0",
        ),
    ],
)  # fmt: skip
def test_bad_input(
    run: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert says in refused(Path(), capsys, *words)


def test_a_run_without_a_finished_round(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(run / "rounds/01/6-held-out")
    for command in ("collect", "finish"):
        assert "no round is finished yet" in refused(Path(), capsys, command, "small")


def test_a_run_in_use(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open(run / "lock", "r+") as file:
        file.truncate(0)
        file.write("process 7 on elsewhere\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        for command in ("collect", "finish"):
            said = refused(Path(), capsys, command, "small")
            assert "this run is in use by process 7 on elsewhere" in said


def test_without_held_out_texts(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--held_out.texts", "0", *SMALL]
    assert main(["run", "small.yaml", "--iterations", "1", "--run-dir", "runs/bare", *words]) == 0
    assert main(["finish", "bare"]) == 0
    assert main(["status", "bare"]) == 0
    out = capsys.readouterr().out
    assert "Finished." in out and "satisfied" not in out
    assert "## Length requirements" not in Path("runs/bare/final/adapter/README.md").read_text()


def test_no_room_to_merge(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(run)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=64))
    assert "--merge needs about" in refused(Path(), capsys, "finish", "small", "--merge")


def test_a_merge_that_fails_is_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The model of these tests has no weights that anything could load."""
    assert main(["finish", "small", "--merge"]) == 1
    err = capsys.readouterr().err
    assert "selflengthen: Merging failed: " in err and "final/7-merge/merge.log" in err
    assert not (FINAL / "merged").exists() and status(capsys)["merged"] is False
    assert main(["finish", "small"]) == 0
    assert main(["finish", "small", "--redo", "merge"]) == 1  # which asks for it, too
    assert "selflengthen: Merging failed: " in capsys.readouterr().err


def test_a_signal_saves_and_the_same_command_goes_on(run: Path) -> None:
    words = ["finish", "small", "--engine.latency", "0.3", "--engine.in_flight", "2"]
    process = start(*words)
    wait_for(FINAL / "4-demand/records.jsonl", process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert not (FINAL / "4-demand/DONE.json").exists()
    again = shlex.split(err.strip().splitlines()[-1].partition("To resume: ")[2])
    assert again == ["python", "-m", "selflengthen", *words]
    process = start(*again[3:], "--engine.latency", "0")
    assert "Finished." in process.communicate(timeout=120)[0]
