"""Models from YAML text, with errors that name the line and the nearest valid word."""

from __future__ import annotations

import re
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from harness.errors import UsageError
from harness.model.topology import Topology
from harness.model.words import hint

Path = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)
MAX_CHARACTERS = 1 << 16
MAX_DEPTH = 8
MAX_PROBLEMS = 5
NATIVE = ("int", "float", "bool", "null")  # what else YAML knows, dates above all, is text to us


def parse(text: str, source: str) -> Topology:
    """A topology from `text`; `source` is the file's name, for messages. Raises UsageError."""
    return parse_as(Topology, text, source)


def parse_as(model: type[M], text: str, source: str) -> M:
    """What `model` describes, from `text`; `source` is the file's name, for messages.

    Raises UsageError with ``source:line`` for everything that is wrong with it. Aliases and tags
    are refused: such a file has no use for them, and small ones can grow huge by them.
    """
    kind = model.__name__.lower()
    if len(text) > MAX_CHARACTERS:
        why = f"it has more than {MAX_CHARACTERS} characters"
        raise UsageError(f"this is too long for a {kind}", where=f"{source}:1", why=why)
    lines: dict[Path, int] = {}
    root = _compose(text, source, model)
    _index(root, (), lines, source)
    try:
        return model.model_validate(_plain(root, source))
    except ValidationError as error:
        raise _explain(error, lines, source, model) from None


def _compose(text: str, source: str, model: type[BaseModel]) -> MappingNode:
    """The tree of a text that is YAML, and of the plain kind."""
    try:
        _refuse_cleverness(text, source)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        position = getattr(error, "position", 0)  # of a character that no YAML may hold
        line = mark.line if mark else text[:position].count("\n")
        problem = str(getattr(error, "problem", None) or error)
        raise UsageError("this is not YAML", where=f"{source}:{line + 1}", why=problem) from None
    if not isinstance(root, MappingNode):
        keys, kind = ", ".join(model.model_fields), model.__name__.lower()
        raise UsageError(f"a {kind} is a mapping with {keys}", where=f"{source}:1")
    return root


def _plain(node: Node, source: str) -> object:
    """The node's value; keys are always text."""
    if isinstance(node, MappingNode):
        return {str(key.value): _plain(value, source) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [_plain(item, source) for item in node.value]
    if node.tag.rpartition(":")[2] not in NATIVE:
        return node.value
    try:
        return yaml.SafeLoader("").construct_object(node)
    except ValueError as error:  # 0x_ for one: a number by its looks alone
        where = f"{source}:{node.start_mark.line + 1}"
        raise UsageError("a value cannot be read", where=where, why=str(error)) from None


def _refuse_cleverness(text: str, source: str) -> None:
    """Aliases, tags, keys that are no words, and nesting deeper than any model."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        where = f"{source}:{event.start_mark.line + 1 if event.start_mark else 1}"
        if isinstance(event, yaml.AliasEvent):
            raise UsageError("aliases (*name) are not for files like this", where=where)
        if tag := getattr(event, "tag", None):
            raise UsageError(f"tags ({tag}) are not for files like this", where=where)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise UsageError("this is nested too deeply", where=where)


def _index(node: Node, path: Path, lines: dict[Path, int], source: str) -> None:
    """Note the line of every key, and refuse a key that stands twice, or is no word."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, SequenceNode):
        for number, item in enumerate(node.value):
            _index(item, (*path, number), lines, source)
    if isinstance(node, MappingNode):
        for key, value in node.value:
            here = _note_key(key, path, lines, source)
            _index(value, here, lines, source)


def _note_key(key: Node, path: Path, lines: dict[Path, int], source: str) -> Path:
    line = key.start_mark.line + 1
    if not isinstance(key, ScalarNode):
        raise UsageError("a key must be a word", where=f"{source}:{line}")
    here = (*path, str(key.value))
    if here in lines:
        raise UsageError(
            f"{key.value!r} stands twice",
            where=f"{source}:{line}",
            why=f"first at line {lines[here]}",
        )
    lines[here] = line
    return here


def _explain(
    error: ValidationError, lines: dict[Path, int], source: str, model: type[BaseModel]
) -> UsageError:
    problems = [_sentence(detail, lines, source, model) for detail in error.errors()]
    where, what = problems[0]
    more = [f"{place}: {text}" for place, text in problems[1:MAX_PROBLEMS]]
    return UsageError(what, where=where, why="also " + "; ".join(more) if more else "")


def _sentence(
    detail: Any, lines: dict[Path, int], source: str, model: type[BaseModel]
) -> tuple[str, str]:
    path: Path = tuple(part for part in detail["loc"] if part != "[key]")
    message = str(detail["msg"]).removeprefix("Value error, ")
    head = message.partition(":")[0].split(".")
    named = tuple(int(part) if part.isdecimal() else part for part in head)
    if detail["type"] == "extra_forbidden":
        message = _unknown_key(path, model)
    elif detail["type"] == "literal_error":
        message = f"{'.'.join(map(str, path))}: {_unknown_word(detail)}"
    elif named in lines:
        path = named  # a check of the whole says itself where the trouble is
    elif path and (*path, *named) in lines:
        message, path = f"{'.'.join(map(str, path))}.{message}", (*path, *named)  # or of a part
    elif path:
        message = f"{'.'.join(map(str, path))}: {message}"
    return f"{source}:{_line(path, lines)}", message


def _line(path: Path, lines: dict[Path, int]) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _unknown_key(path: Path, root: type[BaseModel]) -> str:
    key, valid = str(path[-1]), list(_model_at(path[:-1], root).model_fields)
    return f"unknown key {key!r}: {hint(key, valid, 'keys')}"


def _unknown_word(detail: Any) -> str:
    word, valid = str(detail["input"]), re.findall(r"'([^']*)'", detail["ctx"]["expected"])
    return f"unknown word {word!r}: {hint(word, valid, 'words')}"


def _model_at(path: Path, root: type[BaseModel]) -> type[BaseModel]:
    """The model that describes the mapping at `path`."""
    model = root
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            model = _inner_model(model.model_fields[part].annotation) or model
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _inner_model(a))), None)
