"""The configuration of a run: typed, one sentence per field, checked when it is loaded.

The defaults are the paper's constants (arXiv 2410.23933). `field_kinds` explains identity and
runtime fields.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from selflengthen.field_kinds import Section, identity, runtime


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


class DatasetConfig(Section):
    """How training rows are built."""

    keep_line: float = identity(
        0.8, "Probability that a draft's line stays in the outline of an expander row.", ge=0, le=1
    )


class RoleTraining(Section):
    """Training settings of one role."""

    learning_rate: float = identity(1e-4, "Peak learning rate.", gt=0)
    later_rate: float | None = identity(
        None, "Peak learning rate from round 2 on; none means the same.", gt=0
    )
    epochs: float = identity(4, "Epochs over the round's rows.", gt=0)


Scheduler = Literal[
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
]
"""The schedules of transformers that need neither further arguments nor evaluations."""


class TrainConfig(Section):
    """SFT by TRL with LoRA; only completions count for the loss."""

    generator: RoleTraining = RoleTraining()
    expander: RoleTraining = RoleTraining()
    lora_r: int = identity(8, "LoRA rank.", ge=1)
    lora_alpha: int = identity(16, "LoRA scale.", ge=1)
    max_length: int = identity(
        16_384,
        "Rows with more tokens are dropped, never truncated; auto is 16384, or what fits the model "
        "and the memory.",
        fits=True,
        ge=16,
    )
    batch: int = identity(8, "Rows per optimizer step, over all devices.", ge=1)
    scheduler: Scheduler = identity(
        "cosine", "Learning-rate schedule, by its name in transformers."
    )
    warmup: float = identity(
        0.1, "Share of the steps in which the learning rate rises.", ge=0, lt=1
    )
    continue_adapter: bool = identity(True, "From round 2 on, continue the role's adapter.")
    min_rows: int = identity(
        1, "With fewer rows, a role is not trained and keeps its adapter.", ge=1
    )
    loss: Literal["long-ce", "row-mean"] = identity(
        "long-ce",
        "What a step averages over: target tokens (long-ce), or rows of any length (row-mean).",
        newer=True,
    )
    neftune_alpha: float | None = identity(None, "NEFTune noise; none turns it off.", gt=0)
    per_device_batch: int = runtime(1, "Rows that a device processes at once.", ge=1)
    bf16: bool = runtime(True, "Compute in bfloat16 if the device can.")
    gradient_checkpointing: bool = runtime(True, "Save memory by computing activations twice.")
    save_every: int = runtime(50, "Optimizer steps between two checkpoints.", ge=1)
    launcher: Literal["plain", "accelerate"] = runtime(
        "plain", "How the training process is started."
    )
    processes: int = runtime(1, "Processes that `accelerate launch` starts.", ge=1)


class EngineConfig(Section):
    """The engine that completes requests."""

    kind: Literal["auto", "vllm", "transformers", "openai", "scripted"] = runtime(
        "auto", "Which engine; auto chooses the best one that works on this machine."
    )
    in_flight: int = runtime(256, "Maximum samples in progress at once.", ge=1)
    context: int = runtime(
        32_768,
        "Maximum tokens of prompt and completion together; auto is 32768, or what fits the model.",
        fits=True,
        ge=64,
    )
    dtype: Literal["auto", "float32", "bfloat16"] = runtime(
        "auto", "Number type; auto is the model's own on a GPU, and the faster one on a CPU."
    )
    gpu_memory: float = runtime(0.9, "Share of a GPU's memory that vLLM uses.", gt=0, le=1)
    tensor_parallel: int = runtime(1, "GPUs that share one copy of the model.", ge=1)
    url: str = runtime("http://127.0.0.1:8000/v1", "Address of an OpenAI-compatible server.")
    key_variable: str = runtime(
        "OPENAI_API_KEY", "Environment variable with the server's key, which is never saved."
    )
    patience: float = runtime(600, "Seconds without an answer until the run stops.", gt=0)
    latency: float = runtime(0, "Seconds per request of the scripted engine.", ge=0)


class HeldOutConfig(Section):
    """Instructions that no round trains on; the generator's answers are measured each round."""

    source: str | None = identity(
        None,
        "JSONL file, hub id or shipped set of held-out instructions; none: those of the language.",
    )
    texts: int = identity(48, "How many texts to write after each round.", ge=0)
    min_ends: float = runtime(
        0.8,
        "Stop after a round if fewer held-out texts end by themselves than this share of the base "
        "model's.",
        ge=0,
        le=1,
    )
    max_repeats: float = runtime(
        0.3,
        "Stop after a round if a larger share of held-out texts repeats itself, of those where the "
        "base model does not.",
        ge=0,
        le=1,
    )
    relevance: Literal["auto", "on", "off"] = runtime(
        "auto",
        "Measure by the base model how much the texts owe to their instructions; auto does where "
        "there is a GPU.",
    )


