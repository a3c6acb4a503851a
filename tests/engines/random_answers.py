"""Answers of a server at random: sound, nearly so, and nonsense; for hypothesis."""

from __future__ import annotations

import gzip
import json
from typing import Any

from hypothesis import strategies as st

from tests.engines.hostile import MODELS, Answer, completion

SOUND = json.dumps(completion()).encode()

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), max_size=3)
    | st.text(st.characters(max_codepoint=0x9F), max_size=10)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)
OR_ANY = st.one_of(VALUES, st.none())


def like(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return objects with some of these fields, or anything else."""
    return st.fixed_dictionaries({}, optional=fields) | VALUES


TEXTS = st.text(max_size=40) | VALUES
COMPLETIONS = like(
    choices=st.lists(
        like(
            message=like(content=TEXTS),
            finish_reason=st.sampled_from(["stop", "length", "\x1b[2J", "x" * 999]) | VALUES,
        ),
        max_size=2,
    )
    | VALUES,
    usage=like(prompt_tokens=VALUES, completion_tokens=VALUES),
)
ERRORS = like(error=like(message=TEXTS), message=TEXTS, detail=VALUES)
CARDS = like(
    data=st.lists(
        like(id=st.just("pocket") | TEXTS, root=VALUES, parent=VALUES, max_model_len=VALUES),
        max_size=3,
    )
)
NUMBERS = st.sampled_from([b"1e400", b"-1e999", b"9" * 5000, b"NaN", b"-Infinity", b"1E5", b"0x1"])
BODIES = st.one_of(
    st.one_of(COMPLETIONS, ERRORS, CARDS).map(lambda value: json.dumps(value).encode()),
    COMPLETIONS.map(lambda v: json.dumps(v, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    COMPLETIONS.map(lambda value: json.dumps(value).encode("utf-16")),
    COMPLETIONS.map(lambda value: json.dumps(value).encode("utf-32-be")),
    COMPLETIONS.map(lambda value: gzip.compress(json.dumps(value).encode())),
    NUMBERS.map(lambda number: SOUND.replace(b"2}", number + b"}")),
    NUMBERS.map(lambda number: SOUND.replace(b'"stop"', number)),
    st.integers(1, 200_000).map(lambda depth: b"[" * depth + b"]" * depth),
    st.integers(1, 100_000).map(lambda depth: b'{"error":' * depth),
    st.binary(max_size=60),
    st.integers(0, 5_000_000).map(lambda size: b"x" * size),
)
VALUE_BYTES = st.binary(max_size=20).map(lambda raw: raw.translate(None, b"\r\n\0"))
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "Content-Type",
                "Content-Encoding",
                "Retry-After",
                "Location",
                "Set-Cookie",
                "X",
                "ETag",
            ]
        ),
        VALUE_BYTES
        | st.sampled_from(
            [b"gzip", b"br, gzip", b"identity", b"1e400", b"-1", b"nan", b"application/json"]
        )
        | st.sampled_from(
            [b"Fri, 31 Dec 9999 23:59:59 -2359", b"Mon, 99 Foo 99999", b"text/html; charset=\xff"]
        ),
    ),
    max_size=3,
).map(tuple)
STATUSES = st.sampled_from([200, 200, 200, 400, 404, 429]) | st.integers(200, 999)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    body = draw(BODIES)
    cut = draw(st.none() | st.none() | st.integers(0, len(body)))
    return Answer(draw(STATUSES), draw(HEADERS), body, cut)


MODEL_LISTS = st.just(MODELS) | st.just(MODELS) | st.just(MODELS) | answers()
FORMS = st.sampled_from([{}, {}, {"choices": ("yes", "no")}, {"schema": {"type": "object"}}])
