"""Data sets of every kind: which fields are the texts, and what is written back."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selflengthen.curate.io.columns import FieldNames
from selflengthen.curate.io.load import open_rows
from selflengthen.curate.io.rows import Rows
from selflengthen.errors import UserError
from tests.curate.conftest import lines, read

Command = Callable[..., str]
TURNS = [
    {"role": "system", "content": "Be long."},
    {"role": "user", "content": "Write."},
    {"role": "assistant", "content": "A text."},
]
TEXTS = ("Be long.\n\nWrite.", "A text.")


@pytest.mark.parametrize(
    ("row", "named", "texts"),
    [
        ({"prompt": "p", "response": "r"}, FieldNames(), ("p", "r")),
        ({"instruction": "i", "output": "o"}, FieldNames(), ("i", "o")),
        ({"instruction": "i", "input": "n", "output": "o"}, FieldNames(), ("i\n\nn", "o")),
        ({"instruction": "i", "input": "", "output": "o"}, FieldNames(), ("i", "o")),
        ({"instruction": "i", "input": None, "output": "o"}, FieldNames(), ("i", "o")),
        ({"messages": TURNS}, FieldNames(), TEXTS),
        ({"talk": TURNS, "prompt": "p"}, FieldNames(messages="talk"), TEXTS),
        ({"prompt": TURNS[:2], "completion": TURNS[2:]}, FieldNames(), TEXTS),
        ({"q": "p", "a": "r"}, FieldNames("q", "a"), ("p", "r")),
        ({"q": "p", "x": "y", "a": "r"}, FieldNames("q,x", "a"), ("p\n\ny", "r")),
        ({"prompt": "p", "response": "r", "messages": TURNS}, FieldNames("prompt"), ("p", "r")),
        ({"prompt": "p", "text": "r"}, FieldNames(response="text"), ("p", "r")),
    ],
)
def test_fields_are_found(
    work: Path, row: dict[str, Any], named: FieldNames, texts: tuple[str, str]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    Path("a.jsonl").write_text(lines([row, row]))
    pq.write_table(pa.Table.from_pylist([row, row]), "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        assert [tuple(r) for r in open_rows(name, named)] == [(0, *texts), (1, *texts)]


@pytest.fixture
def table(work: Path) -> Any:
    """2,500 rows with types that JSON has not, so that there are several batches."""
    import pyarrow as pa

    columns = {
        "prompt": [f"p{n}" for n in range(2500)],
        "response": [" ".join("w" * (1 + n * 7919 % 2503)) for n in range(2500)],
        "when": [datetime.datetime(2024, 1, 1 + n % 28) for n in range(2500)],
        "small": pa.array([n % 100 for n in range(2500)], pa.int8()),
        "bytes": [b"\xff\x00"] * 2500,
        "nested": [[{"a": n, "b": None}] for n in range(2500)],
    }
    return pa.table(columns)


def longest_rows(table: Any, k: int) -> Any:
    """Return the k longest of a table, in their order."""
    words = np.array([len(text.split()) for text in table["response"].to_pylist()])
    return table.take(np.sort(np.argsort(-words, kind="stable")[:k]))


def test_parquet_to_parquet(work: Path, table: Any, curate: Command) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, "a.parquet", row_group_size=700)
    curate("longest", "a.parquet", "--k", "1100", "--out", "out.parquet")
    assert pq.read_table("out.parquet").equals(longest_rows(table, 1100))


def test_a_saved_folder_to_all_kinds(work: Path, table: Any, curate: Command) -> None:
    import datasets
    import pyarrow.parquet as pq

    table = table.drop_columns(["bytes"])
    data = datasets.Dataset(datasets.table.InMemoryTable(table))
    expected = longest_rows(table, 3)
    # An order of its own is part of a data set.
    data.select(range(2499, -1, -1)).save_to_disk("saved")
    datasets.DatasetDict({"test": data}).save_to_disk("split")
    curate("longest", "split:test", "--k", "3", "--out", "out.parquet")
    assert pq.read_table("out.parquet").equals(expected)
    curate("longest", "split:test", "--k", "3", "--out", "out.jsonl")
    assert [r["nested"] for r in read("out.jsonl")] == expected["nested"].to_pylist()
    curate("longest", "saved", "--k", "3", "--out", "folder")
    again = datasets.load_from_disk("folder")
    assert again[:]["prompt"] == expected["prompt"].to_pylist()[::-1]
    assert again.features == data.features
    assert read("folder.dropped.jsonl")[0]["row"] == 0
    assert not list(Path().glob(".*partial*"))


def test_jsonl_to_a_table(work: Path, curate: Command) -> None:
    import datasets
    import pyarrow.parquet as pq

    curate("longest", "six.jsonl", "--k", "2", "--out", "out.parquet")
    curate("longest", "six.jsonl", "--k", "2", "--out", "folder")
    expected = [read("six.jsonl")[3], read("six.jsonl")[4]]
    assert pq.read_table("out.parquet").to_pylist() == expected
    assert datasets.load_from_disk("folder").to_list() == expected


def test_bytes_cannot_be_lines(work: Path, table: Any, refused: Command) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, "a.parquet")
    error = refused("longest", "a.parquet", "--k", "3", "--out", "out.jsonl")
    assert "a.parquet, row " in error and "give an --out that ends in .parquet" in error


def test_rows_are_read_where_they_stand(work: Path) -> None:
    """Some rows, from one source and from two, sparse and dense."""
    Path("many.jsonl").write_text(
        lines({"prompt": str(n), "response": "r" * (n % 977)} for n in range(3000))
    )
    (source,) = open_rows("many.jsonl").sources
    for numbers in ([0], [2999], [5, 6, 7, 2000], list(range(0, 3000, 2))):
        rows = Rows((source,), np.array(numbers))
        assert [int(r.prompt) for r in rows] == numbers
        assert [r.number for r in rows] == numbers
    both = Rows((source, open_rows("six.jsonl").sources[0]), np.array([3001, 7, 3005, 8]))
    assert [r.prompt for r in both] == ["Write 1.", "7", "Write 5.", "8"]
    assert list(both.ids()) == ["r1", None, "r5", None]
    assert both.where(3001) == "six.jsonl, line 2"


def test_lines_are_counted_as_editors_do(work: Path) -> None:
    Path("a.jsonl").write_text('\n{"prompt": "p", "response": "r"}\n\n{"prompt": "p"}\n')
    rows = open_rows("a.jsonl")
    with pytest.raises(UserError, match=r"a.jsonl, line 4: has no field 'response'"):
        list(rows)
