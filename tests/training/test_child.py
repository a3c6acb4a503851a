"""What a training child finds in its environment."""

from __future__ import annotations

import pytest

from selflengthen.inputs import hardware
from selflengthen.training import child


@pytest.mark.skipif(hardware.has_gpu(), reason="set where training is on the CPU")
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    environment = child.training_environment("plain")
    assert (environment["OMP_WAIT_POLICY"], environment["OMP_NUM_THREADS"]) == ("passive", "3")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.setenv("MALLOC_TOP_PAD_", "0")
    environment = child.training_environment("plain")
    assert (environment["OMP_WAIT_POLICY"], environment["MALLOC_TOP_PAD_"]) == ("active", "0")
