"""Estimates the tokens that a run generates and trains on: its rounds, `collect` and `finish`.

If the run exists, the estimate uses its own lengths and attempts; otherwise, rules of thumb.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from selflengthen.config import Config
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import ChosenDone, D, TextsDone, TrainedDone
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import CURATE, DRAFT, EXPAND, TRAIN

# Rules of thumb.
FIRST_DRAFT = 1_300
"""Tokens of a draft in the first round."""
GROWTH = 2.0
"""How many times as long an expansion is, and the next round's drafts are."""
ATTEMPTS = 1.5
"""Attempts per text."""
COPIES = 3.0
"""Copies of a text on disk: in its record, in two training rows, partly in rejected attempts."""

_SURVIVES = 0.595  # share left after dropping short texts: 1 - the mean of min(1, 2·rank³)
# Tokens that a pass generates, rejected tries of parts included, per token of the resulting text.
_PASS = {"two-stage": 1.2, "section": 1.5, "auto": 1.5}
_PART = 100  # tokens of a part before it is rewritten
# Size on disk of an expansion ÷ that of its text: by section, its record also has its parts.
_STORED = {"two-stage": 1.0, "section": 1.6, "auto": 1.6}
_INSTRUCTION = 60  # tokens
_PROMPT = 200  # tokens
_SAMPLE = 2_000  # records


@dataclass(frozen=True)
class TokenBudget:
    """Tokens to generate, tokens to train on over all epochs, and tokens of texts on disk."""

    generated: float
    trained: float
    texts: float


@dataclass(frozen=True)
class Observed:
    """What was measured in a run so far; None for what was not yet.

    Attributes:
        draft_tokens: tokens of a draft of the first round, per attempt.
        attempts: attempts per draft.
        growth: words of an expansion ÷ words of a draft.
        chosen: share of the rows that `curate` selects.
        generate_rate: tokens per second of the engine.
        train_rate: tokens per second of the trainer.
    """

    draft_tokens: float | None = None
    attempts: float | None = None
    growth: float | None = None
    chosen: float | None = None
    generate_rate: float | None = None
    train_rate: float | None = None


def observe(run: RunFolder, model: str) -> Observed:
    """Read lengths, attempts and speeds from those stages of a run that used `model` (a digest)."""
    stages = [f for f in reversed(run.stages()) if (f.identity() or {}).get("model") == model]
    first = {(f.spec, f.part): f for f in stages}
    drafts = _done(first.get((DRAFT, "")), TextsDone)
    expansions = _done(first.get((EXPAND, "")), TextsDone)
    chosen = _done(first.get((CURATE, "")), ChosenDone)
    train = _done(first.get((TRAIN, "generator")), TrainedDone)
    tokens = attempts = growth = None
    if drafts and drafts.accepted:
        attempts, tokens = _mean_draft(first[DRAFT, ""])
    if drafts and expansions and expansions.accepted and drafts.words.mean:
        growth = expansions.words.mean / drafts.words.mean
    return Observed(
        draft_tokens=tokens,
        attempts=attempts,
        growth=growth,
        chosen=chosen.rows / max(1, chosen.of) if chosen else None,
        generate_rate=_mean_rate(drafts, expansions),
        train_rate=train.tokens_per_second if train else None,
    )


def _done(folder: StageFolder | None, kind: type[D]) -> D | None:
    return folder.done_as(kind) if folder else None


def _mean_draft(folder: StageFolder) -> tuple[float | None, float | None]:
    """Return mean attempts, and mean tokens per attempt, of a stage's first records.

    A sample is enough; a round may have hundreds of thousands. A file without records is damaged,
    which is reported when its texts are read.
    """
    sample = islice(folder.records(dropped=True), _SAMPLE)
    pairs = [(record.attempts, record.tokens / record.attempts) for record in sample]
    if not pairs:
        return None, None
    attempts, tokens = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    return attempts, tokens


def _mean_rate(*stages: TextsDone | None) -> float | None:
    """Return the mean tokens per second of the stages that have it in DONE.json."""
    rates = [rate for stage in stages if stage and (rate := stage.tokens_per_second)]
    return sum(rates) / len(rates) if rates else None


@dataclass(frozen=True)
class RoundPlan:
    """The expected numbers of a round.

    Attributes:
        drafts: number of drafts.
        expansions: number of expansions, before short ones are dropped.
        rows: number of expansions afterwards.
        chosen: number of rows to train on.
        attempts: attempts per text.
        draft_tokens: tokens of a draft.
        expansion_tokens: tokens of an expansion.
    """

    drafts: float
    expansions: float
    rows: float
    chosen: float
    attempts: float
    draft_tokens: float
    expansion_tokens: float


