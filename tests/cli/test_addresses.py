"""The address of a server: one with a secret, or that is none, is refused and shown nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG
from tests.cli.test_bad_input import refused

SECRETS = [
    "http://user:s3cret@127.0.0.1:8000/v1",
    "http://s3cret@127.0.0.1:8000/v1",
    "https://user:s3c/ret@127.0.0.1/v1",
    "user:s3cret@127.0.0.1:8000",
    "http://127.0.0.1:8000/v1?key=s3cret",
    "http://127.0.0.1:8000/v1#s3cret",
    "ftp://127.0.0.1/s3cret",
    "s3cret",
    "http://:80/s3cret",
    "http://[s3cret/v1",
    "http://127.0.0.1:s3cret/v1",
    "http://127.0.0.1:8000/v1 s3cret",
]


@pytest.mark.parametrize("field", ["engine.url", "judge.engine.url"])
@pytest.mark.parametrize("url", SECRETS)
def test_an_address_that_holds_a_secret_or_is_none(
    work: Path, capsys: pytest.CaptureFixture[str], url: str, field: str
) -> None:
    """It is shown nowhere and written nowhere; the message says where a key goes."""
    options = [["run", "small.yaml", f"--{field}", url]]
    # With another mistake beside it, in a file, in a list: no message shows what was typed.
    options += [[*options[0], "--iterations", "none"]]
    top = "judge:\n  engine:\n    url" if field.startswith("judge") else "engine:\n  url"
    base = CONFIG.format(model="tiny").partition("engine:")[0]
    for number, value in enumerate((json.dumps(url), f"[{json.dumps(url)}]")):
        Path(f"bad{number}.yaml").write_text(f"{base}{top}: {value}\n")
    options += [["run", "bad0.yaml"], ["estimate", "bad0.yaml"]]
    options += [["run", "bad1.yaml"]] if "@" in url else []
    for words in options:
        line = refused(work, capsys, *words)
        assert "s3c" not in line
        assert f"--{field}: " in line or f"bad{words[1][3]}.yaml, line " in line
        assert field in line
        if "@" in url:
            assert "OPENAI_API_KEY" in line and "key_variable" in line


def test_a_password_that_stands_elsewhere_is_not_shown(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "http://user:s3cret@127.0.0.1:8000/v1"
    for words in (["run", url], ["status", url], ["run", "small.yaml", url], [url]):
        assert "s3cret" not in refused(work, capsys, *words)
