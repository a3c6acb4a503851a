"""Drafts under different system turns: what is accepted, what is an assistant's talk, how long.

    python -m benchmarks.system_turns --model FOLDER [--tries 2] [--system "You are a poet."]

The model answers 24 poor instructions, such as a small model writes, and the first 24 of a shipped
set: without a system turn, with the shipped one, and with each `--system`, one draft a try and no
second attempt. Prints a table; with --out FILE keeps the texts as JSONL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.result import markdown_table
from selflengthen.config import EngineConfig, SamplingConfig
from selflengthen.engines import open_engine
from selflengthen.engines.base import Sampling
from selflengthen.inputs import models, prompts, seeds
from selflengthen.stages.contract import Ask
from selflengthen.text.checks import Checks, assistant_talk, refusal
from selflengthen.text.measures import word_count

POOR = (
    *("A story about a dog.", "Write something long.", "The future of work"),
    *("Tell me about a trip to the sea.", "How to be happy?", "My grandmother's kitchen"),
    *("An essay, please, about water.", "Write about the topic of your choice."),
    *("Describe the process.", "Something for a newsletter", "What is a good leader"),
    *("A letter to an old friend", "Explain the economy."),
    "This is a new project. It will take a little time to get used to it.",
    *("The best way to learn a language", "Report on the meeting", "Write a guide for beginners."),
    *("A day in the city", "Why do people read?", "A speech for a wedding", "The history of bread"),
    *(
        "Create a plan for the year.",
        "I lost my keys and then it got worse.",
        "Compare two cities.",
    ),
)
HEADS = (
    *("instructions", "system turn", "drafts", "end", "accepted", "assistant talk or refusal"),
    *("median words", "of accepted", "rejected for"),
)


@dataclass(frozen=True)
class Draft:
    """A draft, and why the checks reject it (None: they accept it)."""

    instructions: str
    system: str
    instruction: str
    text: str
    finish_reason: str
    reason: str | None


def main(words: Sequence[str] | None = None) -> None:
    """Draft under each system turn and print the table."""
    args = _parser().parse_args(words)
    drafts = asyncio.run(measure(args))
    if args.out:
        args.out.write_text("".join(json.dumps(asdict(draft)) + "\n" for draft in drafts))
    print(table(drafts))


async def measure(args: argparse.Namespace) -> list[Draft]:
    """Return all drafts."""
    texts = prompts.load(prompts.shipped(args.language))
    systems = list(dict.fromkeys(["", texts.system, *args.system]))
    shipped = [seed.instruction for seed in seeds.load(f"held-out-{args.language}")]
    sets = {"poor": POOR, "shipped": shipped[: len(POOR)]}
    config = EngineConfig(kind=args.engine, context=args.max_tokens + 1024)
    path = models.find(args.model).path
    engine = await open_engine(config, path, {}, on_note=lambda line: None)
    gate = asyncio.Semaphore(args.in_flight)

    async def draft(kind: str, system: str, number: int, trial: int) -> Draft:
        instruction = sets[kind][number]
        async with gate:
            ask = Ask(engine, trial, f"{kind}-{number}", 1, system=system)
            return await _draft(ask, kind, instruction, texts, args.max_tokens)

    try:
        return await asyncio.gather(
            *(
                draft(kind, system, number, trial)
                for trial in range(args.tries)
                for system in systems
                for kind, listed in sets.items()
                for number in range(len(listed))
            )
        )
    finally:
        await engine.close()


async def _draft(
    ask: Ask, kind: str, instruction: str, texts: prompts.Prompts, max_tokens: int
) -> Draft:
    user = texts.fill("draft.user", instruction=instruction)
    completion = await ask(user, "base", _sampling(max_tokens))
    text = completion.text.strip()
    reason = Checks().reject(text, completion.finish_reason, instruction)
    return Draft(kind, ask.system, instruction, text, completion.finish_reason, reason)


def _sampling(max_tokens: int) -> Sampling:
    fields = dict(SamplingConfig(max_tokens=max_tokens))
    return Sampling(**fields | {"stop": tuple(fields["stop"])})


def table(drafts: Sequence[Draft]) -> str:
    """Write a row for each set of instructions and system turn."""
    groups: Mapping[tuple[str, str], list[Draft]] = {
        key: [d for d in drafts if (d.instructions, d.system) == key]
        for key in sorted({(d.instructions, d.system) for d in drafts})
    }
    return markdown_table([HEADS, *(_row(*key, group) for key, group in groups.items())])


def _row(kind: str, system: str, drafts: Sequence[Draft]) -> tuple[str, ...]:
    accepted = [word_count(d.text) for d in drafts if d.reason is None]
    reasons = Counter(d.reason for d in drafts if d.reason)
    return (
        kind,
        system or "none",
        str(len(drafts)),
        str(sum(d.finish_reason == "stop" for d in drafts)),
        str(len(accepted)),
        str(sum(bool(assistant_talk(d.text) or refusal(d.text)) for d in drafts)),
        f"{statistics.median(word_count(d.text) for d in drafts):.0f}",
        f"{statistics.median(accepted):.0f}" if accepted else "-",
        ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()) or "-",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pocket", help="a folder, a hub id, or pocket")
    parser.add_argument("--language", default="en", help="the prompts and the shipped set")
    parser.add_argument("--system", action="append", default=[], help="a system turn to try")
    parser.add_argument("--tries", type=int, default=2, help="drafts per instruction")
    parser.add_argument("--max-tokens", type=int, default=1200, help="of a draft")
    parser.add_argument("--in-flight", type=int, default=96, help="drafts in progress at once")
    parser.add_argument("--engine", default="auto", help="what completes requests")
    parser.add_argument("--out", type=Path, help="file for the texts")
    return parser


if __name__ == "__main__":
    main()
