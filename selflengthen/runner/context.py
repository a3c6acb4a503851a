"""What a run consists of, and what its stages run on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from selflengthen.config import Config
from selflengthen.engines.base import Adapters, Engine, Sampling
from selflengthen.inputs.models import Model
from selflengthen.inputs.prompts import Prompts
from selflengthen.inputs.seeds import Seed
from selflengthen.runner.executor import StageProgress
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.training.job import TrainingJob, TrainingResult

Train = Callable[[TrainingJob, StageFolder], Awaitable[TrainingResult]]
"""Trains a job into a stage's folder, where its log stands, too."""


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """A run's configuration and everything it names, read and checked.

    `held_out` are the instructions answered after each round, as many as the configuration says;
    `source` are those to take in place of written ones, in the order of their file.
    """

    config: Config
    model: Model
    run: RunFolder
    prompts: Prompts
    seeds: list[Seed]
    held_out: list[Seed]
    source: list[Seed] = field(default_factory=list)


class EngineProvider:
    """Opens an engine when one is first needed, and closes it when the adapters change."""

    def __init__(self, open_engine: Callable[[Adapters], Awaitable[Engine]]) -> None:
        """Open no engine yet; `open_engine` will."""
        self._open = open_engine
        self._engine: Engine | None = None
        self._adapters: Adapters | None = None

    async def engine(self, adapters: Adapters) -> Engine:
        """Return an engine with these adapters."""
        if self._engine is None or adapters != self._adapters:
            await self.close()
            self._engine = await self._open(adapters)
            self._adapters = adapters
        return self._engine

    async def close(self) -> None:
        """Free the engine's memory."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()


@dataclass(frozen=True, kw_only=True)
class Services:
    """What stages run on: engines, the trainer, the progress display; `note` prints a line."""

    engines: EngineProvider
    train: Train
    progress: StageProgress
    note: Callable[[str], None]


def sampling_of(config: Config) -> Sampling:
    """Return how a configuration's texts are drawn."""
    fields = dict(config.sampling)
    return Sampling(**fields | {"stop": tuple(fields["stop"])})
