"""The configuration of a start: command line over YAML over defaults, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from selflengthen.cli.options.config_fields import FieldOfConfig, fields, sections
from selflengthen.cli.options.parser import nearest
from selflengthen.cli.options.value_checks import (
    Places,
    check_addresses,
    check_steps,
    check_texts,
    place_of,
)
from selflengthen.config import Config
from selflengthen.errors import UserError
from selflengthen.field_kinds import MOST, add_older
from selflengthen.inputs import user_yaml
from selflengthen.inputs.user_files import check_regular, text_fault


@dataclass(frozen=True)
class Settings:
    """A configuration, what it is called, and where each field that was given was given."""

    config: Config
    name: str
    folder: Path
    given: Places


def resolve(
    source: str | None,
    overrides: Mapping[str, str],
    run_dir: str | None,
    *,
    goes_on: bool = False,
) -> Settings:
    """Read the YAML file or preset `source`, lay `overrides` (dotted name to text) over it.

    Without a source: the preset `paper` for a model of one's own, `pocket` for the embedded one.
    A command that `goes_on` with a run that is there takes what neither says from the run's own
    configuration, and no preset that was not named: defaults that change later do not stop a run.
    Raises UserError naming the field and the place.
    """
    own_model = overrides.get("model", "pocket") != "pocket"
    name, path = _find(source or ("paper" if own_model else "pocket"))
    folder = _folder(path, name, run_dir)
    if fault := text_fault(str(folder)):
        raise UserError(f"{folder}: {fault}; a run's files hold its folder's name.")
    files = [(path, str(path) if name is None else f"preset {name}")]
    own = folder / "config.yaml"
    if goes_on and own.is_file() and _is_of_a_run(own, None):
        files = [(own, str(own)), *(files if source else [])]
    values: dict[str, Any] = {}
    places: Places = {}
    for file, shown in files:
        read, lines = _read(file, shown)
        if _is_of_a_run(file, name if file == path else None):
            _find_again(read, file.parent)
            read = add_older(read, Config)
        values = _over(values, read)
        places |= lines
    for field, text in overrides.items():
        _put(values, field, _value(field, text))
        places[field] = f"--{field}"
    check_addresses(values, places, path)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise UserError(_explain(error.errors()[0], places, path)) from None
    check_texts(config, places, path)
    check_steps(config, places, path)
    return Settings(config, name or path.stem, folder, places)


def dump(config: Config) -> str:
    """Return a configuration as YAML that gives the same configuration again."""
    values = yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True)
    return f"# Every setting of this run, as it was last started. `run` takes this file.\n{values}"


def presets() -> dict[str, Path]:
    """Return the shipped configurations by name."""
    folder = Path(str(resources.files("selflengthen"))) / "presets"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _find(source: str) -> tuple[str | None, Path]:
    """Return (preset's name, its path), or (None, the file)."""
    known, path = presets(), Path(source)
    check_regular(path)
    if source in known and not path.is_file():
        return source, known[source]
    if path.is_file():
        return None, path
    fault = "is a folder" if path.is_dir() else "no such config"
    raise UserError(
        f"{source}: {fault}{nearest(source, known) or ';'} give a YAML file or one of the presets "
        f"{', '.join(known)}."
    )


def _folder(path: Path, name: str | None, run_dir: str | None) -> Path:
    """Return the run's folder; the config.yaml that a run saved means that run."""
    if run_dir is not None:
        return Path(run_dir)
    if _is_of_a_run(path, name):
        return path.parent
    return Path("runs") / (name or path.stem)


def _is_of_a_run(path: Path, name: str | None) -> bool:
    """Whether a file is the one that a run saved in its folder."""
    if name is not None or path.name != "config.yaml":
        return False
    return any((path.parent / folder).is_dir() for folder in ("logs", "rounds"))


_PATHS = {
    "model": "config.json",
    "prompts": "judge.answers.md",
    "seeds": "",
    "held_out.source": "",
    "judge.model": "config.json",
}
"""Fields that may be the name of a file or folder; what stands below the folder that is meant."""


def _find_again(values: dict[str, Any], run: Path) -> None:
    """Find what a run's configuration names by relative paths, when the command is given elsewhere.

    The run was started in a folder above it, usually the one that holds `runs/`. What is found is
    checked by content, as anything that a run is made of.
    """
    for field, below in _PATHS.items():
        section, _, last = field.rpartition(".")
        inside = values.get(section) if section else values
        named = inside.get(last) if isinstance(inside, dict) else None
        if not isinstance(named, str) or (Path(named) / below).is_file():
            continue
        for above in run.resolve().parents:
            if (above / named / below).is_file():
                _put(values, field, str(above / named))
                break


def _read(path: Path, shown: str) -> tuple[dict[str, Any], Places]:
    """Read YAML; anything but a mapping of fields is a mistake."""
    values, root = user_yaml.read(path, shown)
    if root is None:
        return {}, {}
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{shown}: is no configuration; write `field: value` lines.")
    places: Places = {}
    _check(root, "", shown, places)
    return values, places


def _check(node: yaml.MappingNode, prefix: str, shown: str, places: Places) -> None:
    """Note the line of every key; refuse one that is no field.

    What is merged in with `<<` counts where the mapping itself says nothing.
    """
    merged: list[yaml.MappingNode] = []
    for key, value in node.value:
        if key.tag == user_yaml.MERGE:
            merged += [value] if isinstance(value, yaml.MappingNode) else value.value
            continue
        name, where = f"{prefix}{key.value}", f"{shown}, line {key.start_mark.line + 1}"
        if name in places:
            continue
        _check_name(name, prefix, where)
        places[name] = where
        if isinstance(value, yaml.MappingNode) and name in sections():
            _check(value, f"{name}.", shown, places)
    for one in merged:
        _check(one, prefix, shown, places)


def _check_name(name: str, prefix: str, where: str) -> None:
    known = [*fields(), *sections()]
    if name.removeprefix(prefix).count(".") and name in known:
        section, _, field = name.rpartition(".")
        raise UserError(f"{where}: {name}: write `{section}:`, and `{field}:` below it, indented.")
    if name not in known or not name:
        raise UserError(
            f"{where}: no config field {name:.80}"
            f"{nearest(name[:80], known) or '; see docs/configuration.md.'}"
        )


def _over(below: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the fields of a configuration over those of another, section by section."""
    merged = dict(below)
    for name, value in values.items():
        under = below.get(name)
        both = isinstance(under, dict) and isinstance(value, dict)
        merged[name] = _over(under, value) if both and under is not None else value
    return merged


def _put(values: dict[str, Any], field: str, value: Any) -> None:
    *sections_, last = field.split(".")
    for section in sections_:
        inner = values.get(section)
        if section in values and not isinstance(inner, dict):
            return  # the file's mistake, which validation tells of
        values[section] = dict(inner or {})
        values = values[section]
    values[last] = value


def _value(field: str, text: str) -> Any:
    """Make a value of what stands on the command line; its type is checked with the others."""
    takes = fields()[field].takes
    if takes.endswith("or none") and text.lower() in ("none", "null", ""):
        return None
    if takes.startswith("list"):
        try:
            return user_yaml.parse(text, f"--{field}")[0]
        except UserError:
            return text
    return text


def _explain(error: ErrorDetails, places: Places, path: Path) -> str:
    """Say in one line which field is wrong, where it was given, and what it takes."""
    loc = [str(part) for part in error["loc"]]
    while loc and ".".join(loc) not in fields() and ".".join(loc) not in sections():
        loc.pop()
    name = ".".join(loc)
    if not name or error["type"] == "value_error":
        told = error["msg"].removeprefix("Value error, ")
        where = next((f" ({places[f]})" for f in fields() if f in places and f in told), "")
        return f"{told}{where}."
    shown = place_of(name, places, path)
    if name not in fields():
        return f"{shown}: is a section; write its fields below it, indented."
    if error["type"] == "less_than_equal" and error["ctx"]["le"] == MOST:
        return f"{shown}: {_plain(error['input'])} is not allowed; it takes at most {MOST:,}."
    return f"{shown}: {_plain(error['input'])} is not allowed; it takes {_takes(fields()[name])}."


def _takes(field: FieldOfConfig) -> str:
    article = "" if field.takes.startswith(("one of", "true")) else "a "
    return f"{article}{field.takes}"


def _plain(value: Any) -> str:
    shown = repr(value) if isinstance(value, str | BaseModel) else str(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
