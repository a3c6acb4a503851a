"""What a round writes: how its texts are sampled, checked, drafted and expanded."""

from __future__ import annotations

from typing import Literal

from selflengthen.field_kinds import Section, identity


class SamplingConfig(Section):
    """How drafts and expansions are sampled."""

    temperature: float = identity(0.7, "Sampling temperature.", ge=0, le=2)
    top_p: float = identity(
        0.8, "Nucleus sampling: the probability mass to sample from.", gt=0, le=1
    )
    top_k: int = identity(20, "How many of the likeliest tokens to sample from; 0 is all.", ge=0)
    repetition_penalty: float = identity(
        1.1, "Penalty on tokens that are in the text already.", ge=1, le=2
    )
    max_tokens: int = identity(
        16_384,
        "Maximum tokens of a completion; auto is 16384, or what fits the model.",
        fits=True,
        ge=1,
    )
    stop: list[str] = identity(
        ["\n\n\n"], "Stop strings, which end a completion before it runs on."
    )


class ChecksConfig(Section):
    """Checks that a text must pass."""

    repeat_words: int = identity(10, "No sequence of this many words may occur twice.", ge=3)
    repeat_chars: int = identity(13, "The same for CJK, in characters.", ge=3)
    ending: bool = identity(True, "A text must end in terminal punctuation.")
    task_talk: bool = identity(True, "A text must not talk about the task.")
    language: bool = identity(True, "A text must be in its instruction's language.")
    refusal: bool = identity(True, "A text must not decline the task.", newer=True, older=False)
    assistant_talk: bool = identity(
        True, "A text must not be a chat assistant's talk.", newer=True, older=False
    )
    near_repeats: bool = identity(
        True,
        "No list items or sentences may be alike but for a number or a name.",
        newer=True,
        older=False,
    )
    version: Literal[1, 2] = identity(
        2,
        "Which forms of task talk and endings are known; 1 is those of version 0.1.0.",
        newer=True,
        older=1,
    )


class InstructConfig(Section):
    """How instructions are written from seeds."""

    per_round: int = identity(5_000, "Instructions per round.", ge=1, le=1_000_000)
    attempts: int = identity(10, "Maximum attempts per instruction.", ge=1)
    wave: int = identity(500, "Instructions that take their two examples from the same pool.", ge=1)
    words_over: int = identity(3, "An instruction must have more words than this.", ge=0)
    words_under: int = identity(500, "An instruction must have fewer words than this.", ge=2)
    similarity: float = identity(
        0.7, "Minimum ROUGE-L to the pool that makes an instruction a near-duplicate.", gt=0, le=1
    )
    role: Literal["base", "generator"] = identity(
        "base", "The model that writes instructions from round 2 on."
    )
    temperature: float = identity(0.7, "Sampling temperature for instructions.", ge=0, le=2)
    multiline: bool = identity(
        True,
        "An instruction ends at a blank line; false: at its first line's end.",
        newer=True,
        older=False,
    )
    source: str | None = identity(
        None,
        "Instructions to take in place of written ones: JSONL file, hub id, shipped set, or "
        "`shipped` for that of the language; none: the model writes all.",
        newer=True,
    )
    field: str | None = identity(
        None,
        "Field of `source` with the instruction; none: `instruction`, `prompt` or `messages`.",
        newer=True,
    )
    judge: bool = identity(False, "Let the judge reject instructions of `source`.", newer=True)


class DraftConfig(Section):
    """How drafts are written from instructions."""

    per_instruction: int = identity(2, "Drafts per instruction.", ge=1)
    attempts: int = identity(20, "Maximum attempts per draft.", ge=1)
    drop_short: bool = identity(True, "Drop short drafts by rank.")


class ExpandConfig(Section):
    """How drafts are lengthened."""

    strategy: Literal["two-stage", "section", "auto"] = identity(
        "two-stage",
        "Lengthen the whole draft in two stages, or part by part; auto tries both on a few drafts.",
        newer=True,
    )
    per_draft: int = identity(2, "Tries per draft; each gives at most one expansion.", ge=1)
    attempts: int = identity(20, "Maximum attempts per try.", ge=1)
    passes: int = identity(3, "Maximum passes over the text in an attempt.", ge=1)
    growth: float = identity(
        1.2, "An expansion must have more than this many times its draft's words.", ge=1
    )
    outline_share: float = identity(0.5, "Share of paragraphs that stage 1 enriches.", gt=0, le=1)
    former_share: float = identity(2 / 3, "Share of stage 1's paragraphs to keep.", gt=0, le=1)
    part_words: int = identity(
        120,
        "Paragraphs with more words are split; shorter than a third of it, they are grouped.",
        newer=True,
        ge=9,
    )
    part_tries: int = identity(3, "Maximum tries per part.", newer=True, ge=1)
    drop_short: bool = identity(True, "Drop short expansions by rank.")


class GateConfig(Section):
    """Whether expansions that are worse than their drafts are set aside."""

    by: Literal["off", "judge", "ifd"] = identity(
        "off",
        "What compares an expansion with its draft: the base model as a judge, or IFD, by which it "
        "answers its instruction.",
        newer=True,
    )
    margin: float = identity(
        0.1, "By ifd: most IFD that an expansion may have over its draft's.", newer=True, ge=0
    )
    most: float = identity(
        1.0,
        "By ifd: most IFD of an expansion; a text that has nothing to do with its instruction has "
        "about 1.",
        newer=True,
        gt=0,
    )
