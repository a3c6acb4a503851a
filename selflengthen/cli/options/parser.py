"""Command lines: argparse, with messages of one line and with options for every config field.

argparse and not a library over it: `--help` must come within 0.3 s, and importing the library that
takes nested pydantic models costs more than that alone (see docs/decisions.md).
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from selflengthen.errors import UserError
from selflengthen.inputs.user_files import name_fault


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the nearest of the known names, or nothing."""
    names = list(known)
    matches = difflib.get_close_matches(name, names, 1, 0.6)
    if not matches:  # `lora_r` means `train.lora_r`
        full = {known_name.rpartition(".")[2]: known_name for known_name in names}
        short = difflib.get_close_matches(name.rpartition(".")[2], full, 1, 0.75)
        matches = [full[last] for last in short]
    return f"; did you mean {matches[0]}?" if matches else ""


def file_name(text: str) -> str:
    """Return the name of a file or folder unchanged; argparse reports one that cannot be."""
    if fault := name_fault(text):
        raise argparse.ArgumentTypeError(fault)
    return text


def file_path(text: str) -> Path:
    """Return the name of a file or folder as a path."""
    return Path(file_name(text))


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are UserErrors."""

    def __init__(
        self,
        command: str,
        about: str,
        *,
        config: bool = False,
        takes: str = "[CONFIG]",
        only: Sequence[str] = (),
    ) -> None:
        """Parse `command`; with `config`, take every field of the configuration as an option.

        `takes` is what such a command takes besides options. `only` are the fields and sections
        (`train.`) that it takes, where it does not take all. The help of a command that takes all
        fields and no CONFIG points to that of `run`: listing them takes longer than all the rest.
        """
        super().__init__(
            prog=f"python -m selflengthen {command}",
            description=about,
            allow_abbrev=False,
            usage=f"%(prog)s {takes} [options] [--FIELD VALUE ...]" if config else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self._positionals.title = "arguments"
        self.config = config
        self.only = tuple(only)
        self._listed = "CONFIG" in takes or bool(only)
        if config and not self._listed:
            self.epilog = "--FIELD is any field of the configuration; `run --help` lists them."

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        raise UserError(
            f"{message}; see {self.prog.removeprefix('python -m selflengthen ')} --help."
        )

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse; `fields` of the result has the text of each config field, by its dotted name."""
        if self.config and (self._listed or not {"-h", "--help"} & set(words)):
            self._add_fields()
        parsed, rest = self.parse_known_args([self._underscored(word) for word in words])
        if rest:
            self._unknown(rest[0])
        values = vars(parsed)
        parsed.fields = {
            name.removeprefix("field "): values.pop(name)
            for name in [n for n in values if n.startswith("field ")]
        }
        return parsed

    def _add_fields(self) -> None:
        from selflengthen.cli.options.config_fields import fields, sections

        taken = [field for field in fields().values() if self._takes(field.name)]
        used = {field.section for field in taken}
        groups = {
            name: self.add_argument_group(f"{name or 'configuration'}", about)
            for name, about in sections().items()
            if name in used
        }
        for field in taken:
            about = f"{field.sentence} ({field.takes}; default {field.shown}; {field.kind})"
            groups[field.section].add_argument(
                f"--{field.name}",
                dest=f"field {field.name}",
                metavar="VALUE",
                default=argparse.SUPPRESS,
                help=about.replace("%", "%%"),
            )

    def _takes(self, name: str) -> bool:
        within = any(part.endswith(".") and name.startswith(part) for part in self.only)
        return not self.only or name in self.only or within

    def _underscored(self, word: str) -> str:
        """Return `--held-out.texts` as `--held_out.texts`, the field's name."""
        name, equals, value = word.partition("=")
        if self.config and name.startswith("--") and "." in name:
            return "--" + name[2:].replace("-", "_") + equals + value
        return word

    def _unknown(self, word: str) -> NoReturn:
        name = word.partition("=")[0]
        if not name.startswith("-"):
            self.error(f"unexpected argument {name!r}")
        known = [option for action in self._actions for option in action.option_strings]
        what = "option or config field" if self.config else "option"
        hint = nearest(name, known)
        raise UserError(f"{name}: no such {what}{hint or '; see --help.'}")
