"""Refinement: which responses change and which stay; a kill at any write changes nothing."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from selflengthen.config import Config
from selflengthen.curate.io.load import open_rows
from selflengthen.curate.io.work_dir import WorkFolder
from selflengthen.curate.io.write import write_set
from selflengthen.curate.methods import refine
from selflengthen.curate.methods.longest import longest
from selflengthen.engines.base import Adapters, Completion, Engine, Request
from selflengthen.engines.scripted import Scripted
from selflengthen.errors import RequestRefused
from selflengthen.inputs import prompts
from selflengthen.inputs.models import Model
from selflengthen.runner import executor
from tests.cli.conftest import make_model
from tests.curate.conftest import lines, read
from tests.loop.scripted_run import contents, services, survives

Command = Callable[..., str]
MODEL = Model("scripted", Path("scripted"), {}, "0" * 64)
TEXTS = refine.read_prompts(prompts.shipped("en"))
FATES = ("better", "unchanged", "length", "task talk", "no critique", "refused", "late", "language")


def answer(number: int) -> str:
    return f"The sea was grey and wide on day {number}, and nobody went out to it."


def reply(request: Request) -> Completion:
    """Treat a row as its number says; a request without remarks asks for the critique."""
    prompt = request.messages[0].content
    number = int(prompt.partition("on day ")[2].partition(",")[0])
    fate = FATES[number % len(FATES)]
    if "<remarks>" not in prompt:
        return Completion("" if fate == "no critique" else "It is too thin.", "stop", 9, 5)
    assert "It is too thin." in prompt
    if fate == "refused":
        raise RequestRefused("too long")
    if fate == "late" and request.seed % 3:
        return Completion("and then", "stop", 9, 5)
    better = f"On day {number} the sea lay grey under low cloud, and its noise filled the town."
    return {
        "unchanged": Completion(answer(number), "stop", 9, 5),
        "length": Completion(better, "length", 9, 5),
        "task talk": Completion(f"Here is the revised version:\n\n{better}", "stop", 9, 5),
        "language": Completion("海面上一片灰蒙蒙的雾气，没有人愿意在这时候出海。", "stop", 9, 5),
    }.get(fate, Completion(f"\n{better}\n", "stop", 9, 5))


@pytest.fixture
def data(work: Path) -> Path:
    """Forty rows with a field that is nobody's business."""
    Path("data.jsonl").write_text(
        lines(
            {"id": n, "prompt": f"Describe the sea {n}.", "response": answer(n), "extra": [1.5]}
            for n in range(40)
        )
    )
    return work


def refined(folder: str) -> refine.RefineFigures:
    """Have the rows refined, and write them."""
    rows = longest(open_rows("data.jsonl"), 40).rows
    config = Config.model_validate({"engine": {"in_flight": 4}})
    place = WorkFolder(Path(folder))
    identity = refine.identity(rows, config, MODEL, TEXTS)

    async def open_engine(adapters: Adapters) -> Engine:
        return Scripted(reply)

    stage = refine.Refining(
        config,
        services(open_engine),
        folder=refine.stage_of(place.path),
        rows=rows,
        texts=TEXTS,
        identity=identity,
    )
    place.check(identity)
    place.begin(identity)
    asyncio.run(stage.play())
    changed, figures = refine.apply_refinements(rows, refine.stage_of(place.path))
    write_set(changed, Path(folder, "out.jsonl"))
    return figures


def test_what_is_better_is_taken_and_all_else_stays(data: Path) -> None:
    figures = refined("work")
    rows = read("work/out.jsonl")
    for number, row in enumerate(rows):
        fate = FATES[number % len(FATES)]
        assert list(row) == ["id", "prompt", "response", "extra"]
        if fate == "better":
            assert row["response"].startswith(f"On day {number} the sea lay")
        elif fate != "late":
            assert row["response"] == answer(number)
    late = sum(rows[n]["response"] != answer(n) for n in range(6, 40, 8))
    assert figures.refined == 5 + late > 5
    unchanged = dict(figures.as_it_was)
    assert unchanged.pop("no ending", 0) == 5 - late
    assert unchanged == dict.fromkeys(
        ("unchanged", "length", "task talk", "no critique", "too long", "language"), 5
    )
    raw = Path("data.jsonl").read_bytes().splitlines(keepends=True)
    assert Path("work/out.jsonl").read_bytes().splitlines(keepends=True)[1] == raw[1]
    record = next(refine.stage_of(Path("work")).records())
    assert record.details == {"critique": "It is too thin."} and record.source == "0"


