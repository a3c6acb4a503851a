"""A whole run on the scripted engine, small and quick; the trainer writes a stand-in adapter."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from selflengthen.config import Config
from selflengthen.engines.base import Adapters, Engine
from selflengthen.engines.scripted import Reply, Scripted
from selflengthen.inputs import prompts, seeds
from selflengthen.inputs.models import Model
from selflengthen.pipeline.controller import Controller
from selflengthen.pipeline.rounds import Rounds
from selflengthen.runner.context import EngineProvider, RunContext, Services
from selflengthen.storage.atomic import rewrite
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.training.job import TrainingJob, TrainingResult
from selflengthen.training.weights import digest_of_weights

ROUNDS = 2
VOLATILE = {"seconds", "started", "finished", "tokens_per_second"}


def config(**changes: Any) -> Config:
    """Return a configuration of some hundred requests a round."""
    plain: dict[str, Any] = {
        "iterations": ROUNDS,
        "instruct": {"per_round": 12, "attempts": 3, "wave": 5},
        "draft": {"attempts": 3},
        "expand": {"attempts": 2, "passes": 2},
        "held_out": {"texts": 4, "min_ends": 0, "max_repeats": 1},
        "collect": {"instructions": 6},
        "engine": {"in_flight": 8},
    }
    for name, value in changes.items():
        plain[name] = {**plain[name], **value} if isinstance(plain.get(name), dict) else value
    return Config.model_validate(plain)


class Silent:
    """Nobody is told of anything."""

    def begin(self, title: str, total: int, done: int) -> None:
        """Hear nothing."""

    def accepted(self, record: object) -> None:
        """Hear nothing."""

    def rejected(self, rejection: object) -> None:
        """Hear nothing."""

    def end(self) -> None:
        """Hear nothing."""


def adapter_of(made_of: bytes) -> bytes:
    """Return an adapter's file whose eight weights follow from `made_of`."""
    return save({"weights": np.frombuffer(hashlib.sha256(made_of).digest(), np.float32)})


async def train(job: TrainingJob, folder: StageFolder, pause: float = 0) -> TrainingResult:
    """Write an adapter that depends on the rows and on what is gone on from."""
    await asyncio.sleep(pause)
    rows = Path(job.rows).read_bytes()
    start = (
        Path(job.start_from, "adapter_model.safetensors").read_bytes() if job.start_from else b""
    )
    weights = job.folder / "adapter_model.safetensors"
    rewrite(weights, [adapter_of(rows + start)])
    rewrite(job.folder / "adapter_config.json", [b"{}"])
    return TrainingResult(
        job="", adapter=digest_of_weights(weights), rows=rows.count(b"\n"),
        dropped=0, longest=1, steps=1, tokens=1,
        first_loss=1.0, last_loss=1.0, seconds=0.0, startup_seconds=0.0,
        tokens_per_second=1.0, peak_memory=1, resumed_from=0, versions={},
    )  # fmt: skip


def services(open_engine: Callable[[Adapters], Awaitable[Engine]], *, pause: float = 0) -> Services:
    """Return what stages are made with: this engine, a trainer that takes `pause` seconds."""
    return Services(
        engines=EngineProvider(open_engine),
        train=partial(train, pause=pause),
        progress=Silent(),
        note=lambda line: None,
    )


def context(folder: Path, settings: Config) -> RunContext:
    """Return what a run with these settings consists of."""
    source = settings.instruct.source
    return RunContext(
        config=settings,
        model=Model("scripted", Path("scripted"), {}, "0" * 64),
        run=RunFolder(folder),
        prompts=prompts.load(Path(settings.prompts or prompts.shipped("en"))),
        seeds=seeds.load("en"),
        held_out=seeds.load("held-out-en")[: settings.held_out.texts],
        source=seeds.load_source(source) if source else [],
    )


def rounds(
    folder: Path,
    settings: Config,
    *,
    latency: float = 0,
    reply: Reply | None = None,
    make: Callable[..., Controller] = Rounds,
) -> Controller:
    """Put a run together: its rounds, or with `make` what comes after them."""

    async def open_engine(adapters: Adapters) -> Engine:
        return Scripted(reply, latency)

    return make(context(folder, settings), services(open_engine, pause=latency))


def play(folder: Path, settings: Config | None = None, **how: Any) -> None:
    """Play a run to its end."""
    asyncio.run(rounds(folder, settings or config(), **how).play())


def contents(folder: Path) -> dict[str, Any]:
    """Return what a run made, by path, without what may differ between equal runs."""
    return {
        str(path.relative_to(folder)): list(_plain(path))
        for path in sorted(folder.rglob("*.json*"))
        if path.name not in ("metrics.json",)
    }


def _plain(path: Path) -> Iterator[Any]:
    text = path.read_text()
    values = (
        [json.loads(line) for line in text.splitlines()]
        if path.suffix == ".jsonl"
        else [json.loads(text)]
    )
    for value in values:
        if path.name == "DONE.json":
            value.pop("tokens", None)
        yield {k: v for k, v in value.items() if k not in VOLATILE}


WRITES, REQUESTS = (os, "fsync"), (Scripted, "complete")


def survives(act: Callable[[], object], when: int, what: tuple[object, str] = WRITES) -> bool:
    """Act in a fork that is killed at the `when`-th time that it forces data to disk, or asks."""
    child = os.fork()
    if child == 0:
        owner, name = what
        left, original = when, getattr(owner, name)

        def count(*given: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*given)

        setattr(owner, name, count)
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return not os.WIFSIGNALED(status)
