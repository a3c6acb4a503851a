"""Help and the reference page: every field is in both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from selflengthen.cli import COMMANDS, main
from selflengthen.cli.options.config_fields import fields
from selflengthen.cli.options.reference import lines
from selflengthen.cli.options.settings import dump, presets, resolve
from selflengthen.config import Config

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_reference_is_that_of_the_models() -> None:
    assert PAGE.read_text() == "\n".join(lines()) + "\n", (
        "write it anew: python -m selflengthen.cli.options.reference > docs/configuration.md"
    )


def test_help_describes_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for field in fields().values():
        assert f"--{field.name} VALUE" in said
        assert f"; default {field.shown}; {field.kind})".replace("\n", " ") in said
        assert field.sentence


@pytest.mark.parametrize(
    ("command", "library"),
    [("collect", "pydantic"), ("finish", "pydantic"), ("evaluate", "pydantic"),
     ("curate longest", "yaml"), ("show", "pydantic")],
)  # fmt: skip
def test_help_imports_little(command: str, library: str) -> None:
    """What it costs to import is most of what help takes."""
    code = f"""
import sys
from selflengthen.cli import main
try:
    main({[*command.split(), "--help"]})
except SystemExit:
    sys.exit({library!r} in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert "usage: " in said.stdout
    assert ("`run --help` lists them" in said.stdout) == ("--FIELD" in said.stdout)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("name", presets())
def test_every_preset_loads_and_comes_back_from_its_yaml(name: str) -> None:
    config = resolve(name, {}, None).config
    assert Config.model_validate(yaml.safe_load(dump(config))) == config


def test_the_command_line_goes_before_the_file_and_the_file_before_defaults() -> None:
    settings = resolve("pocket", {"draft.attempts": "7"}, None)
    assert settings.config.draft.attempts == 7  # the file says 4, the default is 20
    assert settings.config.expand.passes == 1  # the file's; the default is 3
    assert settings.config.train.warmup == Config().train.warmup


@pytest.mark.parametrize(
    ("model", "name"), [(None, "pocket"), ("pocket", "pocket"), ("mine", "paper")]
)
def test_the_default_preset(model: str | None, name: str) -> None:
    settings = resolve(None, {} if model is None else {"model": model}, None)
    assert (settings.name, settings.folder) == (name, Path("runs") / name)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("train.neftune_alpha", "none", None),
        ("train.neftune_alpha", "5", 5.0),
        ("sampling.stop", '["---", "###"]', ["---", "###"]),
        ("sampling.stop", "[]", []),
        ("train.generator.learning_rate", "1e-5", 1e-5),
        ("checks.language", "no", False),
        ("model", "1234", "1234"),
    ],
)
def test_values_of_the_command_line(field: str, text: str, value: object) -> None:
    found: object = resolve("paper", {field: text}, None).config
    for part in field.split("."):
        found = getattr(found, part)
    assert found == value
