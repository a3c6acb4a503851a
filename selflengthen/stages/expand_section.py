"""Stage 3, strategy `section`: the draft is lengthened part by part.

A small model cannot lengthen a whole text, but nearly always a paragraph: the unit of work fits the
model. One pass over a text:
    1. The text is split into parts (`text/sections.py`). One of fewer than three paragraphs is
       planned first: the expander outlines it, and every point of the outline is a part.
    2. The expander rewrites each part longer. It sees the request, which part of how many this is,
       the end of what was written before, and how the parts after it begin. Its turn is begun with
       the part's first sentence: without that, a small model talks about its work, or begins
       another text.
    3. The parts together are the longer text.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

import msgspec

from selflengthen.engines.base import Sampling
from selflengthen.errors import RequestRefused
from selflengthen.stages.contract import Ask
from selflengthen.stages.expansion import Expansion, Pass, part_message
from selflengthen.storage.records import PartOutcome, RewrittenPart
from selflengthen.text.checks import repeats
from selflengthen.text.measures import paragraphs, word_count
from selflengthen.text.sections import (
    BLANK_LINE,
    Part,
    copied,
    first_sentence,
    go_on,
    join_sections,
    opening,
    split_sections,
    tail,
)

# What a part's request shows of its neighbours, in words.
_BEFORE_WORDS, _AFTER_WORDS = 35, 15
_AFTER_PARTS = 2
# Copying is more of a neighbour's n-grams than this share.
_COPIED = 0.2
# A rewritten part may take so many tokens, and so many more for each word that it had.
_TOKENS, _TOKENS_PER_WORD = 400, 10
# A text of fewer paragraphs is planned; a plan has so many points.
_FEWEST_PARAGRAPHS = 3
_FEWEST_POINTS, _MOST_POINTS = 3, 10
_NUMBERED = re.compile(
    r"[#>*_\s]*(?:(?:section|part|chapter|paragraph|point)\s+)?\(?(?:\d{1,2}|[IVX]{1,4})[.):：]"
    r"|[#>*_\s]*第?[\d一二三四五六七八九十]{1,3}(?:[部章节段]分?\s*[、.：:]?|[、.：:])",
    re.IGNORECASE,
)
_BULLET = re.compile(rf"(?:{_NUMBERED.pattern}|[#>\s]*[-*•–+])?[\s*_-]*", re.IGNORECASE)


@dataclass
class _Work:
    """A pass in work: the parts of a text, and what was written of them so far."""

    instruction: str
    parts: list[Part]
    planned: bool
    bodies: list[str] = field(default_factory=list)
    outcomes: list[PartOutcome] = field(default_factory=list)
    rewritten: list[RewrittenPart] = field(default_factory=list)
    tokens: int = 0

    def request(self) -> RewrittenPart:
        """Return what the request for the next part shows; its own text is still empty."""
        place = len(self.bodies)
        following = self.parts[place + 1 :][:_AFTER_PARTS]
        return RewrittenPart(
            number=place + 1,
            total=len(self.parts),
            before=tail(self.bodies[-1], _BEFORE_WORDS) if self.bodies else "",
            part=self.parts[place].text,
            after="\n".join(opening(part.text, _AFTER_WORDS) for part in following),
            text="",
        )

    def text(self) -> str:
        """Return what was written so far."""
        return join_sections(self.parts[: len(self.bodies)], self.bodies)

    def keep(
        self, part: Part, request: RewrittenPart, body: str, outcome: PartOutcome, tokens: int
    ) -> None:
        """Keep what became of the next part; an empty `body` is that of a part that stays."""
        self.outcomes.append(outcome)
        self.tokens += tokens
        if body:
            text = part.with_body(body)
            self.rewritten.append(msgspec.structs.replace(request, text=text))

    def outcome(self, reason: str | None = None) -> Pass:
        """Return the pass as it ends; where no part grew, the reason is that of most tries."""
        reasons = Counter(reason for outcome in self.outcomes for reason in outcome.reasons)
        if reason is None and not self.rewritten and reasons:
            reason = reasons.most_common(1)[0][0]
        details = {"parts": msgspec.to_builtins(self.outcomes)}
        return Pass(self.text(), "stop", reason, details, tuple(self.rewritten))


@dataclass
class ExpandSections(Expansion):
    """Lengthens a text part by part."""

    async def lengthen(self, instruction: str, text: str, ask: Ask) -> Pass:
        """Rewrite every part of `text`, or of its plan, and join them."""
        planned = len(paragraphs(text).parts) < _FEWEST_PARAGRAPHS
        if planned:
            parts = await self._plan(instruction, text, ask)
            if not parts:
                return Pass("", "stop", "no plan")
        else:
            parts = split_sections(text, self.config.part_words)
        work = _Work(instruction, parts, planned)
        for part in parts:
            body = await self._rewrite(work, part, ask) if part.body else ""
            if planned and not body:
                return work.outcome(work.outcomes[-1].reasons[-1])
            work.bodies.append(body or part.body)
            if work.tokens > self.sampling.max_tokens:
                # More than the generator may write in one completion: it could not learn this.
                return work.outcome("too long")
        return work.outcome()

    async def _rewrite(self, work: _Work, part: Part, ask: Ask) -> str:
        """Return the first try that passes and is long enough, else the longest that passes.

        Nothing where no try that passes is longer than the part.
        """
        request = work.request()
        user = part_message(self.prompts, work.instruction, request)
        words = word_count(part.body)
        first = "" if work.planned else first_sentence(part.body)
        # A point of a plan is no text yet: whatever is written of it is longer.
        enough = self.config.part_words / 2 if work.planned else self.config.growth * words
        best, longest = "", 0 if work.planned else words
        tokens = tries = 0
        reasons: list[str] = []
        while tries < self.config.part_tries and longest <= enough:
            tries += 1
            try:
                sampling = self._sampling(words)
                completion = await ask(user, "expander", sampling, prefix=part.lead + first)
            except RequestRefused as error:
                if not ask.tokens:
                    raise
                reasons.append(str(error))
                break
            body = go_on(first, completion.text)
            length = word_count(body)
            reason = self._reject_part(body, completion.finish_reason, work)
            if reason is None and length > longest:
                best, longest, tokens = body, length, completion.tokens
            if reason or length <= enough:
                reasons.append(reason or "too short")
        outcome = PartOutcome(before=words, after=longest, tries=tries, reasons=reasons)
        work.keep(part, request, best, outcome, tokens)
        return best

    def _sampling(self, words: int) -> Sampling:
        """Return the sampling for a part of so many words: a loop must not run to the limit."""
        most = min(self.sampling.max_tokens, _TOKENS + _TOKENS_PER_WORD * words)
        return replace(self.sampling, max_tokens=most)

    def _reject_part(self, body: str, finish_reason: str, work: _Work) -> str | None:
        """Return why a try is rejected: by the checks of any text, or for what stands around it."""
        if reason := self.checks.reject(body, finish_reason, work.instruction):
            return reason
        place = len(work.bodies)
        own = work.parts[place].body
        around = [*work.bodies[-1:], *(part.body for part in work.parts[place + 1 : place + 2])]
        if any(copied(body, other, own) > _COPIED for other in around):
            return "copies"
        written = BLANK_LINE.join((work.text(), body))
        checks = self.checks
        return repeats(written, checks.repeat_words, checks.repeat_chars, near=checks.near_repeats)

    async def _plan(self, instruction: str, text: str, ask: Ask) -> list[Part]:
        """Return the points of an outline as parts; nothing where no try is an outline."""
        user = self.prompts.fill("expand-plan.user", instruction=instruction, draft=text)
        for _ in range(self.config.part_tries):
            completion = await ask(user, "expander", self._sampling(self.config.part_words))
            points = parse_plan(completion.text)
            if completion.finish_reason == "stop" and len(points) >= _FEWEST_POINTS:
                return [Part(BLANK_LINE, "", point) for point in points]
        return []


def parse_plan(text: str) -> list[str]:
    """Return the points of an outline, without their numbers and marks.

    Where points have numbers, other lines belong to the point above, and what stands above the
    first is no point. Lines that end in a colon announce, and those of one word say nothing.
    """
    points: list[str] = []
    lines = [(line, bool(_NUMBERED.match(line))) for line in text.splitlines()]
    numbered = any(has_number for _, has_number in lines)
    for line, has_number in lines:
        point = " ".join(_BULLET.sub("", line, count=1).replace("**", "").split())
        if word_count(point) < 2 or (point.endswith((":", "：")) and not has_number):
            continue
        if has_number or not numbered:
            points.append(point)
        elif points:
            points[-1] = f"{points[-1]} {point}"
    return points[:_MOST_POINTS]
