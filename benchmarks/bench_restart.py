"""How soon a killed run of 200,000 finished records goes on, and in how much memory.

    python -m benchmarks.bench_restart [--records 200000] [--words 600] [--model FOLDER]

A run is built on disk as it stands in the middle of its expansions: instructions and drafts done,
200,000 expansions with a verdict (some refused for good, with the refused texts), some owed. Then
fresh processes start on it. Counted are the seconds from before the process exists to the first
request that reaches the scripted engine, and the peak of resident memory until then: for the round
controller alone and, where the command line is there, for the whole `run` command. The files are
in the page cache, as they are after a kill.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import random
import resource
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
from benchmarks.result import Figure, Result, at_most, main
from selflengthen.config import Config
from selflengthen.engines.base import Adapters, Engine, Request
from selflengthen.engines.scripted import Scripted
from selflengthen.inputs import models, prompts, seeds
from selflengthen.pipeline.rounds import Rounds
from selflengthen.runner import metrics
from selflengthen.runner.context import EngineProvider, RunContext, Services
from selflengthen.stages import draft, expand, instruct
from selflengthen.stages.contract import Item
from selflengthen.storage.atomic import rewrite
from selflengthen.storage.records import Record, Refusal, encode
from selflengthen.storage.run_dir import RunFolder, StageFolder
from selflengthen.storage.stage_table import DRAFT, EXPAND, INSTRUCT, StageSpec

MOST_SECONDS, MOST_MEGABYTES = 3, 400
REACHED = "SELFLENGTHEN_BENCH_REACHED"
DRAFT_SHARE = 0.5  # of an expansion's words
REFUSED_FOR_GOOD, REFUSED_ONCE = 0.03, 0.2  # shares of the items


def measure(args: argparse.Namespace) -> Result:
    """Build a run and start on it, several times each way."""
    ways, notes = ["controller"], []
    if importlib.util.find_spec("selflengthen.cli"):
        ways.append("run")
    else:
        notes.append("skipped the whole command: selflengthen has no command line yet")
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


def build(folder: Path, args: argparse.Namespace) -> None:
    """Write the run as a kill leaves it; one verdict in two hundred is owed on top."""
    # The paper's settings, but for the lengths: the pocket model's context is shorter.
    config = Config.model_validate(
        {
            "engine": {"context": 4096},
            "sampling": {"max_tokens": 3072},
            "train": {"max_length": 4096},
        }
    )
    owed = max(config.engine.in_flight, args.records // 200)
    total = args.records + owed
    drafts = -(-total // config.expand.per_draft)
    count = -(-drafts // config.draft.per_instruction)
    config = config.model_copy(
        update={
            "model": str(args.model),
            "iterations": 1,
            "instruct": config.instruct.model_copy(update={"per_round": count}),
            "held_out": config.held_out.model_copy(update={"texts": 2}),
        }
    )
    rewrite(folder / "config.yaml", [config.model_dump_json().encode()])  # JSON is YAML
    rounds = assemble(folder, Scripted())
    asyncio.run(rounds.measure(0))

    rng = random.Random(0)
    texts, shorter, asks = (
        [english(rng, words) for _ in range(100)]
        for words in (args.words, int(args.words * DRAFT_SHARE), 15)
    )
    names = [Item(name, None, None) for name in instruct.items(1, config.instruct.per_round)]
    first = _done(rounds, INSTRUCT, names, asks)
    wanted = draft.items(1, config.draft, first.records())
    second = _done(rounds, DRAFT, islice(wanted, drafts), shorter)
    asked = {record.id: record.text for record in first.records()}
    third = _begun(rounds, EXPAND)
    verdicts = list(islice(expand.items(1, config.expand, second.records(), asked), args.records))
    rewrite(third.records_path, map(encode, _records(verdicts, texts, REFUSED_FOR_GOOD)))
    rewrite(third.rejected_path, map(encode, _refusals(verdicts, texts)))


def _begun(rounds: Rounds, spec: StageSpec) -> StageFolder:
    folder = rounds.run.stage(spec, 1)
    rounds.begin(folder)
    return folder


def _done(
    rounds: Rounds, spec: StageSpec, items: Iterable[Item[Any]], texts: list[str]
) -> StageFolder:
    folder, listed = _begun(rounds, spec), list(items)
    rewrite(folder.records_path, map(encode, _records(listed, texts)))
    folder.finish(folder.settle({}), metrics.summary(folder, len(listed), 1.0, 1))
    return folder


def _records(items: list[Item[Any]], texts: list[str], never: float = 0) -> Iterator[Record]:
    """Yield the accepted texts of all items but a share of `never`."""
    for place, item in enumerate(items):
        if not _share(place, never):
            text = texts[place % len(texts)]
            yield Record(
                id=item.id, source=item.source, text=text, attempts=1, words=len(text.split()),
                tokens=len(text) // 4, seed=place, finish_reason="stop", seconds=1.0,
            )  # fmt: skip


def _refusals(items: list[Item[Any]], texts: list[str]) -> Iterator[Refusal]:
    """Yield what was refused: some items once, some for good."""
    for place, item in enumerate(items):
        never = _share(place, REFUSED_FOR_GOOD)
        if never or _share(place, REFUSED_ONCE):
            text = texts[place % len(texts)]
            yield Refusal(
                id=item.id, source=item.source, attempt=1, reason="repeats", text=text,
                words=len(text.split()), tokens=len(text) // 4, seed=place, finish_reason="stop",
                seconds=1.0, last=never,
            )  # fmt: skip


def _share(place: int, share: float) -> bool:
    """Pick `share` of all places, evenly."""
    return int((place + 1) * share) > int(place * share)


def start(way: str, folder: Path) -> dict[str, float]:
    """Start a process on the run; return its seconds, wall and CPU, and its peak in MB."""
    command = [sys.executable, "-m", "benchmarks.bench_restart", "--start", way, str(folder)]
    began = time.monotonic()
    # Through a file: while `run` plays, what is printed goes to its log.
    told = folder.parent / "reached.json"
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {REACHED: str(told)}
    )
    reached: dict[str, float] = json.loads(told.read_bytes())
    return reached | {"seconds": reached["at"] - began}


async def _reached(engine: Scripted, request: Request) -> NoReturn:
    """Take the place of `Scripted.complete`: say when, and end the process before any verdict."""
    at = time.monotonic()  # one clock for all processes
    reached = {"at": at, "cpu": time.process_time(), "megabytes": _peak() / 1e6}
    Path(os.environ[REACHED]).write_text(json.dumps(reached))
    os._exit(0)


def _peak() -> int:
    """Return the peak of resident memory, in bytes.

    Linux lets getrusage's figure live on from the process that started this one.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def go_on(way: str, folder: Path) -> None:
    """Start on a run, in this process, up to the first request."""
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
    raise SystemExit(f"{folder}: the start came to an end without a request")