def test_killed_at_any_write_it_ends_like_an_uninterrupted_one(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "FLUSH_VERDICTS", 4)
    refined("whole")
    expected = contents(Path("whole"))
    kills = 0
    rng = random.Random(2)
    while not survives(partial(refined, "killed"), rng.randint(1, 12)):
        kills += 1
    assert kills > 3
    assert contents(Path("killed")) == expected
    assert Path("killed/out.jsonl").read_bytes() == Path("whole/out.jsonl").read_bytes()


@pytest.mark.parametrize("form", ["turns", "messages", "table"])
def test_other_forms_of_rows(work: Path, form: str) -> None:
    """A response in turns gets its last turn changed; a table keeps its columns and types."""
    user, reply_of = {"role": "user", "content": "A?"}, {"role": "assistant", "content": "B."}
    rows = [
        {"prompt": [user], "completion": [reply_of | {"name": "x"}], "n": 1},
        {"prompt": [user], "completion": [{"role": "assistant", "content": "C."}], "n": 2},
    ]
    if form == "messages":
        rows = [{"messages": [*row["prompt"], *row["completion"]], "n": row["n"]} for row in rows]  # type: ignore[misc]
    Path("set.jsonl").write_text(lines(rows))
    name = "set.jsonl"
    if form == "table":
        import datasets

        datasets.Dataset.from_list(rows).to_parquet("set.parquet")
        name = "set.parquet"
    opened = open_rows(name)
    changed = type(opened)((opened.sources[0].with_responses({0: "New."}),), opened.numbers)
    assert [row.response for row in changed] == ["New.", "C."]
    write_set(changed, Path(f"out{Path(name).suffix}"))
    again = open_rows(f"out{Path(name).suffix}")
    assert [row.response for row in again] == ["New.", "C."]
    if form == "turns":
        expected = reply_of | {"name": "x", "content": "New."}
        assert read("out.jsonl")[0] == {"prompt": [user], "completion": [expected], "n": 1}
    if form == "table":
        first, second = (s.sources[0].schema for s in (opened, again))  # type: ignore[attr-defined]
        assert first.equals(second)


REFINE = "longest data.jsonl --k 8 --refine --model model --engine.kind scripted".split()


def test_the_command(data: Path, curate: Command, refused: Command) -> None:
    make_model(Path("model"), positions=65536)
    output = curate(*REFINE, "--out", "out.jsonl")
    (step,) = json.loads(Path("out.report.json").read_text())["steps"]
    assert step["method"] == "longest" and step["kept"] == 8
    assert step["refined"] + sum(step["as_it_was"].values()) == 8
    assert f"refined: {step['refined']}" in output
    assert len(read("out.jsonl")) == 8
    error = refused(*REFINE, "--out", "two.jsonl", "--work", "out.work", "--seed", "3")
    assert "out.work: was started with other data or settings (seed: 0 → 3)" in error
    error = refused(*REFINE, "--out", "two.jsonl", "--prompts", "nowhere")
    assert "nowhere/refine-critique.user.md: cannot read this prompt" in error
    error = refused(*REFINE[:5], "--out", "two.jsonl", "--train.epochs", "3")
    assert "no such option or config field" in error
    assert "model: there is no folder nix" in refused(
        *REFINE[:5], "--model", "nix", "--out", "two.jsonl"
    )


@pytest.mark.parametrize("language", ["en", "zh", "pocket"])
def test_the_shipped_prompts(language: str) -> None:
    texts = refine.read_prompts(prompts.shipped(language))
    assert all(text == text.strip() for text in texts.values())
    assert not set(texts) & set(prompts.PLACEHOLDERS)
