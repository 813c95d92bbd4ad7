"""Topology from YAML text, with errors that name the line and the nearest valid word."""

from __future__ import annotations

import difflib
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from harness.errors import UsageError
from harness.model.topology import Topology

Path = tuple[str | int, ...]


def parse(text: str, source: str) -> Topology:
    """A topology from `text`; `source` is the file's name, for messages.

    Raises UsageError with ``source:line`` for everything that is wrong with it.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = str(getattr(error, "problem", None) or error)
        raise UsageError("this is not YAML", where=f"{source}:{line}", why=problem) from None
    if not isinstance(root, MappingNode):
        raise UsageError(
            "a topology is a mapping with name, hosts, guests, grants", where=f"{source}:1"
        )
    lines: dict[Path, int] = {}
    _index(root, (), lines, source)
    try:
        return Topology.model_validate(yaml.load(text, Loader=yaml.SafeLoader))
    except ValidationError as error:
        raise _explain(error, lines, source) from None


def _index(node: Node, path: Path, lines: dict[Path, int], source: str) -> None:
    """Note the line of every key, and refuse a key that stands twice."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, SequenceNode):
        for number, item in enumerate(node.value):
            _index(item, (*path, number), lines, source)
    if isinstance(node, MappingNode):
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else str(key.start_mark)
            here = (*path, name)
            line = key.start_mark.line + 1
            if here in lines:
                raise UsageError(
                    f"{name!r} stands twice",
                    where=f"{source}:{line}",
                    why=f"first at line {lines[here]}",
                )
            lines[here] = line
            _index(value, here, lines, source)


def _explain(error: ValidationError, lines: dict[Path, int], source: str) -> UsageError:
    problems = [_sentence(detail, lines, source) for detail in error.errors()]
    where, what = problems[0]
    more = [f"{place}: {text}" for place, text in problems[1:]]
    return UsageError(what, where=where, why="; also " + "; ".join(more) if more else "")


def _sentence(detail: Any, lines: dict[Path, int], source: str) -> tuple[str, str]:
    path: Path = tuple(part for part in detail["loc"] if part != "[key]")
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "value_error" and ":" in message:
        named = tuple(int(p) if p.isdigit() else p for p in message.split(":")[0].split("."))
        path = named if named in lines else path
    if detail["type"] == "extra_forbidden":
        message = _unknown_key(path)
    elif path and detail["type"] != "value_error":
        message = f"{'.'.join(map(str, path))}: {message}"
    return f"{source}:{_line(path, lines)}", message


def _line(path: Path, lines: dict[Path, int]) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _unknown_key(path: Path) -> str:
    key, valid = str(path[-1]), list(_model_at(path[:-1]).model_fields)
    near = difflib.get_close_matches(key, valid, 1, 0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"valid keys are {', '.join(valid)}"
    return f"unknown key {key!r}: {hint}"


def _model_at(path: Path) -> type[BaseModel]:
    """The model that describes the mapping at `path`."""
    model: type[BaseModel] = Topology
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            model = _inner_model(model.model_fields[part].annotation) or model
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _inner_model(a))), None)