def assemble(folder: Path, engine: Scripted) -> Rounds:
    """Put the run's parts together as the `run` command does."""
    config = Config.model_validate_json((folder / "config.yaml").read_bytes())

    async def opened(adapters: Adapters) -> Engine:
        return engine

    async def train(job: object, folder: StageFolder) -> NoReturn:
        raise AssertionError("a start in the middle of the expansions trains nothing")

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
    """Nobody is told of anything."""

    def begin(self, title: str, total: int, done: int) -> None:
        """Hear nothing."""

    def accepted(self, record: object) -> None:
        """Hear nothing."""

    def refused(self, refusal: object) -> None:
        """Hear nothing."""

    def end(self) -> None:
        """Hear nothing."""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=200_000, help="expansions with a verdict")
    parser.add_argument("--words", type=int, default=600, help="words of an expansion")
    parser.add_argument(
        "--starts", type=int, default=3, help="starts each way, of which the median"
    )
    parser.add_argument("--model", default="pocket", help="a model; only its digest counts")
    parser.add_argument("--work", type=Path, help="folder for the run; it takes 1.5 GB")
    return parser


if __name__ == "__main__":
    if sys.argv[1:2] == ["--start"]:
        go_on(sys.argv[2], Path(sys.argv[3]))
    sys.exit(main(parser(), measure))