class CollectConfig(Section):
    """After the last round: more texts by the last generator, and one data set of all rounds."""

    instructions: int = identity(
        5_000, "Instructions that the last generator answers.", ge=0, le=1_000_000
    )
    keep: int = identity(4, "How many texts of an instruction to keep, the longest first.", ge=1)


def _steps(sentence: str) -> Any:
    """Declare a list of curation steps; `curate.steps` defines them."""
    return identity([], sentence)


class AnnealConfig(Section):
    """A second, short training on selected rows of the data set (Minimum Tuning, 2410.10210)."""

    steps: list[Any] = _steps("Steps of `curate` that select its rows; an empty list skips it.")
    learning_rate: float = identity(2e-6, "Peak learning rate; all else is as in `train`.", gt=0)
    epochs: float = identity(1, "Epochs over the selected rows.", gt=0)


class FinishConfig(Section):
    """The data set with length requirements, and the fine-tuning of the base model on it."""

    about: float = identity(0.40, "Share of requirements of the form `about N words`.", ge=0)
    range: float = identity(0.25, "Share of requirements of the form `N to M words`.", ge=0)
    above: float = identity(0.10, "Share of requirements of the form `more than N words`.", ge=0)
    below: float = identity(0.25, "Share of requirements of the form `fewer than N words`.", ge=0)
    spelled: float = identity(0.2, "Share of requirements with the number in words.", ge=0, le=1)
    attempts: int = identity(
        3,
        "Attempts of the base model to add a requirement to an instruction; then a template does.",
        ge=0,
    )
    keep_words: float = identity(
        0.7, "Share of an instruction's words that must remain in the new one.", ge=0, le=1
    )
    learning_rate: float = identity(1e-4, "Peak learning rate; all else is as in `train`.", gt=0)
    epochs: float = identity(4, "Epochs over the data set.", gt=0)
    anneal: AnnealConfig = AnnealConfig()


class JudgeConfig(Section):
    """The model that grades answers in `evaluate`."""

    model: str | None = identity(
        None,
        "Model folder, GGUF file, hub id, `pocket`, or a model name on the server; none means no "
        "grading.",
    )
    attempts: int = identity(
        3, "Attempts to get a valid grade; then the text counts as unjudged.", ge=1
    )
    temperature: float = identity(0.5, "Sampling temperature.", ge=0, le=2)
    max_tokens: int = identity(1024, "Maximum tokens of a judgement.", ge=1)
    engine: EngineConfig = EngineConfig()


class Config(Section):
    """A run."""

    model: str = identity(
        "pocket", "Model folder, GGUF file, hub id, or `pocket` for the embedded model."
    )
    language: Literal["en", "zh", "pocket"] = identity("en", "Which of the shipped prompts to use.")
    prompts: str | None = identity(None, "Folder of prompts instead of the shipped ones.")
    seeds: str | None = identity(
        None,
        "JSONL file, hub id or shipped set of seed instructions; none: those of the language.",
    )
    seed: int = identity(0, "Random seed.", ge=0, le=10**100)
    iterations: int = runtime(3, "Rounds; raise it to add rounds to a run.", ge=1, le=10_000)
    sampling: SamplingConfig = SamplingConfig()
    checks: ChecksConfig = ChecksConfig()
    instruct: InstructConfig = InstructConfig()
    draft: DraftConfig = DraftConfig()
    expand: ExpandConfig = ExpandConfig()
    gate: GateConfig = GateConfig()
    dataset: DatasetConfig = DatasetConfig()
    curate: list[Any] = _steps(
        "Steps of `curate` that select the rows to train on; an empty list trains on all."
    )
    train: TrainConfig = TrainConfig()
    held_out: HeldOutConfig = HeldOutConfig()
    collect: CollectConfig = CollectConfig()
    finish: FinishConfig = FinishConfig()
    engine: EngineConfig = EngineConfig()
    judge: JudgeConfig = JudgeConfig()

    def value(self, path: str) -> Any:
        """Return a field by its dotted name, as in `draft.per_instruction`."""
        value: Any = self
        for name in path.split("."):
            value = getattr(value, name)
        return value

    def steps(self) -> dict[str, list[Any]]:
        """Return the lists of curation steps by their field's name."""
        return {"curate": self.curate, "finish.anneal.steps": self.finish.anneal.steps}

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if self.instruct.words_under <= self.instruct.words_over + 1:
            raise ValueError(
                "instruct.words_under leaves no length over instruct.words_over; raise it"
            )
        if self.sampling.max_tokens >= self.engine.context:
            raise ValueError(
                f"sampling.max_tokens ({self.sampling.max_tokens}) leaves no room for a prompt in "
                f"engine.context ({self.engine.context}); lower one or raise the other"
            )
        if self.judge.max_tokens >= self.judge.engine.context:
            raise ValueError(
                f"judge.max_tokens ({self.judge.max_tokens}) leaves no room for a text in "
                f"judge.engine.context ({self.judge.engine.context}); lower one or raise the other"
            )
        finish = self.finish
        if not finish.about + finish.range + finish.above + finish.below:
            raise ValueError(
                "finish.about, range, above and below are all 0; give one of them a share"
            )
        return self
