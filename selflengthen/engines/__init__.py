"""Engines complete requests. `base` is their contract, `open_engine` opens one."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from pathlib import Path

from selflengthen.config import EngineConfig
from selflengthen.engines.base import Adapters, Engine
from selflengthen.errors import UserError

_LIBRARIES = {"vllm": "vllm", "transformers": "transformers", "openai": "httpx", "scripted": ""}


async def open_engine(
    config: EngineConfig,
    model: str | Path,
    adapters: Adapters,
    *,
    name: str = "",
    on_note: Callable[[str], None],
    log: Path | None = None,
) -> Engine:
    """Open the configured engine with the adapters of a phase.

    `model` is a folder, `name` what a server may call it. `on_note` takes one line at a time, for
    people. Processes of the engine log to `log`; without it, their log is deleted when the engine
    closes. Raises UserError if the engine is not installed or the model cannot be used,
    EngineError if the engine does not start.
    """
    kind = await asyncio.to_thread(choose, config.kind, on_note)
    if kind == "vllm":
        from selflengthen.engines.vllm import VllmEngine

        return await VllmEngine.open(config, model, adapters, on_note=on_note, log=log)
    if kind == "transformers":
        from selflengthen.engines.transformers import TransformersEngine

        return await TransformersEngine.open(config, model, adapters, on_note=on_note)
    if kind == "openai":
        from selflengthen.engines.openai import OpenAIEngine

        return await OpenAIEngine.open(config, model, adapters, name=name, on_note=on_note)
    from selflengthen.engines.scripted import Scripted

    return Scripted(latency=config.latency)


def choose(kind: str, on_note: Callable[[str], None]) -> str:
    """Return the kind of engine to use; for `auto`, a note gives the choice and its reason.

    Whether vLLM works is found out by importing it, which takes seconds.
    """
    if kind in ("auto", "vllm"):
        from selflengthen.engines.vllm import why_unusable

        reason = why_unusable()
    if kind == "auto":
        if reason is None:
            on_note("engine: vllm (it is installed and works on this machine)")
            return "vllm"
        on_note(f"engine: transformers ({reason})")
        kind = "transformers"
    elif kind == "vllm" and reason:
        raise UserError(
            f"engine.kind vllm: {reason}; `make install` installs it where it can, or use "
            "--engine.kind transformers."
        )
    require(kind)
    return kind


def require(kind: str) -> None:
    """Raise UserError if the library that a kind of engine needs is not installed."""
    library = _LIBRARIES.get(kind)
    if library and importlib.util.find_spec(library) is None:
        raise UserError(
            f"engine.kind {kind}: {library} is not installed; `make install` installs it where it "
            "can, or use --engine.kind auto."
        )
