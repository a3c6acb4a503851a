"""YAML that a user wrote, read within bounds: every fault is one line that names file and line.

It is what `yaml.safe_load` reads, but for dates, which stay texts. Anchors, aliases and merge keys
are allowed as long as what they stand for is small and does not contain itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from selflengthen.errors import UserError
from selflengthen.inputs.user_files import read_text

_DEPTH, _NODES = 32, 20_000
_VALUE_FAULTS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)
_DATE = "tag:yaml.org,2002:timestamp"
MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """A loader whose faults all have a place; a date is a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the class above
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _DATE]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Make a value; PyYAML lets the faults of Python's own constructors through."""
        try:
            return super().construct_object(node, deep)
        except _VALUE_FAULTS as error:
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"no value of type {kind}", node.start_mark
            ) from error


# lm-format-enforcer, which vLLM imports, makes PyYAML's own loader read every date as a text.
_Loader.add_constructor(_DATE, yaml.constructor.SafeConstructor.construct_yaml_timestamp)  # type: ignore[type-var]


def read(path: Path, shown: str) -> tuple[Any, yaml.Node | None]:
    """Return the value that a file holds and its root node, which knows the lines.

    `shown` is what messages call the file. Raises UserError.
    """
    try:
        return parse(read_text(path), shown)
    except OSError as error:
        raise UserError(f"{shown}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{shown}: is not UTF-8 (byte {error.start}); save it as UTF-8.") from error


def parse(text: str, shown: str) -> tuple[Any, yaml.Node | None]:
    """Return the value that a text holds and its root node; raises UserError."""
    try:
        _check_depth(text, shown)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return None, None
            _check_size(root, shown)
            return loader.construct_document(root), root
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "unreadable")
        raise UserError(f"{shown}{line}: is no valid YAML ({problem}).") from error


def _check_depth(text: str, shown: str) -> None:
    """Raise UserError for what is nested deeper than the readers behind this can follow."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, _Loader)):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEPTH:
            raise UserError(f"{shown}, line {line}: is nested over {_DEPTH} levels deep.")
        if number > _NODES:
            raise UserError(f"{shown}, line {line}: goes on after {_NODES:,} values; shorten it.")


def _check_size(root: yaml.Node, shown: str) -> None:
    """Raise UserError for duplicate keys, and for aliases that stand for too much or themselves."""
    sizes: dict[int, int] = {}
    unfinished: set[int] = set()

    def size(node: yaml.Node, prefix: str) -> int:
        line = node.start_mark.line + 1
        if id(node) in unfinished:
            raise UserError(f"{shown}, line {line}: contains itself by an alias; write it out.")
        if id(node) not in sizes:
            unfinished.add(id(node))
            children = list(_children(node, prefix, shown))
            sizes[id(node)] = 1 + sum(size(child, name) for child, name in children)
            unfinished.remove(id(node))
        if sizes[id(node)] > _NODES:
            raise UserError(
                f"{shown}, line {line}: stands for over {_NODES:,} values by its aliases; write "
                "out what you mean."
            )
        return sizes[id(node)]

    size(root, "")


def _children(node: yaml.Node, prefix: str, shown: str) -> Iterator[tuple[yaml.Node, str]]:
    """Yield what a node holds, with the dotted name that keys below it begin with."""
    if isinstance(node, yaml.SequenceNode):
        yield from ((child, prefix) for child in node.value)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise UserError(f"{shown}, line {line}: a list or a mapping cannot be a key.")
            name = f"{prefix}{key.value:.80}"
            if key.value in lines and key.tag != MERGE:
                raise UserError(
                    f"{shown}, line {line}: {name} stands twice (first: line {lines[key.value]}); "
                    "keep one."
                )
            lines[key.value] = line
            yield value, f"{name}."
