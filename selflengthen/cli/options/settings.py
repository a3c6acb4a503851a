"""The configuration of a start. Precedence: command line, then YAML file, then defaults."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from selflengthen.cli.options import auto
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

Values = dict[str, Any]
"""Fields as YAML has them, nested by section; not checked yet."""


@dataclass(frozen=True)
class Settings:
    """A configuration, its name, the run's folder, and where each field was set.

    `auto` are the fields that are left to the model; they have their defaults until it is known.
    """

    config: Config
    name: str
    folder: Path
    places: Places
    auto: frozenset[str] = frozenset()


def resolve(
    source: str | None,
    overrides: Mapping[str, str],
    run_dir: str | None,
    *,
    resumes: bool = False,
) -> Settings:
    """Read the YAML file or preset `source` and apply `overrides` (dotted name to text).

    Without a source: the preset `paper` for a model of one's own, `pocket` for the embedded one.
    If the command `resumes` a run, a field set in neither has the value of the run's own
    config.yaml. A preset that was not named is then not read, so that a later change of its
    defaults does not stop the run.

    Raises UserError naming the field and the place.
    """
    own_model = overrides.get("model", "pocket") != "pocket"
    preset, path = _find(source or ("paper" if own_model else "pocket"))
    folder = _folder(path, preset, run_dir)
    if fault := text_fault(str(folder)):
        raise UserError(f"{folder}: {fault}; the run's files contain its folder's name.")
    files = [(path, preset)]
    own = folder / "config.yaml"
    if resumes and own.is_file() and _is_of_a_run(own, None):
        files = [(own, None), *(files if source else [])]
    values, places, saved = _read_all(files)
    for field, text in overrides.items():
        _put(values, field, _value(field, text))
        places[field] = f"--{field}"
    fitting = auto.take(values, saved)
    config = _checked(values, places, path)
    return Settings(config, preset or path.stem, folder, places, fitting)


def _read_all(
    files: Iterable[tuple[Path, str | None]],
) -> tuple[Values, Places, list[Values]]:
    """Read files, each a path and the name of the preset that it is; later ones take precedence.

    Also return, each by itself, the configurations that runs saved.
    """
    values: Values = {}
    places: Places = {}
    saved: list[Values] = []
    for path, preset in files:
        read, lines = _read(path, f"preset {preset}" if preset else str(path))
        if _is_of_a_run(path, preset):
            _find_again(read, path.parent)
            read = add_older(read, Config)
            saved.append(copy.deepcopy(read))
        values = _over(values, read)
        places |= lines
    return values, places, saved


def _checked(values: Values, places: Places, path: Path) -> Config:
    """Return the configuration; raise UserError for the first field that is wrong."""
    check_addresses(values, places, path)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise UserError(_explain(error.errors()[0], places, path)) from None
    check_texts(config, places, path)
    check_steps(config, places, path)
    return config


def dump(config: Config) -> str:
    """Return a configuration as YAML that gives the same configuration again."""
    values = yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True)
    return f"# Every setting of this run, as it was last started. `run` takes this file.\n{values}"


def presets() -> dict[str, Path]:
    """Return the shipped configurations by name."""
    folder = Path(str(resources.files("selflengthen"))) / "presets"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _find(source: str) -> tuple[str | None, Path]:
    """Return (name of the preset, its path), or (None, the file)."""
    known, path = presets(), Path(source)
    check_regular(path)
    if source in known and not path.is_file():
        return source, known[source]
    if path.is_file():
        return None, path
    fault = "this is a folder" if path.is_dir() else "no such configuration"
    raise UserError(
        f"{source}: {fault}{nearest(source, known) or ';'} give a YAML file or a preset: "
        f"{', '.join(known)}."
    )


def _folder(path: Path, name: str | None, run_dir: str | None) -> Path:
    """Return the run's folder; the config.yaml of a run stands for that run."""
    if run_dir is not None:
        return Path(run_dir)
    if _is_of_a_run(path, name):
        return path.parent
    return Path("runs") / (name or path.stem)


