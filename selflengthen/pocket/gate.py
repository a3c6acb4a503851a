"""What a pocket base model must be able to do before any loop is tried on it.

Outlines of growing length are made longer at the loop's temperature. A model that loses its place
in a long outline looks fine on average and breaks in the third round, so the gate holds per length.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from selflengthen.inputs.prompts import Prompts
from selflengthen.pocket.language import Story, render
from selflengthen.text.measures import word_count
from selflengthen.text.repeats import has_repeat

TEMPERATURE, TEXTS = 0.9, 128
# Times made longer before being an outline → least share of sentences kept in order, most repeats.
GATE = {0: (0.95, 4), 1: (0.98, 4), 2: (0.95, 8), 3: (0.90, 24)}


def measure(
    model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: Prompts, seed: int = 7
) -> dict[str, Any]:
    """Return figures for writing, extending (by outline length) and judging."""
    rng = random.Random(seed)
    stories = [Story(rng) for _ in range(TEXTS)]
    asked = [prompts.fill("draft.user", instruction=s.request()) for s in stories]
    report: dict[str, Any] = {"write": _figures(complete(model, tokenizer, asked, 400))}
    for times in GATE:
        outlines, asked = [], []
        for _ in range(TEXTS):
            story = Story(rng)
            text = story.text([1] * rng.choice([3, 3, 4]))
            for _ in range(times):
                text = story.longer(text)
            outlines.append(text)
            outline = render(text)
            asked.append(prompts.fill("expand.user", instruction=story.request(), outline=outline))
        written = complete(model, tokenizer, asked, 1200)
        lengths = [word_count(render(o)) for o in outlines]
        kept = [
            recall([s.text for p in o for s in p.sentences], t)
            for o, (t, _) in zip(outlines, written, strict=True)
        ]
        report[f"extend {times}"] = _figures(written) | {
            "outline_words": sum(lengths) / TEXTS,
            "recall": sum(kept) / TEXTS,
        }
    asks = [(s.request(), "yes") for s in stories] + [(s.unsuitable(), "no") for s in stories]
    judged = complete(
        model, tokenizer, [prompts.fill("judge.user", instruction=a) for a, _ in asks], 3
    )
    right = [answer.strip() == truth for (answer, _), (_, truth) in zip(judged, asks, strict=True)]
    return report | {"judge": sum(right) / len(right)}


def passes(report: dict[str, Any]) -> bool:
    """Say whether a model with these figures may be shipped."""
    extends = [(report[f"extend {times}"], *bounds) for times, bounds in GATE.items()]
    return (
        report["judge"] >= 0.95
        and report["write"]["ends"] == 1.0
        and all(e["recall"] >= least and e["repeats"] * TEXTS <= most for e, least, most in extends)
    )


def recall(outline: Sequence[str], text: str) -> float:
    """Return the share of the outline's sentences that stand in the text, in order."""
    position, found = 0, 0
    for sentence in outline:
        at = text.find(sentence, position)
        if at >= 0:
            position, found = at + len(sentence), found + 1
    return found / len(outline)


@torch.no_grad()
def complete(
    model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, asked: Sequence[str], most: int
) -> list[tuple[str, bool]]:
    """Sample an answer to each message: the text, and whether it ended by itself."""
    chats = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": a}], add_generation_prompt=True, tokenize=False
        )
        for a in asked
    ]
    batch = tokenizer(chats, return_tensors="pt", padding=True, padding_side="left")
    torch.manual_seed(1)
    out = model.eval().generate(
        **batch, do_sample=True, temperature=TEMPERATURE, top_p=0.95, max_new_tokens=most
    )
    model.train()
    new = out[:, batch["input_ids"].shape[1] :]
    ended = (new == tokenizer.eos_token_id).any(1).tolist()
    return list(zip(tokenizer.batch_decode(new, skip_special_tokens=True), ended, strict=True))


def _figures(written: Sequence[tuple[str, bool]]) -> dict[str, float]:
    return {
        "words": sum(word_count(t) for t, _ in written) / len(written),
        "ends": sum(e for _, e in written) / len(written),
        "repeats": sum(has_repeat(t) for t, _ in written) / len(written),
    }
