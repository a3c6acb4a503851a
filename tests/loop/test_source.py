"""Instructions of the user: taken round by round, each once; the model writes the rest."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from selflengthen.config import Config
from selflengthen.engines.base import Completion, Request
from selflengthen.engines.scripted import nonsense
from selflengthen.errors import UserError
from selflengthen.inputs import prompts, seeds
from selflengthen.pipeline.final import Final
from selflengthen.pipeline.fingerprints import Fingerprints
from selflengthen.runner import executor
from selflengthen.storage.records import Record, Rejection
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_table import COLLECT_INSTRUCT, INSTRUCT
from tests.loop.scripted_run import REQUESTS, WRITES, config, contents, context, play, survives
from tests.loop.test_final import reply as final_reply

THINGS = (
    "lighthouse canal orchard violin glacier bakery tram museum harbour desert printer beehive "
    "quarry theatre windmill submarine vineyard observatory railway cathedral market castle swamp "
    "kiln pharmacy volcano library tannery aqueduct shipyard monastery foundry dairy tunnel "
    "balloon mill bridge theodolite compass lagoon"
).split()
YES = prompts.load(prompts.shipped("en")).answers[0]


def brought(folder: Path, *instructions: str, name: str = "mine.jsonl") -> str:
    """Write the user's instructions and return the file's name."""
    path = folder / name
    rows = ({"id": f"own-{n}", "prompt": text} for n, text in enumerate(instructions))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def about(*things: str) -> list[str]:
    """Return instructions that are no near-duplicates of each other."""
    rng = random.Random(0)
    return [f"{thing}: {' '.join(rng.sample(THINGS, 12))} {thing}, at length" for thing in things]


def settings(source: str | None, **instruct: Any) -> Config:
    return config(instruct={"source": source, **instruct})


def made(folder: Path, number: int | None) -> tuple[list[Record], list[Rejection]]:
    """Return what a round accepted of its instructions, and what it rejected."""
    run = RunFolder(folder)
    stage = run.stage(COLLECT_INSTRUCT if number is None else INSTRUCT, number)
    return list(stage.records()), list(stage.rejections())


def test_each_round_takes_the_next_ones_and_the_model_writes_the_rest(tmp_path: Path) -> None:
    texts = about(*THINGS[:20])
    play(tmp_path / "run", settings(brought(tmp_path, *texts)))
    first, second = (made(tmp_path / "run", number)[0] for number in (1, 2))
    assert [r.id for r in first] == [f"r01-instruct-{n:06d}" for n in range(12)]
    taken = [r for r in (*first, *second) if r.source is not None]
    assert sorted(r.source or "" for r in taken) == sorted(f"own-{n}" for n in range(20))
    assert {r.source: r.text for r in taken} == {f"own-{n}": t for n, t in enumerate(texts)}
    assert {(r.finish_reason, r.tokens, r.attempts) for r in taken} == {("source", 0, 1)}
    assert [r.id for r in second if r.source] == [f"r02-instruct-{n:06d}" for n in range(8)]
    written = [r for r in second if r.source is None]
    assert written and all(r.id >= "r02-instruct-000008" for r in written)
    in_the_file = sorted(first, key=lambda r: int((r.source or "").partition("-")[2]))
    assert [r.source for r in first] != [r.source for r in in_the_file]


def test_the_model_is_shown_seeds_and_what_it_wrote(tmp_path: Path) -> None:
    play(tmp_path / "run", settings(brought(tmp_path, *about(*THINGS[:30])), per_round=30))
    (first, _), (second, _) = (made(tmp_path / "run", number) for number in (1, 2))
    assert all(r.source for r in first) and not any(r.source for r in second)
    shown = {name for r in second for name in r.details["shown"]}
    assert len(shown) > 30
    assert shown <= {seed.id for seed in seeds.load("en")} | {r.id for r in second}


def test_the_order_depends_on_the_seed_alone(tmp_path: Path) -> None:
    source = brought(tmp_path, *about(*THINGS[:20]))
    orders = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        play(tmp_path / name, config(iterations=1, seed=seed, instruct={"source": source}))
        orders.append([r.source for r in made(tmp_path / name, 1)[0]])
    assert orders[0] == orders[1] != orders[2]


def test_collect_goes_on_where_the_rounds_ended(tmp_path: Path) -> None:
    chosen = settings(brought(tmp_path, *about(*THINGS[:28])))
    play(tmp_path / "run", chosen)
    play(tmp_path / "run", chosen, reply=final_reply, make=partial(Final, until="collect"))
    rounds = [r.source for number in (1, 2) for r in made(tmp_path / "run", number)[0]]
    collected = made(tmp_path / "run", None)[0]
    assert None not in rounds
    assert [r.source is None for r in collected] == [False] * 4 + [True] * (len(collected) - 4)
    assert len(collected) > 4
    four = {r.source for r in collected[:4]}
    assert four | set(rounds) == {f"own-{n}" for n in range(28)}


def test_repeats_of_what_is_known_are_left_out(tmp_path: Path) -> None:
    held_out = seeds.load("held-out-en")[0].instruction
    seed = seeds.load("en")[0].instruction
    own = about(*THINGS[:6])
    texts = [*own, held_out.upper(), f"{seed} Please.", f"{own[0]}!"]
    play(tmp_path / "run", settings(brought(tmp_path, *texts), per_round=9))
    accepted, rejected = made(tmp_path / "run", 1)
    assert {r.source for r in rejected} >= {"own-6", "own-7"}
    assert {(r.reason, r.last, r.attempt) for r in rejected} == {("duplicate", True, 1)}
    assert {r.text for r in rejected} >= {texts[6], texts[7]}
    # One of the two stays, whether they meet in one wave or in two.
    assert len({"own-0", "own-8"} & {r.source for r in accepted}) == 1
    assert {f"own-{n}" for n in range(1, 6)} < {r.source for r in accepted}


def test_the_seeds_themselves_can_be_the_source(tmp_path: Path) -> None:
    """Then they are no repeats of themselves; what the model writes must not repeat them.

    Not even one that the judge rejected: it is shown to the model all the same.
    """
    source = {"source": "en", "per_round": 206, "attempts": 2, "judge": True}
    pool = seeds.load("en")
    known = pool[0].instruction

    def reply(request: Request) -> Completion:
        if request.choices:
            answer = "no" if known in request.messages[0].content else YES
            return Completion(answer, "stop", 1, 1)
        if request.prefix.endswith(":"):
            return Completion(known, "stop", 1, 1)
        return nonsense(request)

    play(tmp_path / "run", config(iterations=1, instruct=source), reply=reply)
    accepted, rejected = made(tmp_path / "run", 1)
    assert sorted(r.source or "" for r in accepted) == [seed.id for seed in pool[1:]]
    reasons = {(r.source, r.reason) for r in rejected}
    assert reasons == {(pool[0].id, "unsuitable"), (None, "duplicate")}
    written = {r.id for r in rejected if r.source is None}
    assert written == {f"r01-instruct-{n:06d}" for n in (203, 204, 205)}


@pytest.mark.parametrize("judged", [True, False])
def test_the_judge_is_asked_on_request(tmp_path: Path, judged: bool) -> None:
    source, heard = brought(tmp_path, *about(*THINGS[:12])), []

    def reply(request: Request) -> Completion:
        if request.choices:
            message = request.messages[0].content
            heard.append(message)
            answer = YES if "violin" not in message.partition(", at length")[0][-10:] else "no"
            return Completion(answer, "stop", 1, 1)
        return nonsense(request)

    play(tmp_path / "run", config(iterations=1, instruct={"source": source, "judge": judged}),
         reply=reply)  # fmt: skip
    accepted, rejected = made(tmp_path / "run", 1)
    assert len(heard) == (12 if judged else 0)
    if judged:
        (one,) = rejected
        assert (one.source, one.reason, one.last) == ("own-3", "unsuitable", True)
        assert one.text.startswith("violin: ")
    assert len(accepted) == (11 if judged else 12)


def test_a_kill_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among taken and among written instructions, with the judge, and in those of collect."""
    monkeypatch.setattr(executor, "FLUSH_VERDICTS", 2)
    source = brought(tmp_path, *about(*THINGS[:17]), about(THINGS[0])[0])
    chosen = settings(source, judge=True)

    def whole(folder: Path) -> None:
        play(folder, chosen, latency=0.001)
        play(folder, chosen, latency=0.001, reply=final_reply, make=partial(Final, until="collect"))

    whole(tmp_path / "whole")
    rng, kills = random.Random(3), 0
    for number in range(3):
        folder, here = tmp_path / f"killed-{number}", 0
        while not survives(partial(whole, folder), *_moment(rng, here)):
            here += 1
        kills += here
        assert contents(folder) == contents(tmp_path / "whole")
    assert kills > 12


