"""The shipped seeds: enough of every kind, diverse, free of lengths, and loaded by name."""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain, combinations
from pathlib import Path

import pytest

from selflengthen.inputs import prompts, seeds
from selflengthen.pocket import seeds as pocket_seeds

KINDS = {
    "literature and creative",
    "academic research",
    "business communication",
    "journalism and media",
    "miscellaneous professional",
    "personal expression",
    "technical documentation",
}
FOLDER = prompts.root() / "seeds"
LENGTH = re.compile(
    r"[\d,]+\+?[- ]*(words?|characters|pages)\b|\b(hundred|thousand)[- ](words?|characters|pages)\b"
    r"|[\d一二两三四五六七八九十百千万]+[余多]?(字|个字|页)|字数|word count",
    re.IGNORECASE,
)


def units(text: str) -> list[str]:
    """Split into what ROUGE compares: words, and single characters of Chinese."""
    return re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+", text.lower())


def rouge_l(one: list[str], other: list[str]) -> float:
    """Return the F1 of the longest common subsequence, a bit for each position of `one`."""
    places: dict[str, int] = {}
    for at, unit in enumerate(one):
        places[unit] = places.get(unit, 0) | 1 << at
    full = (1 << len(one)) - 1
    row = full
    for unit in other:
        hits = row & places.get(unit, 0)
        row = (row + hits | row - hits) & full
    return 2 * (len(one) - row.bit_count()) / (len(one) + len(other))


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        ("a b c d", "a b c d", 4),
        ("a b c d", "d c b a", 1),
        ("a b", "c", 0),
        ("a x b y c", "a b c a", 3),
    ],
)
def test_rouge_l_counts_the_longest_common_subsequence(one: str, other: str, common: int) -> None:
    """Hold the measure of this file to subsequences counted by hand."""
    a, b = one.split(), other.split()
    assert rouge_l(a, b) == 2 * common / (len(a) + len(b))


@pytest.mark.parametrize("name", ["en", "zh", "held-out-en", "held-out-zh"])
def test_shipped_seeds_are_sound(name: str) -> None:
    """Enough of each kind, numbered in order, one line each, short enough, no length named."""
    loaded = seeds.load(name)
    kinds = Counter(seed.kind for seed in loaded)
    held_out = name.startswith("held-out")
    assert set(kinds) == KINDS
    assert min(kinds.values()) >= (3 if held_out else 28)
    assert len(loaded) == 24 if held_out else len(loaded) >= 200
    assert [s.id for s in loaded] == [f"{name}-{n:03}" for n in range(1, len(loaded) + 1)]
    for seed in loaded:
        assert seed.instruction == " ".join(seed.instruction.split())
        assert 3 < len(units(seed.instruction)) < 500
        assert not LENGTH.search(seed.instruction), seed
        assert seed.instruction.endswith((".", "?", "。", "？")), seed


@pytest.mark.parametrize(
    "text",
    ["about 2,000 words", "a 500-word essay", "two thousand words", "三千字左右", "1500字", "十页"],
)
def test_a_length_would_be_seen(text: str) -> None:
    """The pattern of this file finds the lengths that people name."""
    assert LENGTH.search(text)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_shipped_seeds_are_diverse(language: str) -> None:
    """Seeds and held-out requests keep the distance that new instructions must keep."""
    everything = chain(seeds.load(language), seeds.load(f"held-out-{language}"))
    texts = {seed.id: units(seed.instruction) for seed in everything}
    worst, one, other = max((rouge_l(texts[a], texts[b]), a, b) for a, b in combinations(texts, 2))
    assert worst < 0.7, (one, other)


def test_pocket_seeds_are_what_the_function_writes(tmp_path: Path) -> None:
    """The committed files are the recipe's, byte for byte."""
    pocket_seeds.write(tmp_path)
    names = ["held-out-pocket.jsonl", "pocket.jsonl"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    for name in names:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_pocket_seeds_are_distinct() -> None:
    """No request stands twice, least of all in both files."""
    shown, held_out = seeds.load("pocket"), seeds.load("held-out-pocket")
    assert (len(shown), len(held_out)) == (60, 48)
    assert len({s.instruction for s in [*shown, *held_out]}) == 108
    assert all(s.kind for s in [*shown, *held_out])


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda p: p.name)
def test_every_shipped_file_loads_by_name_and_by_path(path: Path) -> None:
    """The name of a shipped set is its file's."""
    assert seeds.load(path.stem) == seeds.load(path) == seeds.load(str(path))
