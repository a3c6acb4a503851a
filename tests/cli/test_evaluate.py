"""`evaluate` on the scripted engine: runs and models, files on disk, error messages."""

from __future__ import annotations

import fcntl
import json
import shlex
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from selflengthen.cli import main
from tests.cli.conftest import make_model
from tests.cli.test_bad_input import refused, tree
from tests.cli.test_run import no_engine  # noqa: F401 - a fixture
from tests.cli.test_signals import start, wait_for
from tests.evaluate.data import lifebench_public

SCRIPTED = ["--engine.kind", "scripted", "--engine.context", "4096"]
SCRIPTED += ["--sampling.max_tokens", "2000"]
JUDGE = ["--judge.model", "tiny", "--judge.engine.kind", "scripted"]
POCKET = ["--benchmark", "pocket"]
HERE = Path("runs/small/evaluate/pocket")


@pytest.fixture
def run(work: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A run of two rounds."""
    assert main(["run", "small.yaml"]) == 0
    capsys.readouterr()
    return Path("runs/small")


def evaluate(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """Return what `evaluate --json` prints."""
    capsys.readouterr()
    assert main(["evaluate", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_all_rounds_of_a_run(
    run: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    settings = (run / "config.yaml").read_bytes()
    figures = evaluate(capsys, "small", *POCKET, "--engine.in_flight", "7")
    assert (run / "config.yaml").read_bytes() == settings
    names = ["small base", "small round 1", "small round 2"]
    assert [model["name"] for model in figures["models"]] == names
    assert figures["rows"] == 48 and figures["judge"] is None
    assert figures == json.loads((HERE / "scores.json").read_text())
    for model, state in zip(figures["models"], ("base", "01", "02"), strict=True):
        records = lines(HERE / state / "answers/records.jsonl")
        assert len(records) == 48
        on_file = Path(f"{state}.jsonl")
        rows = lines(Path(__file__).parents[2] / "selflengthen/pocket/benchmark.jsonl")
        texts = {r["source"]: r["text"] for r in records}
        answered = (row | {"response": texts[str(n)]} for n, row in enumerate(rows, 1))
        on_file.write_text("".join(json.dumps(row) + "\n" for row in answered))
        assert main(["score", "longen", str(on_file), "--json"]) == 0
        scored = json.loads(capsys.readouterr().out)
        for key in ("overall", "about", "range", "above", "below", "words", "empty", "by_band"):
            assert model[key] == scored[key]
    texts_of_all = lines(HERE / "texts.jsonl")
    assert [text["row"] for text in texts_of_all] == list(range(1, 49)) * 3
    for picture in ("lengths.png", "bands.png"):
        assert (HERE / picture).read_bytes().startswith(b"\x89PNG")
    before = tree(HERE)
    request.getfixturevalue("no_engine")
    assert evaluate(capsys, str(run), *POCKET) == figures
    assert tree(HERE) == before
    assert main(["evaluate", "small", *POCKET]) == 0
    out = capsys.readouterr().out
    assert "small round 2" in out and "200-400" in out and "report.md" in out
    assert "| small round 2 |" in (HERE / "report.md").read_text()
    assert main(["status", "small"]) == 0
    assert "evaluate" not in {p.name for p in (run / "rounds").iterdir()}


def test_lifebenchs_public_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = (row | {"control_method": "equal to"} for row in lifebench_public()[1:])
    Path("life.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["small", "--benchmark", "lifebench", "--data", "life.jsonl"]
    figures = evaluate(capsys, *words)
    texts = lines(run / "evaluate/lifebench/texts.jsonl")
    assert figures["rows"] == 22 and len(texts) == 66
    for model in figures["models"]:
        assert list(model["bands"]) == list(model["by_length"])
        counted = [one for one in texts if one["name"] == model["name"] and one["counts"]]
        responses = model["by_constraint"]["equal to"]["responses"]
        assert len(counted) == 22 - model["dropped"] == responses
    assert main(["evaluate", *words]) == 0
    assert "8192" in capsys.readouterr().out


def test_only_a_new_round_is_answered(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(capsys, "small", *POCKET)
    before = tree(HERE / "01")
    assert main(["run", "small.yaml", "--iterations", "3"]) == 0
    assert main(["finish", "small"]) == 0
    figures = evaluate(capsys, "small", *POCKET)
    assert [model["state"] for model in figures["models"]] == ["base", "01", "02", "03", "final"]
    assert tree(HERE / "01") == before


def test_models_and_runs_side_by_side(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_model(Path("other/tiny"), positions=9000)
    words = ["small:base", "small:2", "tiny", "other/tiny", *POCKET, *SCRIPTED]
    figures = evaluate(capsys, *words)
    names = [model["name"] for model in figures["models"]]
    assert names == ["small base", "small round 2", "tiny", "other/tiny"]
    assert not (HERE / "01").exists() and not (HERE / "scores.json").exists()
    (place,) = Path("runs/evaluate").glob("*+*/pocket")
    assert place.parent.name == "small-base+small-2+tiny+tiny"
    plots = {"lengths.png", "bands.png"}
    assert {p.name for p in place.iterdir()} == {
        "scores.json",
        "texts.jsonl",
        "report.md",
        "lock",
    } | plots
    with open(place / "lock", "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        message = refused(Path(), capsys, "evaluate", *words)
    assert f"{place}: this evaluation is in use by" in message
    apart = {p.name for p in Path("runs/evaluate").glob("tiny-*")}
    assert len(apart) == 2


def test_a_judge_has_an_engine_of_its_own(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = evaluate(capsys, "small:base", "small:1", *POCKET, *JUDGE, "--judge.attempts", "1")
    assert figures["judge"]["model"] == "tiny" and figures["judge"]["rubric"] == "longen"
    for model in figures["models"]:
        judged = model["judged"]
        assert judged["judged"] + judged["unjudged"] == 48 and judged["unjudged"] > 0
        assert 1 <= judged["quality"] <= 10 and len(judged["grades"]) == 7
        rejected = lines(HERE / model["state"] / "judged/tiny/rejected.jsonl")
        assert len(rejected) == judged["unjudged"]
    assert (
        main(["evaluate", "small:base", "small:1", *POCKET, *JUDGE, "--judge.attempts", "1"]) == 0
    )
    out = capsys.readouterr().out
    assert "grades from 1 to 10 by tiny" in out and "unjudged, small base: form" in out
    message = refused(Path(), capsys, "evaluate", "small", *POCKET, *JUDGE)
    assert (
        "base/judged/tiny was made with other settings" in message and "attempts: 1 → 3" in message
    )
    answers = tree(HERE / "base/answers")
    assert main(["evaluate", "small:base", *POCKET, *JUDGE, "--redo"]) == 0
    assert "set aside: " in capsys.readouterr().err
    assert tree(HERE / "base/answers") == answers
    assert (HERE / "superseded").exists()


def test_a_public_benchmark_from_its_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(Path(__file__).parents[1] / "evaluate/longbench-write.jsonl")
    words = ["tiny", "--benchmark", "longbench-write", "--data", data, *SCRIPTED, *JUDGE]
    figures = evaluate(capsys, *words)
    (model,) = figures["models"]
    assert 0 <= model["s_l"] <= 100 and model["by_type"]
    assert 0 <= model["judged"]["s_q"] <= 100 and len(model["judged"]["grades"]) == 6
    assert list(model["bands"]) == ["under 500", "500-2k", "2k-4k", "4k and more"]


def test_a_model_that_only_a_server_has(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Such a model is known by name and address; no folder is looked for."""
    words = ["a-model", *POCKET, "--engine.kind", "openai", "--engine.url", "http://127.0.0.1:9/v1"]
    assert main(["evaluate", *words, "--engine.patience", "0.1"]) == 1
    assert "http://127.0.0.1:9/v1: no usable answer for" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["small"], "--benchmark"),
        (POCKET, "MODEL|RUN"),
        (["small", "--benchmark", "longen"], "--benchmark longen: its public file is not shipped"),
        (["small", "--benchmark", "pokcet"], "invalid choice: 'pokcet'"),
        (["small", *POCKET, "--data", "gone.jsonl"], "gone.jsonl: cannot be read"),
        (["small", *POCKET, "--data", "empty.jsonl"], "empty.jsonl: is empty"),
        (["small", *POCKET, "--data", "bad.jsonl"], "bad.jsonl, line 2: field 'query' asks for no"),
        (["gone", *POCKET], "gone: is neither a model nor a run"),
        (["small:7", *POCKET], "small:7: the run has no state '7'; it has base, 1, 2."),
        (["small", *POCKET, "--model", "tiny"], "--model: name the model without an option"),
        (["small", *POCKET, "--sampling.top_p", "2"], "--sampling.top_p: '2' is not allowed"),
        (["small", *POCKET, "--judge.model", "gone"], "judge.model: gone is neither a model"),
        (["small", *POCKET, "--judge.max_tokens", "99999"], "judge.max_tokens (99999) leaves no"),
        (["runs", *POCKET], "runs is not a model folder"),
        (["small", *POCKET, "--limit", "3"], "--limit: no such option or config field"),
    ],
)
def test_bad_input(
    run: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    Path("empty.jsonl").touch()
    good = '{"query": "Use 9 words.", "constraint": "9 words"}\n'
    Path("bad.jsonl").write_text(good + '{"query": "A poem."}\n')
    assert says in refused(Path(), capsys, "evaluate", *words)


def test_an_evaluation_in_use(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(capsys, "small", *POCKET)
    with open(HERE / "lock", "r+") as file:
        file.truncate(0)
        file.write("process 7 on elsewhere\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        message = refused(Path(), capsys, "evaluate", "small", *POCKET)
    assert "this evaluation is in use by process 7 on elsewhere" in message


def test_it_works_while_the_run_is_locked(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An evaluation has a lock of its own, so finished rounds can be evaluated during a run."""
    with open(run / "lock", "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert len(evaluate(capsys, "small", *POCKET)["models"]) == 3


def test_a_signal_saves_and_the_same_command_resumes(run: Path) -> None:
    words = ["evaluate", "small", *POCKET, "--engine.latency", "0.3", "--engine.in_flight", "2"]
    process = start(*words)
    wait_for(HERE / "base/answers/records.jsonl", process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert not (HERE / "base/answers/DONE.json").exists()
    again = shlex.split(err.strip().splitlines()[-1].partition("To resume: ")[2])
    assert again == ["python", "-m", "selflengthen", *words]
    process = start(*again[3:], "--engine.latency", "0")
    assert "small round 2" in process.communicate(timeout=120)[0]
    assert process.returncode == 0


def test_all_targets_are_set_aside_before_one_answers(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that resumes has no --redo, so nothing outdated may be left."""
    make_model(Path("second"), positions=9000)
    words = ["tiny", "second", *POCKET, *SCRIPTED]
    evaluate(capsys, *words)
    away = ["--engine.kind", "openai", "--engine.url", "http://127.0.0.1:9/v1"]
    away += ["--engine.patience", "0.1", "--redo"]
    assert main(["evaluate", *words, "--seed", "5", *away]) == 1
    assert len(list(Path("runs/evaluate").glob("*/pocket/superseded"))) == 2
    assert len(evaluate(capsys, *words, "--seed", "5")["models"]) == 2


def test_what_was_changed_is_not_scored(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(capsys, "small", *POCKET, *JUDGE)
    report = (HERE / "report.md").read_bytes()
    for place in ("01/answers", "01/judged/tiny"):
        for name, damage in (("records.jsonl", _shorten), ("DONE.json", _forget_counts)):
            path = HERE / place / name
            whole = path.read_bytes()
            damage(path)
            line = refused(HERE, capsys, "evaluate", "small", *POCKET, *JUDGE)
            assert f"{path}: " in line and f"move {path.parent} away" in line
            assert main(["check", "small"]) == 1
            assert f"{path}: " in capsys.readouterr().out
            path.write_bytes(whole)
    assert (HERE / "report.md").read_bytes() == report
    shutil.rmtree(HERE / "01")
    evaluate(capsys, "small", *POCKET, *JUDGE)
    assert (HERE / "report.md").read_bytes() == report


def _shorten(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


def _forget_counts(path: Path) -> None:
    done = json.loads(path.read_text())
    del done["dropped"]
    path.write_text(json.dumps(done))
