"""NLTK's word tokens, by which the 1,000 longest of Alpaca were taken (arXiv 2402.04833).

NLTK splits a text into sentences first, by Punkt, because a full stop is a token of its own at
the end of a sentence only. Punkt's English model is a download. If it is not installed, the same
algorithm uses the abbreviations below.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from selflengthen.errors import UserError

Sentences = Literal["punkt", "abbreviations"]
"""How sentence ends are found: with Punkt's English model, or a list of abbreviations."""

# Abbreviations that Punkt's model knows as well. It does not know "e.g." or "etc.".
_ABBREVIATIONS = frozenset(
    """
    adm ave bros co col corp dr ft gen inc jr lt ltd maj messrs mr mrs ms prof rep sen sr st vs yr
    jan feb aug sep sept oct nov dec tues wed fri a.m p.m a.d d.c l.a n.y ph.d m.b.a u.k u.n u.s
    u.s.a c d e f g h k l m n p r s t v w
    """.split()
)


def check() -> None:
    """Raise UserError if NLTK is not installed."""
    if importlib.util.find_spec("nltk") is None:
        raise UserError(
            "longest: --unit nltk needs NLTK, which is not installed; install the extra `curate` "
            "(as `make install` does), or count words or a tokenizer's tokens."
        )


class NltkWords:
    """Counts NLTK's word tokens.

    Attributes:
        sentences: how sentence ends are found here.
    """

    sentences: Sentences

    def __init__(self) -> None:
        """Load the tokenizers; raises UserError if NLTK is not installed."""
        check()
        from nltk.tokenize import NLTKWordTokenizer, sent_tokenize

        self._words = NLTKWordTokenizer()
        try:
            sent_tokenize("Is the model here? It is.")
        except LookupError:
            self._split, self.sentences = _by_abbreviations(), "abbreviations"
        else:
            self._split, self.sentences = sent_tokenize, "punkt"

    def counts(self, texts: Iterable[str]) -> Iterator[int]:
        """Count the tokens of each text."""
        for text in texts:
            yield sum(len(self._words.tokenize(sentence)) for sentence in self._split(text))


def _by_abbreviations() -> Callable[[str], list[str]]:
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    parameters = PunktParameters()
    parameters.abbrev_types = set(_ABBREVIATIONS)
    split: Callable[[str], list[str]] = PunktSentenceTokenizer(parameters).tokenize
    return split
