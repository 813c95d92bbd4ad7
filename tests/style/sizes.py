"""How long files and functions may be.

A function that has to be longer says why, in a comment `long: …` at its head.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 400
PYTHON_FUNCTION_LINES = 40
C_FUNCTION_LINES = 60

C_FUNCTION_NAME = re.compile(r"(\w+)\(")


def file_violations(path: Path, source: str) -> Iterator[str]:
    """A file that a reader cannot hold in the head."""
    lines = source.count("\n")
    if lines > FILE_LINES:
        yield f"{path}: {lines} lines; more than {FILE_LINES}: find the seam"


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function that only explain it."""
    first = node.body[0]
    if ast.get_docstring(node) is None:
        return 0
    return (first.end_lineno or first.lineno) - first.lineno + 1


def python_violations(path: Path, source: str) -> Iterator[str]:
    """Functions longer than the limit, docstrings not counted."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1 - docstring_lines(node)
        head = lines[max(0, node.lineno - 2) : node.body[0].lineno]
        if length > PYTHON_FUNCTION_LINES and not any("# long: " in line for line in head):
            yield f"{path}:{node.lineno}: {node.name}() has {length} lines"


def c_functions(source: str) -> Iterator[tuple[int, str, int]]:
    """Line, name and length of every function: its braces stand in the first column."""
    head, start = "", 0
    for line, content in enumerate(source.splitlines(), 1):
        if content == "{":
            start = line
        elif content == "}" and start:
            name = C_FUNCTION_NAME.search(head)
            yield start, name.group(1) if name else "?", line - start + 1
            head, start = "", 0
        elif not start:
            # A signature may be broken over lines: the one that starts in the first column counts.
            head = content if re.match(r"[A-Za-z_]", content) else head


def c_violations(path: Path, source: str) -> Iterator[str]:
    """C functions longer than the limit."""
    lines = source.splitlines()
    for line, name, length in c_functions(source):
        excused = any("long: " in content for content in lines[max(0, line - 5) : line + 1])
        if length > C_FUNCTION_LINES and not excused:
            yield f"{path}:{line}: {name}() has {length} lines"
