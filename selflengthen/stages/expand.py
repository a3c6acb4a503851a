"""Stage 3, strategy `two-stage`: the whole draft is lengthened at once (paper section 3.3).

One pass over a text:
    1. The expander enriches the first half of the text, which serves as its outline. The first two
       thirds of the paragraphs that it writes are kept: the *former*.
    2. The expander is given the whole text as its outline, with its own turn already begun by the
       *former*, and writes on: the *latter*.
    3. Former and latter together are the longer text.
"""

from __future__ import annotations

from dataclasses import dataclass

from selflengthen.engines.base import Completion
from selflengthen.stages.contract import Ask
from selflengthen.stages.expansion import Expansion, Pass
from selflengthen.text.measures import paragraphs


@dataclass
class Expand(Expansion):
    """Lengthens a whole text in two stages."""

    async def lengthen(self, instruction: str, text: str, ask: Ask) -> Pass:
        """Run both stages over `text`."""
        parts = paragraphs(text)
        outline = parts.first(self.config.outline_share)
        enriched = await self._expand(instruction, outline, ask)
        former = paragraphs(enriched.text)
        begun = former.first(self.config.former_share)
        if not begun:
            return Pass("", enriched.finish_reason)
        begun += former.separator
        latter = await self._expand(instruction, str(parts), ask, prefix=begun)
        return Pass((begun + latter.text.lstrip("\n")).strip(), latter.finish_reason)

    async def _expand(
        self, instruction: str, outline: str, ask: Ask, prefix: str = ""
    ) -> Completion:
        user = self.prompts.fill("expand.user", instruction=instruction, outline=outline)
        return await ask(user, "expander", self.sampling, prefix=prefix)
