"""Time and memory to resume a killed run with 200,000 finished records.

    python -m benchmarks.bench_restart [--records 200000] [--words 600] [--model FOLDER]

A run is built on disk as it is in the middle of its expansions: instructions and drafts are done,
200,000 expansions have a verdict (some are rejected for good, with the rejected texts), some are
missing. Then new processes resume it. Measured are the seconds from before the process exists
until the first request reaches the scripted engine, and the peak resident memory until then: for
the round controller alone, and for the whole `run` command. The files are in the page cache, as
they are after a kill.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.bench_checks import english
from benchmarks.memory import peak_memory
from benchmarks.result import Figure, Result, at_most, main
from selflengthen.config import Config
from selflengthen.engines.base import Adapters, Engine, Request
from selflengthen.engines.scripted import Scripted
from selflengthen.inputs import models, prompts, seeds
from selflengthen.pipeline.rounds import Rounds
from selflengthen.runner import metrics
from selflengthen.runner.context import EngineProvider, RunContext, Services
from selflengthen.stages import draft, expansion, instruct
from selflengthen.stages.contract import Item
from selflengthen.storage.atomic import rewrite
from selflengthen.storage.records import Record, Rejection, encode
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import DRAFT, EXPAND, INSTRUCT, StageSpec

MOST_SECONDS = 3
MOST_MEGABYTES = 400
REACHED = "SELFLENGTHEN_BENCH_REACHED"
DRAFT_SHARE = 0.5  # of an expansion's words
REJECTED_FOR_GOOD = 0.03  # share of the items
REJECTED_ONCE = 0.2  # share of the items


def measure(args: argparse.Namespace) -> Result:
    """Build a run and resume it several times in each way."""
    ways = ["controller"]
    notes: list[str] = []
    if importlib.util.find_spec("selflengthen.cli"):
        ways.append("run")
    else:
        notes.append("skipped the whole command: selflengthen has no command line")
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        folder = Path(work, "rounds-of-200k")
        build(folder, args)
        size = sum(file.stat().st_size for file in folder.rglob("*.jsonl")) / 1e6
        figures.append(Figure("verdicts on file", args.records))
        figures.append(Figure("records on disk", size, "MB"))
        for way in ways:
            starts = [start(way, folder) for _ in range(args.starts)]
            seconds = statistics.median(s["seconds"] for s in starts)
            cpu = statistics.median(s["cpu"] for s in starts)
            peak = max(s["megabytes"] for s in starts)
            figures.append(at_most(f"{way}: to the first request", seconds, "s", MOST_SECONDS))
            figures.append(Figure(f"{way}: of it, this process computed", cpu, "s"))
            figures.append(at_most(f"{way}: peak memory", peak, "MB", MOST_MEGABYTES))
    return Result("restart", tuple(figures), tuple(notes))


def _config(model: str, records: int) -> tuple[Config, int]:
    """Return the run's configuration, and the number of drafts that `records` expansions need.

    Half a percent more expansions than `records` are to be made.
    """
    # The paper's settings except for the lengths: the pocket model's context is shorter.
    config = Config.model_validate(
        {
            "engine": {"context": 4096},
            "sampling": {"max_tokens": 3072},
            "train": {"max_length": 4096},
        }
    )
    total = records + max(config.engine.in_flight, records // 200)
    drafts = -(-total // config.expand.per_draft)
    count = -(-drafts // config.draft.per_instruction)
    changes = {
        "model": model,
        "iterations": 1,
        "instruct": config.instruct.model_copy(update={"per_round": count}),
        "held_out": config.held_out.model_copy(update={"texts": 2}),
    }
    return config.model_copy(update=changes), drafts


def build(folder: Path, args: argparse.Namespace) -> None:
    """Write a run as a kill leaves it in the middle of its expansions."""
    config, drafts = _config(str(args.model), args.records)
    rewrite(folder / "config.yaml", [config.model_dump_json().encode()])  # JSON is YAML
    rounds = assemble(folder, Scripted())
    asyncio.run(rounds.measure(0))

    rng = random.Random(0)
    texts = [english(rng, args.words) for _ in range(100)]
    shorter = [english(rng, int(args.words * DRAFT_SHARE)) for _ in range(100)]
    requests = [english(rng, 15) for _ in range(100)]
    names = [Item(name, None, None) for name in instruct.items(1, config.instruct.per_round)]
    first = _done(rounds, INSTRUCT, names, requests)
    items = draft.items(1, config.draft, first.records())
    second = _done(rounds, DRAFT, islice(items, drafts), shorter)
    instructions = {record.id: record.text for record in first.records()}
    third = _begun(rounds, EXPAND)
    verdicts = list(
        islice(expansion.items(1, config.expand, second.records(), instructions), args.records)
    )
    rewrite(third.records_path, map(encode, _records(verdicts, texts, REJECTED_FOR_GOOD)))
    rewrite(third.rejected_path, map(encode, _rejections(verdicts, texts)))


def _begun(rounds: Rounds, spec: StageSpec) -> StageFolder:
    folder = rounds.run.stage(spec, 1)
    folder.begin(rounds.fingerprints.of(folder))
    return folder


def _done(
    rounds: Rounds, spec: StageSpec, items: Iterable[Item[Any]], texts: list[str]
) -> StageFolder:
    folder = _begun(rounds, spec)
    listed = list(items)
    rewrite(folder.records_path, map(encode, _records(listed, texts)))
    digest = folder.settle({})
    folder.finish(metrics.texts_done(folder, digest, items=len(listed), seconds=1.0, tokens=1))
    return folder


def _records(items: list[Item[Any]], texts: list[str], rejected: float = 0) -> Iterator[Record]:
    """Yield the accepted texts of all items except a share `rejected`."""
    for place, item in enumerate(items):
        if not _share(place, rejected):
            text = texts[place % len(texts)]
            yield Record(
                id=item.id,
                source=item.source,
                text=text,
                attempts=1,
                words=len(text.split()),
                tokens=len(text) // 4,
                seed=place,
                finish_reason="stop",
                seconds=1.0,
            )


def _rejections(items: list[Item[Any]], texts: list[str]) -> Iterator[Rejection]:
    """Yield the rejected texts: some items once, some for good."""
    for place, item in enumerate(items):
        for_good = _share(place, REJECTED_FOR_GOOD)
        if for_good or _share(place, REJECTED_ONCE):
            text = texts[place % len(texts)]
            yield Rejection(
                id=item.id,
                source=item.source,
                attempt=1,
                reason="repeats",
                text=text,
                words=len(text.split()),
                tokens=len(text) // 4,
                seed=place,
                finish_reason="stop",
                seconds=1.0,
                last=for_good,
            )


def _share(place: int, share: float) -> bool:
    """Say whether a place is among an evenly spread `share` of all."""
    return int((place + 1) * share) > int(place * share)


def start(way: str, folder: Path) -> dict[str, float]:
    """Resume the run in a new process; return wall and CPU seconds and peak memory in MB."""
    command = [sys.executable, "-m", "benchmarks.bench_restart", "--start", way, str(folder)]
    began = time.monotonic()
    # Through a file, since `run` redirects its output to a log.
    file = folder.parent / "reached.json"
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {REACHED: str(file)}
    )
    reached: dict[str, float] = json.loads(file.read_bytes())
    return reached | {"seconds": reached["at"] - began}


async def _reached(engine: Scripted, request: Request) -> NoReturn:
    """Replace `Scripted.complete`: write the figures, and exit before any verdict."""
    at = time.monotonic()  # the same clock in all processes
    reached = {"at": at, "cpu": time.process_time(), "megabytes": peak_memory() / 1e6}
    Path(os.environ[REACHED]).write_text(json.dumps(reached))
    os._exit(0)


def resume(way: str, folder: Path) -> None:
    """Resume a run in this process, up to the first request."""
    setattr(Scripted, "complete", _reached)  # noqa: B010 - mypy takes no method's place
    if way == "run":
        from selflengthen.cli import main as command

        config = str(folder / "config.yaml")
        command(["run", config, "--run-dir", str(folder), "--engine.kind", "scripted"])
    else:
        rounds = assemble(folder, Scripted())
        rounds.fingerprints.check()
        with rounds.run.locked():
            asyncio.run(rounds.play())
    raise SystemExit(f"{folder}: the run ended without a request")


def assemble(folder: Path, engine: Scripted) -> Rounds:
    """Assemble the run's parts as the `run` command does."""
    config = Config.model_validate_json((folder / "config.yaml").read_bytes())

    async def opened(adapters: Adapters) -> Engine:
        return engine

    async def train(job: object, folder: StageFolder) -> NoReturn:
        raise AssertionError("a run resumed in the middle of the expansions trains nothing")

    context = RunContext(
        config=config,
        model=models.find(config.model),
        run=RunFolder(folder),
        prompts=prompts.load(prompts.shipped(config.language)),
        seeds=seeds.load(config.language),
        held_out=seeds.load(f"held-out-{config.language}")[: config.held_out.texts],
    )
    services = Services(engines=EngineProvider(opened), train=train, progress=Silent(), note=print)
    return Rounds(context, services)


class Silent:
    """Ignores all progress."""

    def begin(self, title: str, total: int, done: int) -> None:
        """Ignore it."""

    def accepted(self, record: object) -> None:
        """Ignore it."""

    def rejected(self, rejection: object) -> None:
        """Ignore it."""

    def end(self) -> None:
        """Ignore it."""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=200_000, help="expansions with a verdict")
    parser.add_argument("--words", type=int, default=600, help="words of an expansion")
    parser.add_argument(
        "--starts", type=int, default=3, help="how often to start in each way; the median counts"
    )
    parser.add_argument("--model", default="pocket", help="a model; only its digest is used")
    parser.add_argument("--work", type=Path, help="folder for the run, which takes 1.5 GB")
    return parser


if __name__ == "__main__":
    if sys.argv[1:2] == ["--start"]:
        resume(sys.argv[2], Path(sys.argv[3]))
    sys.exit(main(parser(), measure))
