"""Signs of padding: near-repeats of sentences, and new bigrams by tenth of a text."""

from __future__ import annotations

import random

import pytest

from selflengthen.text.measures import distinct
from selflengthen.text.padding import near_repeats, new_bigrams

VARIED = (
    "The ferry left before dawn with nobody on deck. A woman in a grey coat counted the gulls. "
    "Later the captain sold his watch to pay for coal. Rain came over the headland at noon."
)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        (VARIED, 0),
        ("", 0),
        ("So it goes. So it goes. So it goes.", 0),  # too short to count
        ("The first step is to listen closely. The second step is to listen closely.", 1 / 2),
        ("The step is to listen closely. The step is to listen very closely.", 1 / 2),
        ("The step is to listen closely. The step is now to listen very closely.", 0),
        ("Add 1 cup of sugar and stir.\nAdd 25 cups of sugar and stir.", 1 / 2),
        ("Add 1 cup of sugar and stir.\nAdd 25 cup of sugar and stir.", 1 / 2),
        ("12. Learn the language in a new era\n13. Learn the language in a new era", 1 / 2),
        ('He said it was over now. "He said it was over now!" HE SAID IT WAS OVER NOW.', 2 / 3),
        ("我们在春天的河边种下了一棵树。我们在秋天的河边种下了一棵树。", 1 / 2),
        ("我们在春天的河边种下了一棵树。他们把旧船拖上沙滩修补好了。", 0),
    ],
)
def test_near_repeats(text: str, share: float) -> None:
    assert near_repeats(text) == pytest.approx(share)


def test_changed_at_either_end() -> None:
    assert near_repeats("Now we all walk home again. Then we all walk home again.") == 1 / 2
    assert near_repeats("We all walk home again slowly. We all walk home again fast.") == 1 / 2


def test_many_sentences_with_the_same_words_at_both_ends_take_no_time() -> None:
    rng = random.Random(1)
    middle = [" ".join(rng.choices("abcdefgh", k=12)) for _ in range(3000)]
    assert near_repeats(" ".join(f"It was {words} the end." for words in middle)) < 0.1


def test_new_bigrams_show_where_a_text_repeats_itself() -> None:
    rng = random.Random(0)
    fresh = [f"w{rng.randrange(10**6)}" for _ in range(500)]
    assert new_bigrams(" ".join(fresh)) == [1.0] * 10
    half = new_bigrams(" ".join(fresh + fresh))
    assert half[:5] == [1.0] * 5
    assert max(half[5:]) < 0.02


def test_their_mean_is_distinct_2() -> None:
    rng = random.Random(2)
    text = " ".join(rng.choices("abcdefghijk", k=1001))
    assert sum(new_bigrams(text)) / 10 == pytest.approx(distinct(text, 2))


def test_short_texts_have_no_tenths() -> None:
    assert new_bigrams("a b c " * 33) == []
    assert len(new_bigrams("a b c d " * 25)) == 10
