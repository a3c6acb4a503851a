"""Both expansion strategies on the same drafts: what is accepted, how long, and at what cost.

    python -m benchmarks.strategies --model FOLDER [--language en] [--drafts 16] [--passes 1]

The model drafts the first instructions of a shipped set, without adapters. Then each draft is
lengthened once in each way, one attempt each, with the checks of a run. Prints a table; with --out
FOLDER also keeps drafts and attempts as JSONL there, and reuses the drafts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.bench_restart import Silent
from benchmarks.result import markdown_table
from selflengthen.config import Config
from selflengthen.engines.base import Engine
from selflengthen.inputs import models, prompts, seeds
from selflengthen.pipeline import strategy
from selflengthen.runner.context import sampling_of
from selflengthen.runner.executor import StageExecutor
from selflengthen.stages.contract import Ask, Item, Verdict
from selflengthen.stages.draft import Draft
from selflengthen.stages.expansion import ExpandInput, Expansion
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import DRAFT, STRATEGY
from selflengthen.text.checks import Checks
from selflengthen.text.measures import word_count

HEADS = (
    *("strategy", "tries", "accepted", "growth of all", "growth of accepted", "words of accepted"),
    *("tokens per accepted new word", "parts grown", "rejected for"),
)


@dataclass(frozen=True)
class Attempt:
    """One attempt to lengthen a draft, with the tokens that it took."""

    kind: str
    instruction: str
    draft: str
    verdict: Verdict
    tokens: int

    @property
    def growth(self) -> float:
        """Words of the text per word of its draft."""
        return word_count(self.verdict.text) / word_count(self.draft)

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "strategy": self.kind,
            "instruction": self.instruction,
            "draft": self.draft,
            "text": self.verdict.text,
            "reason": self.verdict.reason,
            "growth": round(self.growth, 2),
            "tokens": self.tokens,
            "details": self.verdict.details,
        }


@dataclass
class Recorded:
    """A strategy as a stage of one attempt that keeps every verdict, rejected ones too."""

    kind: str
    stage: Expansion
    recorded: list[Attempt] = field(default_factory=list)
    attempts: int = 1

    async def attempt(self, item: Item[ExpandInput], ask: Ask) -> Verdict:
        """Lengthen a draft once."""
        verdict = await self.stage.attempt(item, ask)
        pair = item.input
        self.recorded.append(Attempt(self.kind, pair.instruction, pair.draft, verdict, ask.tokens))
        return verdict


def main(words: Sequence[str] | None = None) -> None:
    """Draft, lengthen, and print the table."""
    args = _parser().parse_args(words)
    args.instructions = args.instructions or f"held-out-{args.language}"
    with contextlib.ExitStack() as stack:
        work = args.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        attempts = asyncio.run(measure(args, work))
        if args.out:
            lines = "".join(json.dumps(attempt.plain()) + "\n" for attempt in attempts)
            (work / "attempts.jsonl").write_text(lines)
    print(table(attempts))


async def measure(args: argparse.Namespace, work: Path) -> list[Attempt]:
    """Return every attempt of both strategies."""
    config = _config(args)
    engine = await _open(config, args.model)
    try:
        texts = prompts.load(prompts.shipped(args.language))
        checks, sampling = Checks(**dict(config.checks)), sampling_of(config)
        instructions = {seed.id: seed.instruction for seed in seeds.load(args.instructions)}
        chosen = list(instructions)[: args.drafts]
        run = RunFolder(work)
        drafts = run.stage(DRAFT, 1)
        drafts.begin({})
        stage = Draft(config.draft, texts, checks, sampling)
        wanted = (Item(f"r01-draft-{name}", name, instructions[name]) for name in chosen)
        await _executor(engine, config, drafts, texts.system).run(stage, wanted)
        attempts: list[Attempt] = []
        with tempfile.TemporaryDirectory() as scratch:
            for kind in args.strategies:
                folder = RunFolder(Path(scratch, kind)).stage(STRATEGY, 1)
                folder.begin({})
                expansion = strategy.KINDS[kind](config.expand, texts, checks, sampling)
                recorder = Recorded(kind, expansion)
                items = strategy.items(drafts.records(), instructions)
                own = (item for item in items if item.id.endswith(f"-{kind}"))
                await _executor(engine, config, folder, texts.system).run(recorder, own)
                attempts += recorder.recorded
    finally:
        await engine.close()
    return attempts


def table(attempts: Sequence[Attempt]) -> str:
    """Write a row per strategy."""
    kinds = dict.fromkeys(attempt.kind for attempt in attempts)
    rows = [_row(kind, [a for a in attempts if a.kind == kind]) for kind in kinds]
    return markdown_table([HEADS, *rows])


def _row(kind: str, attempts: Sequence[Attempt]) -> tuple[str, ...]:
    accepted = [a for a in attempts if a.verdict.reason is None]
    new = sum(word_count(a.verdict.text) - word_count(a.draft) for a in accepted)
    tokens = sum(a.tokens for a in attempts)
    reasons = Counter(a.verdict.reason for a in attempts if a.verdict.reason)
    parts = [part for a in attempts for part in _parts(a.verdict.details)]
    grown = sum(part["after"] > part["before"] for part in parts)
    tries = Counter(reason for part in parts for reason in part["reasons"])
    cell = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    if tries:
        cell += "; parts: " + ", ".join(f"{r} {count}" for r, count in tries.most_common())
    return (
        kind,
        str(len(attempts)),
        str(len(accepted)),
        _median([a.growth for a in attempts], "{:.2f}"),
        _median([a.growth for a in accepted], "{:.2f}"),
        _median([word_count(a.verdict.text) for a in accepted], "{:.0f}"),
        f"{tokens / new:.1f}" if new else "-",
        f"{grown} of {len(parts)}" if parts else "-",
        cell or "-",
    )


def _parts(details: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for each in details.get("passes", ()):
        yield from each.get("parts", ())


def _median(values: Sequence[float], form: str) -> str:
    return form.format(statistics.median(values)) if values else "-"


def _config(args: argparse.Namespace) -> Config:
    return Config.model_validate(
        {
            "sampling": {"max_tokens": args.max_tokens},
            "draft": {"attempts": 4},
            "expand": {"passes": args.passes},
            "engine": {"kind": args.engine, "context": args.context, "in_flight": 64},
        }
    )


async def _open(config: Config, model: str) -> Engine:
    from selflengthen.engines import open_engine

    path = models.find(model).path
    return await open_engine(config.engine, path, {}, on_note=lambda line: None)


def _executor(engine: Engine, config: Config, folder: StageFolder, system: str) -> StageExecutor:
    return StageExecutor(
        folder,
        engine=engine,
        seed=config.seed,
        in_flight=config.engine.in_flight,
        progress=Silent(),
        system=system,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pocket", help="a folder, a hub id, or pocket")
    parser.add_argument("--language", default="en", help="the prompts: en, zh or pocket")
    parser.add_argument("--instructions", help="a set or file; default: held-out-LANGUAGE")
    parser.add_argument("--drafts", type=int, default=16, help="how many drafts are written")
    parser.add_argument("--passes", type=int, default=1, help="passes in an attempt")
    parser.add_argument("--max-tokens", type=int, default=2500, help="of one completion")
    parser.add_argument("--context", type=int, default=8192, help="of prompt and completion")
    parser.add_argument("--engine", default="auto", help="what completes requests")
    parser.add_argument("--out", type=Path, help="folder for the texts; drafts there are reused")
    parser.add_argument(
        "--strategies", nargs="+", choices=list(strategy.KINDS), default=list(strategy.KINDS)
    )
    return parser


if __name__ == "__main__":
    main()
