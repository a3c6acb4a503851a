"""How far the tests that play chance go: some in `make test`, very many in `make soak`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

SOAK = bool(os.environ.get("SELFLENGTHEN_SOAK"))


def many(usual: int, soak: int) -> int:
    """Return how many cases to play: `usual` in `make test`, `soak` in `make soak`."""
    return soak if SOAK else usual


def fuzz(usual: int = 500, soak: int = 20_000) -> settings:
    """Return hypothesis settings for so many examples, each of which may take its time."""
    return settings(
        max_examples=many(usual, soak),
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
        ],
    )