def _is_of_a_run(path: Path, name: str | None) -> bool:
    """Whether a file is the config.yaml that a run saved in its folder."""
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
"""Fields that may name a file or folder, and a file by which the right folder is known."""


def _find_again(values: Values, run: Path) -> None:
    """Find the files that a run's configuration names by relative paths, from any folder.

    The run was started in a folder above its own, usually the one with `runs/` in it. The files
    are checked by content later, like everything that a run is made of.
    """
    for field, below in _PATHS.items():
        section, _, last = field.rpartition(".")
        fields_ = values.get(section) if section else values
        name = fields_.get(last) if isinstance(fields_, dict) else None
        if not isinstance(name, str) or _is_there(Path(name), below):
            continue
        for parent in run.resolve().parents:
            if _is_there(parent / name, below):
                _put(values, field, str(parent / name))
                break


def _is_there(path: Path, below: str) -> bool:
    """Return whether a field can mean a path: a file, or a folder with the file `below` in it."""
    return path.is_file() or (path / below).is_file()


def _read(path: Path, shown: str) -> tuple[Values, Places]:
    """Read YAML; return its fields and the line of each."""
    values, root = user_yaml.read(path, shown)
    if root is None:
        return {}, {}
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{shown}: not a configuration; write it in lines of `field: value`.")
    places: Places = {}
    _check(root, "", shown, places)
    return values, places


def _check(node: yaml.MappingNode, prefix: str, shown: str, places: Places) -> None:
    """Note the line of every key; raise UserError for one that is no field.

    Keys of the mapping itself take precedence over those merged in with `<<`.
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
    for mapping in merged:
        _check(mapping, prefix, shown, places)


def _check_name(name: str, prefix: str, where: str) -> None:
    known = [*fields(), *sections()]
    if name.removeprefix(prefix).count(".") and name in known:
        section, _, field = name.rpartition(".")
        raise UserError(f"{where}: {name}: write `{section}:`, and below it, indented, `{field}:`.")
    if name not in known or not name:
        raise UserError(
            f"{where}: unknown config field {name:.80}"
            f"{nearest(name[:80], known) or '; see docs/configuration.md.'}"
        )


def _over(below: Values, values: Values) -> Values:
    """Merge two configurations section by section; `values` take precedence."""
    merged = dict(below)
    for name, value in values.items():
        under = below.get(name)
        both = isinstance(under, dict) and isinstance(value, dict)
        merged[name] = _over(under, value) if both and under is not None else value
    return merged


def _put(values: Values, field: str, value: Any) -> None:
    *sections_, last = field.split(".")
    for section in sections_:
        inner = values.get(section)
        if section in values and not isinstance(inner, dict):
            return  # a mistake in the file, which validation reports
        values[section] = dict(inner or {})
        values = values[section]
    values[last] = value


def _value(field: str, text: str) -> Any:
    """Read a value from the command line; its type is checked with the others."""
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
    """Say in one line which field is wrong, where it was set, and what it takes."""
    loc = [str(part) for part in error["loc"]]
    while loc and ".".join(loc) not in fields() and ".".join(loc) not in sections():
        loc.pop()
    name = ".".join(loc)
    if not name or error["type"] == "value_error":
        message = error["msg"].removeprefix("Value error, ")
        where = next((f" ({places[f]})" for f in fields() if f in places and f in message), "")
        return f"{message}{where}."
    shown = place_of(name, places, path)
    if name not in fields():
        return f"{shown}: this is a section; write its fields below it, indented."
    if error["type"] == "less_than_equal" and error["ctx"]["le"] == MOST:
        return f"{shown}: {_plain(error['input'])} is not allowed; it takes at most {MOST:,}."
    return f"{shown}: {_plain(error['input'])} is not allowed; it takes {_takes(fields()[name])}."


def _takes(field: FieldOfConfig) -> str:
    article = "" if field.takes.startswith(("one of", "true")) else "a "
    return f"{article}{field.takes}"


def _plain(value: Any) -> str:
    shown = repr(value) if isinstance(value, str | BaseModel) else str(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
