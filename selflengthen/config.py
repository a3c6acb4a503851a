"""The configuration of a run: typed, one sentence a field, checked at load.

The defaults are the paper's constants (arXiv 2410.23933). `field_kinds` says what identity and
runtime fields are.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from selflengthen.field_kinds import Section, identity, runtime


class SamplingConfig(Section):
    """How drafts and expansions are drawn."""

    temperature: float = identity(0.7, "Sampling temperature.", ge=0, le=2)
    top_p: float = identity(
        0.8, "Nucleus: the share of probability that is drawn from.", gt=0, le=1
    )
    top_k: int = identity(20, "How many tokens are drawn from; 0 is all.", ge=0)
    repetition_penalty: float = identity(
        1.1, "Penalty on tokens that were used before.", ge=1, le=2
    )
    max_tokens: int = identity(16_384, "Most tokens of one completion.", ge=1)
    stop: list[str] = identity(["\n\n\n", "---"], "Strings that end a completion as run-on.")


class ChecksConfig(Section):
    """What a text must pass; see `checks.py`."""

    repeat_words: int = identity(10, "No run of this many words may stand twice.", ge=3)
    repeat_chars: int = identity(13, "The same in characters for CJK.", ge=3)
    ending: bool = identity(True, "A text ends in terminal punctuation.")
    task_talk: bool = identity(True, "A text does not talk about the task.")
    language: bool = identity(True, "A text is in its instruction's language.")


class InstructConfig(Section):
    """How instructions are made from seeds."""

    per_round: int = identity(5_000, "Instructions a round.", ge=1, le=1_000_000)
    attempts: int = identity(10, "Most attempts an instruction.", ge=1)
    wave: int = identity(500, "Instructions that draw their two examples from the same pool.", ge=1)
    words_over: int = identity(3, "An instruction has more words than this.", ge=0)
    words_under: int = identity(500, "An instruction has fewer words than this.", ge=2)
    similarity: float = identity(
        0.7, "Least ROUGE-L to the pool at which an instruction is a near-duplicate.", gt=0, le=1
    )
    role: Literal["base", "generator"] = identity(
        "base", "Who writes instructions from round 2 on."
    )
    temperature: float = identity(0.7, "Sampling temperature for instructions.", ge=0, le=2)


class DraftConfig(Section):
    """How drafts are made from instructions."""

    per_instruction: int = identity(2, "Drafts an instruction.", ge=1)
    attempts: int = identity(20, "Most attempts a draft.", ge=1)
    drop_short: bool = identity(True, "Drop short drafts by lot.")


class ExpandConfig(Section):
    """How drafts are lengthened."""

    strategy: Literal["two-stage", "section", "auto"] = identity(
        "two-stage",
        "Lengthen the whole draft in two stages, or section by section; auto tries both on a few.",
        newer=True,
    )
    per_draft: int = identity(2, "Tries a draft; each can give one expansion.", ge=1)
    attempts: int = identity(20, "Most attempts a try.", ge=1)
    passes: int = identity(3, "Most passes over the text in one attempt.", ge=1)
    growth: float = identity(
        1.2, "An expansion has more than this many times its draft's words.", ge=1
    )
    outline_share: float = identity(0.5, "Share of paragraphs that stage 1 enriches.", gt=0, le=1)
    former_share: float = identity(2 / 3, "Share of stage 1's paragraphs that is kept.", gt=0, le=1)
    part_words: int = identity(
        120,
        "Words from which section divides a paragraph; a third of it is a part.",
        newer=True,
        ge=9,
    )
    part_tries: int = identity(3, "Most tries of section for a part.", newer=True, ge=1)
    drop_short: bool = identity(True, "Drop short expansions by lot.")


class DatasetConfig(Section):
    """How training rows are made."""

    keep_line: float = identity(
        0.8, "Chance of a draft's line to stay in the outline of an expander row.", ge=0, le=1
    )


class RoleTraining(Section):
    """What differs between the two roles' training."""

    learning_rate: float = identity(1e-4, "Peak learning rate.", gt=0)
    later_rate: float | None = identity(None, "Peak rate from round 2 on; none is the same.", gt=0)
    epochs: float = identity(4, "Epochs over the round's rows.", gt=0)


Scheduler = Literal[
    "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup",
    "inverse_sqrt",
]  # fmt: skip
"""The schedules of transformers that need no arguments of their own and no evaluations."""


class TrainConfig(Section):
    """TRL SFT with LoRA, loss on the completion alone."""

    generator: RoleTraining = RoleTraining()
    expander: RoleTraining = RoleTraining()
    lora_r: int = identity(8, "LoRA rank.", ge=1)
    lora_alpha: int = identity(16, "LoRA scale.", ge=1)
    max_length: int = identity(
        16_384, "Rows with more tokens are dropped and counted, never cut.", ge=16
    )
    batch: int = identity(8, "Rows an optimizer step, over all devices.", ge=1)
    scheduler: Scheduler = identity("cosine", "Learning-rate schedule, by transformers' name.")
    warmup: float = identity(0.1, "Share of the steps in which the rate rises.", ge=0, lt=1)
    continue_adapter: bool = identity(True, "From round 2 on, go on from the role's adapter.")
    min_rows: int = identity(
        1, "With fewer rows a role is not trained and keeps its adapter.", ge=1
    )
    loss: Literal["long-ce", "row-mean"] = identity(
        "long-ce",
        "What a step averages: all target tokens alike, or all rows alike, long or short.",
        newer=True,
    )
    neftune_alpha: float | None = identity(None, "NEFTune noise; none is off.", gt=0)
    per_device_batch: int = runtime(1, "Rows a device holds at once.", ge=1)
    bf16: bool = runtime(True, "Compute in bfloat16 where the device can.")
    gradient_checkpointing: bool = runtime(True, "Trade time for memory.")
    save_every: int = runtime(50, "Steps between two checkpoints of a training.", ge=1)
    launcher: Literal["plain", "accelerate"] = runtime("plain", "How the child is started.")
    processes: int = runtime(1, "Processes that `accelerate launch` starts.", ge=1)


