"""The system turn: said before every request for a text and learnt with it, but not in the end."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from selflengthen.config import Config
from selflengthen.engines.base import Completion, Message, Request
from selflengthen.errors import UserError
from selflengthen.inputs import prompts
from selflengthen.pipeline.final import Final
from selflengthen.pipeline.fingerprints import Fingerprints
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_table import (
    COLLECT_DRAFT,
    DATASET,
    DRAFT,
    EXPAND,
    FINISH_HELD_OUT,
    FINISH_TRAIN,
    HELD_OUT,
    INSTRUCT,
    StageSpec,
)
from tests.loop.scripted_run import config, context, play
from tests.loop.test_final import reply

SAYING = "You write for a living."
TURN = {"role": "system", "content": SAYING}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the English prompts with a system turn."""
    own = Path(shutil.copytree(prompts.shipped("en"), tmp_path / "prompts"))
    (own / "system.md").write_text(f"{SAYING}\n")
    return own


def whole(run: Path, settings: Config, requests: list[Request]) -> None:
    """Play a run and finish it, and gather what is asked."""

    def listen(request: Request) -> Completion:
        requests.append(request)
        if request.messages[0].role == "system":  # the double reads the first message
            request = Request(**{**vars(request), "messages": request.messages[1:]})
        return reply(request)

    play(run, settings, reply=listen)
    play(run, settings, reply=listen, make=Final)


def test_who_is_told(folder: Path, tmp_path: Path) -> None:
    requests: list[Request] = []
    whole(tmp_path / "run", config(prompts=str(folder)), requests)
    told = {True: set[str](), False: set[str]()}
    for request in requests:
        system = request.messages[0] == Message("system", SAYING)
        assert [m.role for m in request.messages] == ["system"] * system + ["user"]
        told[system].add(_kind(request))
    assert told[True] == {"a draft or an answer", "an expansion"}
    # The finished model and the base model that it is compared with answer without it.
    assert told[False] == {"an instruction", "a judgement", "a demand", "a draft or an answer"}
    bare = [r for r in requests if len(r.messages) == 1 and _kind(r) == "a draft or an answer"]
    run = RunFolder(tmp_path / "run")
    assert len(bare) == sum(stage.count() for stage in run.parts(FINISH_HELD_OUT)) == 8


def _kind(request: Request) -> str:
    message = request.messages[-1].content
    if request.choices:
        return "a judgement"
    if request.prefix.endswith(":"):
        return "an instruction"
    if "<length>" in message:
        return "a demand"
    return "an expansion" if "<outline>" in message or request.prefix else "a draft or an answer"


def test_rows_of_both_roles_have_it_and_the_final_ones_have_not(
    folder: Path, tmp_path: Path
) -> None:
    whole(tmp_path / "run", config(prompts=str(folder)), [])
    for number in (1, 2):
        for role in ("generator", "expander"):
            rows = _rows(RunFolder(tmp_path / "run").stage(DATASET, number).path / f"{role}.jsonl")
            assert rows and all(row["prompt"][0] == TURN for row in rows)
            assert {tuple(turn["role"] for turn in row["prompt"]) for row in rows} == {
                ("system", "user")
            }
    final = _rows(tmp_path / "run/final/dataset/train.jsonl")
    assert final and {tuple(turn["role"] for turn in row["prompt"]) for row in final} == {("user",)}


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def prompts_of(run: Path, settings: Config, spec: StageSpec) -> dict[str, Any]:
    made_of = context(run, settings)
    number = None if spec.final else 1
    stage = made_of.run.stage(spec, number, spec.parts[0] if spec.parts else "")
    named: dict[str, Any] = Fingerprints(made_of).of(stage)["prompts"]
    return named


@pytest.mark.parametrize("spec", [DRAFT, EXPAND, DATASET, HELD_OUT, COLLECT_DRAFT],
                         ids=lambda spec: spec.name)  # fmt: skip
def test_it_is_part_of_the_keys_only_where_there_is_one(
    folder: Path, tmp_path: Path, spec: StageSpec
) -> None:
    has = prompts_of(tmp_path, config(prompts=str(folder)), spec)
    (folder / "system.md").write_text(" \n{# nothing #}\n")
    blank = prompts_of(tmp_path, config(prompts=str(folder)), spec)
    (folder / "system.md").unlink()
    none = prompts_of(tmp_path, config(prompts=str(folder)), spec)
    assert "system" not in none
    assert blank == none == {name: text for name, text in has.items() if name != "system"}
    assert len(has) == len(none) + 1


@pytest.mark.parametrize("spec", [INSTRUCT, FINISH_TRAIN, FINISH_HELD_OUT],
                         ids=lambda spec: spec.name)  # fmt: skip
def test_other_stages_do_not_depend_on_it(folder: Path, tmp_path: Path, spec: StageSpec) -> None:
    assert "system" not in prompts_of(tmp_path, config(prompts=str(folder)), spec)


def test_another_one_is_another_run(folder: Path, tmp_path: Path) -> None:
    settings = config(iterations=1, prompts=str(folder))
    play(tmp_path / "run", settings)
    (folder / "system.md").unlink()
    with pytest.raises(UserError, match=r"prompts\.system differs"):
        Fingerprints(context(tmp_path / "run", settings)).check()


def test_nothing_is_said_without_one(folder: Path, tmp_path: Path) -> None:
    (folder / "system.md").unlink()
    requests: list[Request] = []
    play(tmp_path / "run", config(prompts=str(folder)), reply=_note(requests))
    assert {tuple(m.role for m in r.messages) for r in requests} == {("user",)}


def _note(requests: list[Request]) -> Any:
    def listen(request: Request) -> Completion:
        requests.append(request)
        return reply(request)

    return partial(listen)
