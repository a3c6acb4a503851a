"""Rows of the public benchmarks, if they are beside the repository; otherwise a few of our own."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import orjson

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("SELFLENGTHEN_DATA", Path(__file__).parents[3] / "shared/data"))


@cache
def longen() -> list[dict[str, Any]]:
    """Return language, range, type, constraint, query of each instruction of LonGen."""
    return _rows("LonGen.jsonl", "longen.jsonl")


@cache
def longbench_write() -> list[dict[str, Any]]:
    """Return prompt, type, length of each instruction of LongBench-Write."""
    return _rows("longbench_write.jsonl", "longbench-write.jsonl")


@cache
def lifebench() -> list[dict[str, Any]]:
    """Return index, control_method, length_constraint, lang, type and more; always our own."""
    return _rows("", "lifebench.jsonl")


@cache
def lifebench_public() -> list[dict[str, Any]]:
    """Return rows of our own in the form of LIFEBench's public files: lang, task, raw_data."""
    return _rows("", "lifebench-public.jsonl")


def _rows(shared: str, own: str) -> list[dict[str, Any]]:
    path = SHARED / shared if shared and (SHARED / shared).is_file() else HERE / own
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]
