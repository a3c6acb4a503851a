"""The configuration of a start: command line over YAML over defaults, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from selflengthen.cli.options.config_fields import FieldOfConfig, fields, sections
from selflengthen.cli.options.parser import nearest
from selflengthen.config import Config
from selflengthen.errors import UserError

Places = dict[str, str]
"""Where a field was given, by dotted name: `--train.lora_r`, or `my.yaml, line 3`."""


@dataclass(frozen=True)
class Settings:
    """A configuration, what it is called, and where each field that was given was given."""

    config: Config
    name: str
    folder: Path
    given: Places


def resolve(source: str | None, overrides: Mapping[str, str], run_dir: str | None) -> Settings:
    """Read the YAML file or preset `source`, lay `overrides` (dotted name to text) over it.

    Without a source: the preset `paper` for a model of one's own, `pocket` for the embedded one.
    Raises UserError naming the field and the place.
    """
    own_model = overrides.get("model", "pocket") != "pocket"
    name, path = _find(source or ("paper" if own_model else "pocket"))
    values, places = _read(path, str(path) if name is None else f"preset {name}")
    for field, text in overrides.items():
        _put(values, field, _value(field, text))
        places[field] = f"--{field}"
    _check_addresses(values, places, path)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise UserError(_explain(error.errors()[0], places, path)) from None
    _check_steps(config, places, path)
    return Settings(config, name or path.stem, _folder(path, name, run_dir), places)


def _check_addresses(values: Mapping[str, Any], places: Places, path: Path) -> None:
    """Raise UserError for an address with a password or without a host; none is shown."""
    for field in fields():
        if field.endswith(".url"):
            value: Any = values
            for part in field.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if fault := _fault_of_address(value):
                where = places.get(field, str(path))
                shown = where if where == f"--{field}" else f"{where}: {field}"
                raise UserError(f"{shown}: {fault}.")


def _fault_of_address(value: Any) -> str | None:
    """Say what is wrong with the address of a server, without showing it: it may hold a secret."""
    if "@" in str(value):
        return (
            "the address holds a user name or a password, which would be saved in config.yaml; "
            "leave them out, and put the key into the environment variable OPENAI_API_KEY, or "
            "the one that key_variable names"
        )
    if not isinstance(value, str):
        return None  # the types are checked with those of all fields
    try:
        parts = urlsplit(value)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not value.isprintable() or " " in value:
        return "is not the address of a server; it looks like http://127.0.0.1:8000/v1"
    if parts.query or parts.fragment:
        return (
            "the address has a part after ? or #, which no server takes here; leave it out, and "
            "put a key into the environment variable that key_variable names"
        )
    return None


def _check_steps(config: Config, places: Places, path: Path) -> None:
    """Raise UserError for a curation step that is none, naming the field and where it stands."""
    for field, listed in config.steps().items():
        if listed:
            from selflengthen.curate import steps

            where = places.get(field, str(path))
            steps.made(listed, where if where == f"--{field}" else f"{where}: {field}")


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
    if name is None and path.name == "config.yaml" and (path.parent / "logs").is_dir():
        return path.parent
    return Path("runs") / (name or path.stem)


def _read(path: Path, shown: str) -> tuple[dict[str, Any], Places]:
    """Read YAML; a key that stands twice is a mistake, and so is anything but a mapping."""
    try:
        text = path.read_text(encoding="utf-8")
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return {}, {}
            if not isinstance(root, yaml.MappingNode):
                raise UserError(f"{shown}: is no configuration; write `field: value` lines.")
            places: Places = {}
            _check(root, "", shown, places)
            return loader.construct_document(root), places
        finally:
            loader.dispose()
    except OSError as error:
        raise UserError(f"{shown}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{shown}: is not UTF-8 (byte {error.start}); save it as UTF-8.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "unreadable")
        raise UserError(f"{shown}{line}: is no valid YAML ({problem}).") from error


def _check(node: yaml.MappingNode, prefix: str, shown: str, places: Places) -> None:
    """Note the line of every key; refuse one that stands twice or that is no field."""
    for key, value in node.value:
        name, where = f"{prefix}{key.value}", f"{shown}, line {key.start_mark.line + 1}"
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if name in places:
            raise UserError(f"{where}: {name} stands twice (first: {places[name]}); keep one.")
        if name not in fields() and name not in sections():
            known = [*fields(), *sections()]
            raise UserError(
                f"{where}: no config field {name}"
                f"{nearest(name, known) or '; see docs/configuration.md.'}"
            )
        places[name] = where
        if isinstance(value, yaml.MappingNode) and name in sections():
            _check(value, f"{name}.", shown, places)


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
            return yaml.safe_load(text)
        except yaml.YAMLError:
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
    where = places.get(name, str(path))
    # On the command line the place is the field's name already.
    shown = where if where == f"--{name}" else f"{where}: {name}"
    if name not in fields():
        return f"{shown}: is a section; write its fields below it, indented."
    return f"{shown}: {_plain(error['input'])} is not allowed; it takes {_takes(fields()[name])}."


def _takes(field: FieldOfConfig) -> str:
    article = "" if field.takes.startswith(("one of", "true")) else "a "
    return f"{article}{field.takes}"


def _plain(value: Any) -> str:
    shown = repr(value) if isinstance(value, str | BaseModel) else str(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
