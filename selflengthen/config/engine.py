"""The engine that completes requests, and the judge with an engine of its own."""

from __future__ import annotations

from typing import Literal

from selflengthen.field_kinds import Section, identity, runtime


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