def _moment(rng: random.Random, before: int) -> tuple[int, tuple[object, str]]:
    most = 10 + before
    return rng.choice([(rng.randint(1, most), WRITES), (rng.randint(1, 4 * most), REQUESTS)])


def identity(folder: Path, chosen: Config) -> dict[str, Any]:
    made_of = context(folder, chosen)
    return Fingerprints(made_of).of(made_of.run.stage(INSTRUCT, 1))


def test_only_a_source_is_part_of_the_key_and_by_its_content(tmp_path: Path) -> None:
    texts = about(*THINGS[:5])
    first, copy = brought(tmp_path, *texts), brought(tmp_path, *texts, name="copy.jsonl")
    other = brought(tmp_path, *texts[1:], name="other.jsonl")
    none = identity(tmp_path, config())
    assert not none["instruct"].keys() & {"source", "field", "judge"}
    assert identity(tmp_path, settings(first)) == identity(tmp_path, settings(copy)) != none
    assert identity(tmp_path, settings(first, field="prompt")) == identity(
        tmp_path, settings(first)
    )
    assert identity(tmp_path, settings(other)) != identity(tmp_path, settings(first))
    assert identity(tmp_path, settings(first, judge=True)) != identity(tmp_path, settings(first))
    play(tmp_path / "run", settings(first))
    with pytest.raises(UserError, match=r"01/1-instruct was made with .*instruct.source differs"):
        Fingerprints(context(tmp_path / "run", settings(other))).check()