def plan_rounds(config: Config, observed: Observed) -> list[RoundPlan]:
    """Return all rounds and one more, whose drafts are like those of `collect`."""
    draft = config.draft
    expand = config.expand
    most = config.sampling.max_tokens
    length = min(observed.draft_tokens or FIRST_DRAFT, most / (1 if observed.draft_tokens else 8))
    rounds = []
    for _ in range(config.iterations + 1):
        grown = min(length * (observed.growth or GROWTH), most)
        drafts = config.instruct.per_round * draft.per_instruction
        expansions = drafts * (_SURVIVES if draft.drop_short else 1) * expand.per_draft
        rows = expansions * (_SURVIVES if expand.drop_short else 1)
        rounds.append(
            RoundPlan(
                drafts=drafts,
                expansions=expansions,
                rows=rows,
                chosen=_chosen(config, rows, observed),
                attempts=observed.attempts or ATTEMPTS,
                draft_tokens=length,
                expansion_tokens=grown,
            )
        )
        length = grown
    return rounds


def _chosen(config: Config, rows: float, observed: Observed) -> float:
    """Return how many rows `curate` selects: the observed share, or at most the smallest `k`."""
    if config.curate and observed.chosen is not None:
        return rows * observed.chosen
    listed = [options for step in config.curate for options in step.values() if options]
    return min([rows, *(float(options["k"]) for options in listed if "k" in options)])


def rounds_budget(config: Config, plan: list[RoundPlan]) -> TokenBudget:
    """Return the tokens of the rounds: all but the last of the plan."""
    generated = trained = texts = 0.0
    for each in plan[:-1]:
        drafts = each.drafts * each.attempts * each.draft_tokens
        held_out = config.held_out.texts * each.expansion_tokens
        generated += config.instruct.per_round * each.attempts * _INSTRUCTION
        generated += drafts + held_out
        attempts = each.expansions * each.attempts
        once = _PASS[config.expand.strategy] * each.expansion_tokens
        generated += attempts * config.expand.passes * once
        stored = _STORED[config.expand.strategy] * each.expansion_tokens
        texts += drafts + attempts * stored + held_out
        row = _PROMPT + each.expansion_tokens
        trained += each.chosen * config.train.generator.epochs * row
        trained += each.chosen * config.train.expander.epochs * _expander_row(config, each)
    return TokenBudget(generated, trained, texts)


def _expander_row(config: Config, each: RoundPlan) -> float:
    """Return the tokens of the expander's row of an expansion, or of its rows of parts."""
    if config.expand.strategy == "two-stage":
        return _PROMPT + config.dataset.keep_line * each.draft_tokens + each.expansion_tokens
    requests = _PROMPT * max(1, each.draft_tokens / _PART)
    return requests + each.draft_tokens + each.expansion_tokens


def collect_budget(config: Config, plan: list[RoundPlan]) -> TokenBudget:
    """Return the tokens of the last generator's drafts, and of the union of all texts on disk."""
    after = plan[-1]
    instructions = config.collect.instructions
    copies = instructions * config.draft.per_instruction
    drafts = copies * after.attempts * after.draft_tokens
    _, union = _union(config, plan)
    generated = instructions * after.attempts * _INSTRUCTION + drafts
    return TokenBudget(generated, 0, drafts + union / COPIES)


def finish_budget(config: Config, plan: list[RoundPlan]) -> TokenBudget:
    """Return the tokens of the length requirements, the training, and the held-out texts."""
    rows, union = _union(config, plan)
    attempts = min(plan[-1].attempts, config.finish.attempts)
    requirements = rows * attempts * _INSTRUCTION
    held_out = 2 * config.held_out.texts * plan[-1].draft_tokens  # by the base model and the result
    trained = config.finish.epochs * (rows * _PROMPT + union)
    return TokenBudget(requirements + held_out, trained, requirements + held_out + union / COPIES)


def _union(config: Config, plan: list[RoundPlan]) -> tuple[float, float]:
    """Return rows and tokens of the union: at most `collect.keep` texts per instruction."""
    keep = config.collect.keep
    parts = [
        (min(each.rows, keep * config.instruct.per_round), each.expansion_tokens)
        for each in plan[:-1]
    ]
    drafts = config.collect.instructions * min(keep, config.draft.per_instruction)
    parts.append((drafts, plan[-1].draft_tokens))
    return sum(rows for rows, _ in parts), sum(rows * tokens for rows, tokens in parts)
