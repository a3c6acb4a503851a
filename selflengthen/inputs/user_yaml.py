"""Reads a user's YAML within bounds; every fault is a one-line error with the file and the line.

The result is that of `yaml.safe_load`, except that dates stay strings. Anchors, aliases and merge
keys are allowed as long as they expand to something small that does not contain itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from selflengthen.errors import UserError
from selflengthen.inputs.user_files import read_text

_MOST_DEPTH = 32
_MOST_NODES = 20_000
_VALUE_FAULTS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)
_DATE = "tag:yaml.org,2002:timestamp"
MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """A loader whose errors all have a line; dates stay strings."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the class above
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _DATE]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Construct a value; PyYAML does not catch the errors of Python's own constructors."""
        try:
            return super().construct_object(node, deep)
        except _VALUE_FAULTS as error:
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"not a value of type {kind}", node.start_mark
            ) from error


# lm-format-enforcer, which vLLM imports, makes PyYAML's own loader read every date as a string.
_Loader.add_constructor(_DATE, yaml.constructor.SafeConstructor.construct_yaml_timestamp)  # type: ignore[type-var]


def read(path: Path, shown: str) -> tuple[Any, yaml.Node | None]:
    """Return the value of a file, and its root node, which has the line numbers.

    `shown` is what messages call the file. Raises UserError.
    """
    try:
        return parse(read_text(path), shown)
    except OSError as error:
        raise UserError(f"{shown}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{shown}: is not UTF-8 (byte {error.start}); save it as UTF-8.") from error


def parse(text: str, shown: str) -> tuple[Any, yaml.Node | None]:
    """Return the value of a text, and its root node; raises UserError."""
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
        raise UserError(f"{shown}{line}: is not valid YAML ({problem}).") from error


def _check_depth(text: str, shown: str) -> None:
    """Raise UserError for nesting that later recursive steps could not follow."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, _Loader)):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MOST_DEPTH:
            raise UserError(f"{shown}, line {line}: is nested over {_MOST_DEPTH} levels deep.")
        if number > _MOST_NODES:
            raise UserError(
                f"{shown}, line {line}: has more than {_MOST_NODES:,} values; shorten the file."
            )


def _check_size(root: yaml.Node, shown: str) -> None:
    """Raise UserError for duplicate keys, and for aliases that are recursive or expand too far."""
    sizes: dict[int, int] = {}
    unfinished: set[int] = set()

    def size(node: yaml.Node, prefix: str) -> int:
        line = node.start_mark.line + 1
        if id(node) in unfinished:
            raise UserError(
                f"{shown}, line {line}: contains itself through an alias; write it out."
            )
        if id(node) not in sizes:
            unfinished.add(id(node))
            children = list(_children(node, prefix, shown))
            sizes[id(node)] = 1 + sum(size(child, name) for child, name in children)
            unfinished.remove(id(node))
        if sizes[id(node)] > _MOST_NODES:
            raise UserError(
                f"{shown}, line {line}: expands to over {_MOST_NODES:,} values through aliases; "
                "use fewer of them."
            )
        return sizes[id(node)]

    size(root, "")


def _children(node: yaml.Node, prefix: str, shown: str) -> Iterator[tuple[yaml.Node, str]]:
    """Yield the children of a node, each with the dotted prefix of the keys below it."""
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
                    f"{shown}, line {line}: {name} is set twice (first in line "
                    f"{lines[key.value]}); keep one."
                )
            lines[key.value] = line
            yield value, f"{name}."
