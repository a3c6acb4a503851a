"""Restricts the templates of prompts to a subset of Jinja2 that is fast and has small output.

A sandbox keeps a template away from the system, but does not stop it from running for hours or
filling the memory: nested loops, `9**9**9`, a text that doubles itself. So loops, macros, variables
and arithmetic are not allowed, and the allowed filters lengthen their input by at most a constant.
A filled prompt is then about as long as the template and its values together.
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
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If),
    *(nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat),
    *(nodes.Add, nodes.Neg, nodes.Test, nodes.Filter, nodes.Getitem, nodes.Slice, nodes.Getattr),
    *(nodes.Call, nodes.Keyword),
)
_MOST_TOKENS = 2000
_MOST_DEPTH = 40
_MOST_NUMBER = 1000
_MOST_TEXT = 10_000  # characters of a text in an expression
_NODE_NAMES = {"For": "a loop", "Macro": "a macro", "Assign": "`set`", "AssignBlock": "`set`"}


class TemplateFault(NamedTuple):
    """Something that a template may not use, and the line it is in."""

    line: int
    text: str


def first_fault(text: str, environment: Environment) -> TemplateFault | None:
    """Return the first fault of a template, or None; raises TemplateError for invalid syntax."""
    for number, (line, _, _) in enumerate(environment.lex(text)):
        if number > _MOST_TOKENS:
            return TemplateFault(line, "a prompt may not have so many expressions")
    for node, depth in _walk(environment.parse(text), 0):
        message = "this is nested too deeply" if depth > _MOST_DEPTH else _fault(node)
        if message:
            return TemplateFault(node.lineno, message)
    return None


def _walk(node: nodes.Node, depth: int) -> Iterator[tuple[nodes.Node, int]]:
    """Yield a node and all nodes below it, each with its depth, which the parser limits."""
    yield node, depth
    for child in node.iter_child_nodes():
        yield from _walk(child, depth + 1)


def _fault(node: nodes.Node) -> str | None:
    kind = type(node).__name__
    if not isinstance(node, _NODES):
        name = _NODE_NAMES.get(kind, f"`{kind}`")
        return f"{name} is not allowed in a prompt; use text, placeholders, `if` and simple filters"
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
