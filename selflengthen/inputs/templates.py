"""What a prompt's template may use of Jinja2: only what ends soon and stays small.

A sandbox keeps a template from the system, not from running for hours or filling the memory: a loop
over a loop, `9**9**9`, a text that doubles itself. So there are no loops, macros, variables of its
own or calculations, and filters are those whose result is no longer than what they are given, but
for a constant. A filled prompt is then about as long as the template and its values together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from jinja2 import Environment, nodes

FILTERS = frozenset(
    {"capitalize", "count", "d", "default", "first", "indent", "last", "length", "lower"}
    | {"string", "title", "trim", "truncate", "upper", "wordcount"}
)
METHODS = frozenset(
    {"capitalize", "count", "endswith", "lower", "lstrip", "rstrip", "startswith", "strip"}
    | {"removeprefix", "removesuffix", "title", "upper"}
)
_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If,
    nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat,
    nodes.Add, nodes.Neg, nodes.Test, nodes.Filter, nodes.Getitem, nodes.Slice, nodes.Getattr,
    nodes.Call, nodes.Keyword,
)  # fmt: skip
_TOKENS, _DEPTH, _MOST_NUMBER, _MOST_TEXT = 2000, 40, 1000, 10_000
_NAMES = {"For": "a loop", "Macro": "a macro", "Assign": "`set`", "AssignBlock": "`set`"}


class Fault(NamedTuple):
    """What a template may not use, and in which line it stands."""

    line: int
    text: str


def fault(text: str, environment: Environment) -> Fault | None:
    """Return the first thing in a template that it may not use, or None; raises TemplateError."""
    for number, (line, _, _) in enumerate(environment.lex(text)):
        if number > _TOKENS:
            return Fault(line, "there are too many expressions for a prompt")
    for node, depth in _walk(environment.parse(text), 0):
        if message := "this is nested too deeply" if depth > _DEPTH else _fault(node):
            return Fault(node.lineno, message)
    return None


def _walk(node: nodes.Node, depth: int) -> Iterator[tuple[nodes.Node, int]]:
    """Yield a node and all below it, each with its depth; the parser has bounded that."""
    yield node, depth
    for child in node.iter_child_nodes():
        yield from _walk(child, depth + 1)


def _fault(node: nodes.Node) -> str | None:
    kind = type(node).__name__
    if not isinstance(node, _NODES):
        return (
            f"{_NAMES.get(kind, f'`{kind}`')} is not allowed in a prompt; use text, placeholders, "
            "`if` and simple filters"
        )
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        return f"the filter `{node.name}` is not allowed in a prompt; use {', '.join(_sorted())}"
    if isinstance(node, nodes.Call):
        called = node.node
        if not isinstance(called, nodes.Getattr) or called.attr not in METHODS:
            return f"this call is not allowed in a prompt; use filters: {', '.join(_sorted())}"
    if isinstance(node, nodes.Const):
        if isinstance(node.value, int | float) and not abs(node.value) <= _MOST_NUMBER:
            return f"a number over {_MOST_NUMBER} is not allowed in a prompt"
        if isinstance(node.value, str) and len(node.value) > _MOST_TEXT:
            return f"a text over {_MOST_TEXT} characters in an expression is not allowed"
    return None


def _sorted() -> list[str]:
    return sorted(FILTERS)
