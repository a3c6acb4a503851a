"""General rows among the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from tests.curate.conftest import lines, read, row

Command = Callable[..., str]


def many(name: str, count: int) -> list[dict[str, object]]:
    """Write a set of `count` rows."""
    rows = [row(n, f"{name} {n}") for n in range(count)]
    Path(f"{name}.jsonl").write_text(lines(rows))
    return rows


def mixed(curate: Command, out: str, *words: str) -> list[dict[str, object]]:
    """Mix `general` into `long`."""
    curate("mix", "long.jsonl", "--general", "general.jsonl", "--out", out, *words)
    return read(out)


def test_one_in_twenty(work: Path, curate: Command) -> None:
    own, general = many("long", 200), many("general", 50)
    rows = mixed(curate, "out.jsonl")
    added = [r for r in rows if r not in own]
    assert [r for r in rows if r in own] == own
    assert len(added) == 10 and all(r in general for r in added)
    places = [rows.index(r) for r in added]
    assert max(b - a for a, b in itertools.pairwise(places)) > 25, "at even distances"


def test_the_lot_is_the_seeds(work: Path, curate: Command) -> None:
    many("long", 200), many("general", 50)
    assert mixed(curate, "a.jsonl") == mixed(curate, "b.jsonl", "--seed", "0")
    assert mixed(curate, "c.jsonl") != mixed(curate, "d.jsonl", "--seed", "1")


def test_the_ratio(work: Path, curate: Command) -> None:
    many("long", 20), many("general", 50)
    assert len(mixed(curate, "a.jsonl", "--ratio", "2:1")) == 60
    assert len(mixed(curate, "b.jsonl", "--ratio", "1:1000")) == 21


def test_another_form_is_rewritten(work: Path, curate: Command) -> None:
    """What was given for the long rows need not fit the general ones."""
    own = [{"role": "user", "content": "p"}, {"role": "assistant", "content": "r"}]
    Path("long.jsonl").write_text(lines([{"messages": own}] * 20))
    Path("general.jsonl").write_text(lines([{"instruction": "i", "input": "n", "output": "o"}]))
    rows = mixed(curate, "out.jsonl", "--messages-field", "messages")
    turns = [
        {"role": "user", "content": "i\n\nn"},
        {"role": "assistant", "content": "o"},
    ]
    assert len(rows) == 21 and {"messages": turns} in rows


def test_tables(work: Path, curate: Command) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(many("long", 40)), "long.parquet")
    many("general", 5)
    curate("mix", "long.parquet", "--general", "general.jsonl", "--out", "out.parquet")
    rows = pq.read_table("out.parquet").to_pylist()
    added = [r for r in rows if r["id"] is None]
    assert len(rows) == 42 and len(added) == 2
    assert all(r["response"].startswith("general ") for r in added)