class EngineConfig(Section):
    """What completes requests."""

    kind: Literal["auto", "vllm", "transformers", "openai", "scripted"] = runtime(
        "auto", "Which engine; auto takes the best that works on this machine and says which."
    )
    in_flight: int = runtime(256, "Most samples in work at once.", ge=1)
    context: int = runtime(32_768, "Longest prompt and completion together, in tokens.", ge=64)
    gpu_memory: float = runtime(0.9, "Share of a GPU's memory that vLLM takes.", gt=0, le=1)
    tensor_parallel: int = runtime(1, "GPUs that share one copy of the model.", ge=1)
    url: str = runtime("http://127.0.0.1:8000/v1", "Address of an OpenAI-compatible server.")
    key_variable: str = runtime(
        "OPENAI_API_KEY", "Environment variable that holds the server's key; never written."
    )
    patience: float = runtime(
        600, "Seconds that an openai server may stay away before the run stops.", gt=0
    )
    latency: float = runtime(0, "Seconds that the scripted engine takes for a request.", ge=0)


class HeldOutConfig(Section):
    """Instructions that no round trains on; they measure the generator after each round."""

    source: str | None = identity(
        None, "JSONL file, hub id or shipped set of held-out instructions; none is the language's."
    )
    texts: int = identity(48, "How many of them are written after each round.", ge=0)
    min_ends: float = runtime(
        0.8, "Stop after a round if fewer of the held-out texts end by themselves.", ge=0, le=1
    )
    max_repeats: float = runtime(
        0.3, "Stop after a round if more of the held-out texts repeat themselves.", ge=0, le=1
    )


class CollectConfig(Section):
    """After the last round: more texts by the last generator, and all rounds' texts in one set."""

    instructions: int = identity(
        5_000, "Instructions that the last generator answers.", ge=0, le=1_000_000
    )
    keep: int = identity(4, "Most texts that stay of one instruction, the longest.", ge=1)


def _steps(sentence: str) -> Any:
    """Declare a list of curation steps; what they may be is known to `curate.steps`."""
    return identity([], sentence)


class AnnealConfig(Section):
    """A second, short training on chosen rows of the data set, as Minimum Tuning has it."""

    steps: list[Any] = _steps("Steps that choose its rows, as `curate` takes them; none is off.")
    learning_rate: float = identity(2e-6, "Peak learning rate; the rest is as in `train`.", gt=0)
    epochs: float = identity(1, "Epochs over the chosen rows.", gt=0)


class FinishConfig(Section):
    """The data set with length demands, and the base model's tuning on it."""

    about: float = identity(0.40, "Share of demands for about so many words.", ge=0)
    range: float = identity(0.25, "Share of demands for a length between two.", ge=0)
    above: float = identity(0.10, "Share of demands for more words than so many.", ge=0)
    below: float = identity(0.25, "Share of demands for fewer words than so many.", ge=0)
    spelled: float = identity(0.2, "Share of demands with numbers in words.", ge=0, le=1)
    attempts: int = identity(
        3, "Attempts of the base model to put a demand in; then a template does.", ge=0
    )
    keep_words: float = identity(
        0.7, "Share of an instruction's words that must stand in it after that.", ge=0, le=1
    )
    learning_rate: float = identity(1e-4, "Peak learning rate; the rest is as in `train`.", gt=0)
    epochs: float = identity(4, "Epochs over the data set.", gt=0)
    anneal: AnnealConfig = AnnealConfig()


class JudgeConfig(Section):
    """The model that grades answers in `evaluate`."""

    model: str | None = identity(
        None,
        "Model folder, hub id, `pocket`, or the name of a server's model; none grades nothing.",
    )
    attempts: int = identity(3, "Attempts for an answer in form; then the text is unjudged.", ge=1)
    temperature: float = identity(0.5, "Sampling temperature.", ge=0, le=2)
    max_tokens: int = identity(1024, "Most tokens of one judgement.", ge=1)
    engine: EngineConfig = EngineConfig()


class Config(Section):
    """A run."""

    model: str = identity("pocket", "Model folder, hub id, or `pocket` for the embedded model.")
    language: Literal["en", "zh", "pocket"] = identity("en", "Which shipped prompts are used.")
    prompts: str | None = identity(None, "Folder of prompts instead of the shipped ones.")
    seeds: str | None = identity(
        None, "JSONL file, hub id or shipped set of seed instructions; none is the language's."
    )
    seed: int = identity(0, "Source of all chance.", ge=0, le=10**100)
    iterations: int = runtime(3, "Rounds; may grow from start to start.", ge=1, le=10_000)
    sampling: SamplingConfig = SamplingConfig()
    checks: ChecksConfig = ChecksConfig()
    instruct: InstructConfig = InstructConfig()
    draft: DraftConfig = DraftConfig()
    expand: ExpandConfig = ExpandConfig()
    dataset: DatasetConfig = DatasetConfig()
    curate: list[Any] = _steps(
        "Steps that choose the rows to train on, as `curate` takes them; none trains on all."
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
