"""Each benchmark runs in a tiny form, and the common table shows missed targets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks import strategies, system_turns
from benchmarks.result import Figure, Result, at_least, at_most, failed

ROOT = Path(__file__).parents[1]


def run(tmp_path: Path, module: str, *options: str) -> Result:
    """Run a benchmark in a separate process; its speed does not matter."""
    file = tmp_path / "result.json"
    command = [sys.executable, "-m", module, *options, "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert file.exists(), done.stderr
    result = msgspec.json.decode(file.read_bytes(), type=Result)
    assert done.returncode == int(failed([result])), done.stderr
    return result


def values(result: Result) -> dict[str, float]:
    """Return the figures by label."""
    return {figure.label: figure.value for figure in result.figures}


def test_checks(tmp_path: Path) -> None:
    figures = values(run(tmp_path, "benchmarks.bench_checks", "--megabytes", "0.2"))
    for language in ("english", "chinese"):
        ratio = figures[f"{language}: all checks"] / figures[f"{language}: sliding tuples"]
        assert figures[f"{language}: all checks ÷ sliding tuples"] == pytest.approx(ratio)
        assert figures[f"{language}: all checks"] < figures[f"{language}: ending"]


def test_scoring(tmp_path: Path) -> None:
    figures = values(run(tmp_path, "benchmarks.bench_scoring", "--megabytes", "0.2"))
    for name in ("longen", "longbench-write", "lifebench"):
        assert figures[f"{name}: scored"] > figures["quality: measured"] > 0


def test_help(tmp_path: Path) -> None:
    result = run(tmp_path, "benchmarks.bench_help", "--runs", "2")
    if result.notes:
        pytest.skip(result.notes[0])
    figures = values(result)
    assert 0 < figures["bare interpreter"] < figures["--help, whole process"]


def test_restart(tmp_path: Path, pocket_model: Path) -> None:
    sizes = ["--records", "1000", "--words", "60", "--starts", "1", "--work", str(tmp_path)]
    result = run(tmp_path, "benchmarks.bench_restart", *sizes, "--model", str(pocket_model))
    figures = values(result)
    assert figures["verdicts on file"] == 1000
    assert figures["records on disk"] > 1000 * 60 * 4 / 1e6
    assert figures["controller: of it, this process computed"] > 0
    assert figures["controller: to the first request"] < 120
    assert 20 < figures["controller: peak memory"] < 400


def test_strategies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--engine", "scripted", "--drafts", "4", "--out", str(tmp_path)]
    strategies.main(words)
    first = capsys.readouterr().out
    rows = [line.strip("| ").split(" | ") for line in first.splitlines()[2:]]
    assert [row[0] for row in rows] == ["two-stage", "section"]
    attempts = [json.loads(line) for line in (tmp_path / "attempts.jsonl").read_text().splitlines()]
    own = [a for a in attempts if a["strategy"] == "section"]
    assert int(rows[1][1]) == len(own) == 4
    assert int(rows[1][2]) == sum(a["reason"] is None for a in own)
    drafts = (tmp_path / "rounds/01/2-draft/records.jsonl").read_bytes()
    strategies.main(words)
    assert capsys.readouterr().out == first
    assert (tmp_path / "rounds/01/2-draft/records.jsonl").read_bytes() == drafts


def test_system_turns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "drafts.jsonl"
    words = ["--engine", "scripted", "--system", "You sing.", "--tries", "1", "--out", str(out)]
    system_turns.main(words)
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    drafts = [json.loads(line) for line in out.read_text().splitlines()]
    assert {d["system"] for d in drafts} >= {"", "You sing."}
    assert len(drafts) == 24 * len(rows)
    for kind, system, number, *_, accepted in (row[:5] for row in rows):
        own = [d for d in drafts if (d["instructions"], d["system"] or "none") == (kind, system)]
        assert (int(number), int(accepted)) == (24, sum(d["reason"] is None for d in own))


def test_curate(tmp_path: Path) -> None:
    sizes = ["--rows", "400", "--words", "40", "--work", str(tmp_path)]
    figures = values(run(tmp_path, "benchmarks.bench_curate", *sizes))
    assert figures["rows"] == 400
    for method in ("longest", "faithful"):
        assert figures[f"{method}: wall time"] > figures[f"{method}: of it, computed"] / 8 > 0
        assert 20 < figures[f"{method}: peak memory"] < 500


def test_neighbours(tmp_path: Path) -> None:
    sizes = ["--rows", "600", "--width", "32"]
    figures = values(run(tmp_path, "benchmarks.bench_neighbours", *sizes))
    assert figures["around centres: too far by, mean"] == pytest.approx(0, abs=0.1)


@pytest.mark.slow
def test_engine(tmp_path: Path, pocket_model: Path) -> None:
    sizes = ["--requests", "24", "--pairs", "1"]
    pytest.importorskip("vllm")
    result = run(tmp_path, "benchmarks.bench_engine", *sizes, "--model", str(pocket_model))
    figures = values(result)
    speeds = figures["controller"], figures["LLM.generate"]
    assert figures["controller ÷ LLM.generate, median of the pairs"] == pytest.approx(
        speeds[0] / speeds[1]
    )


@pytest.mark.slow
def test_precision(tmp_path: Path, pocket_model: Path) -> None:
    pytest.importorskip("vllm")
    sizes = ["--pairs", "1", "--requests", "2", "--tokens", "24", "--steps", "1"]
    result = run(tmp_path, "benchmarks.bench_precision", *sizes, "--model", str(pocket_model))
    if result.notes:
        pytest.skip(result.notes[0])
    figures = values(result)
    for part in ("engine", "trainer"):
        ratio = figures[f"{part}: bfloat16"] / figures[f"{part}: float32"]
        assert figures[f"{part}: bfloat16 ÷ float32, median of the pairs"] == pytest.approx(ratio)


def test_all_figures_go_into_one_file(tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    command = [sys.executable, "-m", "benchmarks", "help", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "help" in done.stdout, done.stderr
    written = json.loads(file.read_bytes())
    assert [result["name"] for result in written["results"]] == ["help"]
    assert written["machine"]["cores"] >= 1
    assert written["versions"]["selflengthen"]


def test_an_unknown_name_is_an_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "chekcs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no benchmark chekcs; there are checks, scoring, help, restart" in done.stderr


def test_a_missed_target_fails() -> None:
    met = (at_least("a", 2, "", 2), at_most("b", 2, "", 2), Figure("c", 1))
    assert not failed([Result("x", met)])
    assert failed([Result("x", (at_least("a", 1.9, "", 2),))])
    assert failed([Result("x", (Figure("c", 1), at_most("b", 2.1, "", 2)))])
