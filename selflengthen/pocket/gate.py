"""What a pocket base model must be able to do before a loop is worth trying on it.

Outlines of growing length are made longer at the loop's temperature. A model that loses its place
in a long outline looks fine on average and breaks in the third round, so the gate holds per length.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import torch
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from selflengthen.inputs.prompts import Prompts
from selflengthen.pocket.language import Story, Text, render
from selflengthen.text.measures import word_count
from selflengthen.text.repeats import has_repeat

TEMPERATURE = 0.9
TEXTS = 128
# How often an outline was made longer before → the least share of its sentences kept in order, and
# the most texts with a repeat.
GATE = {0: (0.95, 4), 1: (0.98, 4), 2: (0.95, 8), 3: (0.90, 24)}
_LEAST_JUDGED = 0.95  # share of the judgements that must be right
_TEXT_TOKENS = 400  # of a text for a request
_LONGER_TOKENS = 1200  # of a longer text for an outline
_ANSWER_TOKENS = 3

Answer = tuple[str, bool]
"""A text, and whether it ended by itself."""


class TextFigures(msgspec.Struct, frozen=True):
    """Mean words, the share that ended by itself and the share that repeats a 10-gram."""

    words: float
    ends: float
    repeats: float


class ExtendFigures(TextFigures, frozen=True):
    """The same of longer texts, with mean words and share of sentences kept of their outlines."""

    outline_words: float
    recall: float


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate measured; the JSON names are those of gate.json.

    Attributes:
        write: texts for requests.
        extend_0: longer texts for outlines that had not been made longer before.
        extend_1: the same for outlines that had been made longer once.
        extend_2: … twice.
        extend_3: … three times.
        judge: share of the judgements that are right.
    """

    write: TextFigures
    extend_0: ExtendFigures = msgspec.field(name="extend 0")
    extend_1: ExtendFigures = msgspec.field(name="extend 1")
    extend_2: ExtendFigures = msgspec.field(name="extend 2")
    extend_3: ExtendFigures = msgspec.field(name="extend 3")
    judge: float

    def extends(self) -> tuple[ExtendFigures, ...]:
        """Return the figures of longer texts, in the order of `GATE`."""
        return self.extend_0, self.extend_1, self.extend_2, self.extend_3


def measure(
    model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: Prompts, seed: int = 7
) -> GateReport:
    """Measure writing, extending (by outline length) and judging."""
    rng = random.Random(seed)
    stories = [Story(rng) for _ in range(TEXTS)]
    requests = [prompts.fill("draft.user", instruction=story.request()) for story in stories]
    write = _text_figures(complete(model, tokenizer, requests, _TEXT_TOKENS))
    extends = [_measure_extend(model, tokenizer, prompts, times, rng) for times in GATE]
    return GateReport(
        write=write,
        extend_0=extends[0],
        extend_1=extends[1],
        extend_2=extends[2],
        extend_3=extends[3],
        judge=_measure_judge(model, tokenizer, prompts, stories),
    )


def _measure_extend(
    model: Qwen2ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Prompts,
    times: int,
    rng: random.Random,
) -> ExtendFigures:
    """Measure longer texts for outlines that the grammar has made longer a number of times."""
    outlines: list[Text] = []
    requests: list[str] = []
    for _ in range(TEXTS):
        story = Story(rng)
        text = story.text([1] * rng.choice([3, 3, 4]))
        for _ in range(times):
            text = story.longer(text)
        outlines.append(text)
        outline = render(text)
        requests.append(prompts.fill("expand.user", instruction=story.request(), outline=outline))
    answers = complete(model, tokenizer, requests, _LONGER_TOKENS)
    recalls = [
        recall([sentence.text for paragraph in outline for sentence in paragraph.sentences], text)
        for outline, (text, _) in zip(outlines, answers, strict=True)
    ]
    figures = _text_figures(answers)
    return ExtendFigures(
        words=figures.words,
        ends=figures.ends,
        repeats=figures.repeats,
        outline_words=sum(word_count(render(outline)) for outline in outlines) / TEXTS,
        recall=sum(recalls) / TEXTS,
    )


def _measure_judge(
    model: Qwen2ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Prompts,
    stories: Sequence[Story],
) -> float:
    """Return the share of the stories' requests, suitable and unsuitable, that is judged right."""
    cases = [(story.request(), "yes") for story in stories]
    cases += [(story.unsuitable(), "no") for story in stories]
    messages = [prompts.fill("judge.user", instruction=request) for request, _ in cases]
    answers = complete(model, tokenizer, messages, _ANSWER_TOKENS)
    right = [
        answer.strip() == truth for (answer, _), (_, truth) in zip(answers, cases, strict=True)
    ]
    return sum(right) / len(right)


def passes(report: GateReport) -> bool:
    """Say whether a model with these figures may be shipped."""
    extends = zip(report.extends(), GATE.values(), strict=True)
    return (
        report.judge >= _LEAST_JUDGED
        and report.write.ends == 1.0
        and all(
            figures.recall >= least and figures.repeats * TEXTS <= most
            for figures, (least, most) in extends
        )
    )


def recall(outline: Sequence[str], text: str) -> float:
    """Return the share of the outline's sentences that appear in the text, in order."""
    position = 0
    count = 0
    for sentence in outline:
        start = text.find(sentence, position)
        if start >= 0:
            position = start + len(sentence)
            count += 1
    return count / len(outline)


@torch.no_grad()
def complete(
    model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, messages: Sequence[str], most: int
) -> list[Answer]:
    """Sample an answer of at most `most` tokens to each message."""
    chats = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": message}], add_generation_prompt=True, tokenize=False
        )
        for message in messages
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


def _text_figures(answers: Sequence[Answer]) -> TextFigures:
    return TextFigures(
        words=sum(word_count(text) for text, _ in answers) / len(answers),
        ends=sum(ended for _, ended in answers) / len(answers),
        repeats=sum(has_repeat(text) for text, _ in answers) / len(answers),
    )
