"""The key of a server: it goes into a header, and nowhere else."""

from __future__ import annotations

import pytest

from selflengthen.config import EngineConfig
from selflengthen.engines.wire import Wire
from selflengthen.errors import UserError

CONFIG = EngineConfig(kind="openai")


async def test_a_key_from_a_file_may_end_in_a_newline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG.key_variable, "sk-secret\n")
    wire = Wire(CONFIG)
    assert wire._http.headers["Authorization"] == "Bearer sk-secret"
    await wire.close()


@pytest.mark.parametrize("key", ["sk-sec\nret", "“sk-secret”"])
def test_a_key_that_no_header_can_carry_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv(CONFIG.key_variable, key)
    with pytest.raises(UserError, match=CONFIG.key_variable) as caught:
        Wire(CONFIG)
    assert "sk-" not in str(caught.value)
