"""Repeats that a number, a bullet or a changed name hides.

A text is read as *units*: sentences, list items and lines, without bullets and numbers around them.
Units are alike if they differ in one short place ("The first step is …", "The second step is …").
How many must be alike, and how close together, depends on how many words they share: two long
sentences are enough, short ones must form a loop. Rows of tables are not read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from selflengthen.text.repeats import repeats_window
from selflengthen.text.token_arrays import ODD, Tokens, find_tokens, token_keys
from selflengthen.text.units import (
    NUMBER,
    Units,
    codes_of,
    find_numbers,
    find_units,
    is_item,
    is_row,
    letters,
    unit_words,
    words_at,
)

if TYPE_CHECKING:
    from selflengthen.text.token_arrays import Hashes, Ints


class _Rule(NamedTuple):
    """When units that share at least `words` words are a repeat: so many within so many units."""

    words: int
    repeats: int
    within: int
    # The same where a number, a bullet or the mark of a heading stands before each: never harder.
    items: int
    items_within: int
    # Units with more words are left to the other rules.
    most: int = 1_000_000


class _Tier(NamedTuple):
    """Rules for units that share their first or last `share` words.

    Attributes:
        share: how many words; units with fewer share them all.
        equal: for units that are the same.
        alike: for units that are the same but for one place.
    """

    share: int
    equal: tuple[_Rule, ...]
    alike: _Rule


_ANYWHERE = 1_000_000
_WORDS = (
    _Tier(
        share=6,
        equal=(_Rule(words=7, repeats=3, within=20, items=2, items_within=_ANYWHERE),),
        alike=_Rule(words=11, repeats=2, within=_ANYWHERE, items=2, items_within=_ANYWHERE),
    ),
    _Tier(
        share=4,
        equal=(_Rule(words=4, repeats=4, within=12, items=3, items_within=60, most=6),),
        alike=_Rule(words=7, repeats=3, within=12, items=3, items_within=30),
    ),
    _Tier(
        share=2,
        equal=(
            _Rule(words=2, repeats=5, within=9, items=5, items_within=9, most=3),
            _Rule(words=1, repeats=7, within=7, items=6, items_within=6, most=1),
        ),
        alike=_Rule(words=4, repeats=4, within=10, items=4, items_within=10),
    ),
)
_CHARS = (
    _Tier(
        share=6,
        equal=(_Rule(words=11, repeats=3, within=20, items=2, items_within=_ANYWHERE),),
        alike=_Rule(words=18, repeats=2, within=_ANYWHERE, items=2, items_within=_ANYWHERE),
    ),
    _Tier(
        share=4,
        equal=(_Rule(words=6, repeats=4, within=12, items=3, items_within=60, most=10),),
        alike=_Rule(words=11, repeats=3, within=12, items=3, items_within=30),
    ),
    _Tier(
        share=2,
        equal=(
            _Rule(words=3, repeats=5, within=9, items=5, items_within=9, most=5),
            _Rule(words=1, repeats=7, within=7, items=6, items_within=6, most=2),
        ),
        alike=_Rule(words=6, repeats=4, within=10, items=4, items_within=10),
    ),
)
# How many words, or characters, one changed place has.
_CHANGED, _CHANGED_CHARS = 2, 3
_IN_WINDOW = 2  # tokens by which a window is longer in which numbers do not count
_MOST = 60  # units with which one is compared


def has_any_repeat(text: str, words: int = 10, chars: int = 13) -> bool:
    """Say whether a text says an n-gram twice, or does so but for numbers or one word of a unit."""
    tokens = find_tokens(text)
    if not len(tokens.starts):
        return False
    keys = token_keys(tokens)
    if repeats_window(tokens, keys, words, chars):
        return True
    codes = codes_of(tokens)
    numbers = find_numbers(codes, tokens)
    if len(numbers) > 1:
        keys[numbers] = 0
        if _hidden_by_numbers(tokens, keys, numbers, words, chars):
            return True
    units = find_units(codes, tokens, keys)
    if tokens.cjk is None:
        return _has_loop(units, _WORDS, _CHANGED)
    return _has_loop(units, _CHARS, _CHANGED_CHARS)


def _hidden_by_numbers(tokens: Tokens, keys: Hashes, numbers: Ints, words: int, chars: int) -> bool:
    """Say whether a window stands twice but for its numbers, of which it has three at most."""
    import numpy as np

    count = _IN_WINDOW + (chars if tokens.cjk is not None else words)
    if len(keys) <= count:
        return False
    places = np.unique((numbers[:, None] - np.arange(count)).ravel())
    places = places[(places >= 0) & (places <= len(keys) - count)]
    hashes = keys[places]
    for i in range(1, count):
        hashes = hashes * np.uint64(ODD) + keys[places + i]
    seen: set[tuple[str, ...]] = set()
    for place in places[_again(hashes)].tolist():
        window = words_at(tokens, place, count)
        if (
            window.count(NUMBER) <= _IN_WINDOW + 1
            and letters(window) + window.count(NUMBER) == count
        ):
            if window in seen:
                return True
            seen.add(window)
    return False


def _again(hashes: Hashes) -> Ints:
    """Return the places of all hashes that are there more than once."""
    import numpy as np

    ordered = np.sort(hashes)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.flatnonzero(np.isin(hashes, again)) if len(again) else np.zeros(0, np.int64)


def _has_loop(units: Units, tiers: tuple[_Tier, ...], changed: int) -> bool:
    """Say whether units that are the same, or the same but for one place, form a loop."""
    sizes = units.sizes.tolist()
    hashes = _ends(units, max(tier.share for tier in tiers))
    for tier in tiers:
        for group, last in _groups(hashes[tier.share - 1], tier):
            if _is_alike(units, sizes, group, tier.alike, changed, last):
                return True
            if not last and any(_is_equal(units, sizes, group, rule) for rule in tier.equal):
                return True
    return False


def _ends(units: Units, most: int) -> list[Hashes]:
    """Hash the first words of all units, then the last words: one of them, two, up to `most`."""
    import numpy as np

    count = len(units.starts)
    first = units.starts
    last = first + units.sizes - 1
    outer = np.concatenate((first, last))
    lowest, highest = np.concatenate((first, first)), np.concatenate((last, last))
    inwards = np.ones(2 * count, np.int64)
    inwards[count:] = -1
    hashes = [units.keys[outer]]
    hashes[0][count:] ^= np.uint64(ODD)  # a beginning is never like an end
    for i in range(1, most):
        places = np.minimum(np.maximum(outer + i * inwards, lowest), highest)
        hashes.append(hashes[-1] * np.uint64(ODD) + units.keys[places])
    return hashes


def _groups(hashes: Hashes, tier: _Tier) -> Iterator[tuple[list[int], bool]]:
    """Yield units with the same hash, if enough of them are close together; True: of last words."""
    import numpy as np

    rules = (*tier.equal, tier.alike)
    many = min(rule.items for rule in rules) - 1
    within = max(rule.items_within for rule in rules)
    count = len(hashes) // 2
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    close = ordered[many:] == ordered[:-many]
    close &= order[many:] - order[:-many] < within
    for value in dict.fromkeys(ordered[:-many][close].tolist()):
        start = int(np.searchsorted(ordered, np.uint64(value)))
        stop = int(np.searchsorted(ordered, np.uint64(value), "right"))
        group = order[start:stop].tolist()
        last = group[0] >= count
        yield [unit - count for unit in group] if last else group, last


def _is_equal(units: Units, sizes: list[int], group: list[int], rule: _Rule) -> bool:
    """Say whether units of the group that are the same form a loop by this rule."""
    group = [unit for unit in group if rule.words <= sizes[unit] <= rule.most]
    if not _may_be_loop(group, rule):
        return False
    by_hash: dict[bytes, list[int]] = defaultdict(list)
    for unit in group:
        first = int(units.starts[unit])
        by_hash[units.keys[first : first + sizes[unit]].tobytes()].append(unit)
    return any(
        _may_be_loop(members, rule) and _has_equal(units, members, rule)
        for members in by_hash.values()
    )


def _has_equal(units: Units, members: list[int], rule: _Rule) -> bool:
    words = unit_words(units, members[0])
    equal = [unit for unit in members if unit_words(units, unit) == words]
    return letters(words) >= rule.words and _is_loop(units, equal, rule)


def _is_alike(
    units: Units, sizes: list[int], group: list[int], rule: _Rule, changed: int, last: bool
) -> bool:
    """Say whether units of the group that differ in one place form a loop by this rule.

    At least half of the words that they share stand before the place, or behind it.
    """
    if not _may_be_loop(group, rule):
        return False
    group = [unit for unit in group if sizes[unit] > rule.words]
    if not _may_be_loop(group, rule):
        return False
    half = (rule.words + 1) // 2
    by_half: dict[bytes, list[int]] = defaultdict(list)
    for unit in group:
        first = int(units.starts[unit]) + (sizes[unit] - half if last else 0)
        by_half[units.keys[first : first + half].tobytes()].append(unit)
    return any(
        _may_be_loop(members, rule) and _has_alike(units, members, rule, changed)
        for members in by_half.values()
    )


def _has_alike(units: Units, members: list[int], rule: _Rule, changed: int) -> bool:
    words = {unit: unit_words(units, unit) for unit in members}
    for place, one in enumerate(members):
        others = members[place + 1 : place + _MOST]
        alike = [o for o in others if _shared(words[one], words[o], changed) >= rule.words]
        if _is_loop(units, [one, *alike], rule):
            return True
    return False


def _shared(one: Sequence[str], other: Sequence[str], most: int) -> int:
    """Return how many words two units share before and behind their one changed place."""
    short = min(len(one), len(other))
    head = next((i for i in range(short) if one[i] != other[i]), short)
    tail = next((i for i in range(short - head) if one[-1 - i] != other[-1 - i]), short - head)
    if max(len(one), len(other)) - head - tail > most:
        return 0
    same = [*one[:head], *one[len(one) - tail :]]
    return letters(same)


def _may_be_loop(group: list[int], rule: _Rule) -> bool:
    return len(group) >= rule.items and _are_close(group, rule.items, rule.items_within)


def _is_loop(units: Units, group: list[int], rule: _Rule) -> bool:
    """Say whether enough units of a group stand close enough together."""
    if not _may_be_loop(group, rule):
        return False
    group = [unit for unit in group if not is_row(units, unit)]
    if _are_close(group, rule.repeats, rule.within):
        return True
    items = [unit for unit in group if is_item(units, unit)]
    return _are_close(items, rule.items, rule.items_within)


def _are_close(places: list[int], many: int, within: int) -> bool:
    if within >= _ANYWHERE:
        return len(places) >= many
    return any(b - a < within for a, b in zip(places, places[many - 1 :], strict=False))
