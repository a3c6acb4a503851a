"""How much a run writes and trains on, in tokens: its rounds, `collect` and `finish`.

Where a run has made texts already, its own lengths and attempts are used; else rules of thumb.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from selflengthen.config import Config
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_table import CURATE, DRAFT, EXPAND, TRAIN

FIRST_DRAFT, GROWTH, ATTEMPTS = 1_300, 2.0, 1.5
"""Without a run: tokens of a draft in round 1, growth a round and an expansion, attempts a text."""
_KEPT = 0.595  # the lot keeps this share: 1 - the mean of min(1, 2·rank³)
_PASS = 1.2  # tokens that the two stages of a pass write, over the text's that comes of them
_INSTRUCTION, _PROMPT = 60, 200  # tokens
_SAMPLE = 2_000
COPIES = 3.0
"""A text stands in its record, in two training rows, and in refused attempts."""


@dataclass(frozen=True)
class Work:
    """Tokens generated, trained on over all epochs, and of texts that are written down."""

    generated: float
    trained: float
    texts: float


@dataclass(frozen=True)
class Seen:
    """What a run has shown so far; None where it has not."""

    draft_tokens: float | None = None
    attempts: float | None = None
    growth: float | None = None
    chosen: float | None = None
    generate_rate: float | None = None
    train_rate: float | None = None


def look(run: RunFolder, model: str) -> Seen:
    """Read lengths, attempts and speeds from the stages of a run that `model` (its digest) made."""
    stages = [f for f in reversed(run.stages()) if (f.identity() or {}).get("model") == model]
    done = {(f.spec, f.part): f.done() for f in stages}
    first = {f.spec: f for f in stages if f.done()}
    drafts, expansions = done.get((DRAFT, "")), done.get((EXPAND, ""))
    train = done.get((TRAIN, "generator"))
    tokens = attempts = growth = None
    if drafts and drafts.get("accepted"):
        # A sample is enough, and a round may hold hundreds of thousands.
        sample = islice(first[DRAFT].records(dropped=True), _SAMPLE)
        drawn = [(r.attempts, r.tokens / r.attempts) for r in sample]
        if drawn:  # else the file is damaged, which whatever reads it says
            attempts, tokens = (sum(column) / len(drawn) for column in zip(*drawn, strict=True))
    if drafts and expansions and expansions.get("accepted") and drafts["words"]["mean"]:
        growth = expansions["words"]["mean"] / drafts["words"]["mean"]
    chosen = done.get((CURATE, ""))
    written = [stage for stage in (drafts, expansions) if stage]
    rates = [s["tokens_per_second"] for s in written if s.get("tokens_per_second")]
    return Seen(
        draft_tokens=tokens, attempts=attempts, growth=growth,
        chosen=chosen["rows"] / max(1, chosen["of"]) if chosen else None,
        generate_rate=sum(rates) / len(rates) if rates else None,
        train_rate=(train or {}).get("tokens_per_second"),
    )  # fmt: skip


@dataclass(frozen=True)
class Round:
    """A round in numbers: its texts, how many attempts each takes, and tokens of one."""

    drafts: float
    made: float  # expansions, before the lot
    rows: float  # after it
    chosen: float  # of them, to train on
    attempts: float
    draft: float
    grown: float


def plan(config: Config, seen: Seen) -> list[Round]:
    """Return all rounds, and as the last what a round after them would be."""
    draft, expand = config.draft, config.expand
    most = config.sampling.max_tokens
    length = min(seen.draft_tokens or FIRST_DRAFT, most / (1 if seen.draft_tokens else 8))
    rounds = []
    for _ in range(config.iterations + 1):
        grown = min(length * (seen.growth or GROWTH), most)
        drafts = config.instruct.per_round * draft.per_instruction
        made = drafts * (_KEPT if draft.drop_short else 1) * expand.per_draft
        rows = made * (_KEPT if expand.drop_short else 1)
        chosen = _chosen(config, rows, seen)
        rounds.append(Round(drafts, made, rows, chosen, seen.attempts or ATTEMPTS, length, grown))
        length = grown
    return rounds


def _chosen(config: Config, rows: float, seen: Seen) -> float:
    """Return how many rows `curate` keeps: the share seen, else no more than a step asks for."""
    if config.curate and seen.chosen is not None:
        return rows * seen.chosen
    asked = [options for step in config.curate for options in step.values() if options]
    return min([rows, *(float(options["k"]) for options in asked if "k" in options)])


def of_rounds(config: Config, plan: list[Round]) -> Work:
    """Reckon the rounds: all but the plan's last."""
    generated = trained = texts = 0.0
    for each in plan[:-1]:
        tried = each.drafts * each.attempts * each.draft
        held_out = config.held_out.texts * each.grown
        generated += config.instruct.per_round * each.attempts * _INSTRUCTION
        generated += tried + held_out
        generated += each.made * each.attempts * config.expand.passes * _PASS * each.grown
        texts += tried + each.made * each.attempts * each.grown + held_out
        trained += each.chosen * config.train.generator.epochs * (_PROMPT + each.grown)
        outline = config.dataset.keep_line * each.draft
        trained += each.chosen * config.train.expander.epochs * (_PROMPT + outline + each.grown)
    return Work(generated, trained, texts)


def of_collect(config: Config, plan: list[Round]) -> Work:
    """Reckon the last generator's drafts, and the union that stands once more beside them."""
    asked, after = config.collect.instructions, plan[-1]
    drafts = asked * config.draft.per_instruction * after.attempts * after.draft
    _, union = _union(config, plan)
    generated = asked * after.attempts * _INSTRUCTION + drafts
    return Work(generated, 0, drafts + union / COPIES)


def of_finish(config: Config, plan: list[Round]) -> Work:
    """Reckon demands for the rows of the union, the training on them, and the held-out texts."""
    rows, union = _union(config, plan)
    tries = min(plan[-1].attempts, config.finish.attempts)
    demands, held_out = rows * tries * _INSTRUCTION, 2 * config.held_out.texts * plan[-1].draft
    trained = config.finish.epochs * (rows * _PROMPT + union)
    return Work(demands + held_out, trained, demands + held_out + union / COPIES)


def _union(config: Config, plan: list[Round]) -> tuple[float, float]:
    """Return rows and tokens of the union: few of an instruction's texts stay."""
    keep, asked = config.collect.keep, config.collect.instructions
    kept = [(min(r.rows, keep * config.instruct.per_round), r.grown) for r in plan[:-1]]
    kept.append((asked * min(keep, config.draft.per_instruction), plan[-1].draft))
    return sum(rows for rows, _ in kept), sum(rows * tokens for rows, tokens in kept)
