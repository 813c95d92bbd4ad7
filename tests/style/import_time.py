"""What happens at import: nothing that is seen outside, and nothing that can change later.

A line that has to break the second rule says why, in a comment `state: …` on that line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.style.doors import FILE_CALLS, dotted

CONTAINERS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_CALLS = (
    "list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict",
    "Lock", "RLock", "Condition", "Event", "Semaphore", "Queue", "local", "count",
)  # fmt: skip
MUTATORS = (
    "append", "extend", "insert", "remove", "pop", "popitem", "clear", "update", "setdefault",
    "add", "discard", "sort", "reverse", "appendleft", "popleft",
)  # fmt: skip


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that an import executes: not the bodies of functions."""
    yield node
    inside: list[ast.AST]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        inside = [*node.decorator_list, node.args]
    elif isinstance(node, ast.Lambda):
        inside = [node.args]
    elif is_main_guard(node):
        inside = []
    else:
        inside = list(ast.iter_child_nodes(node))
    for child in inside:
        yield from run_at_import(child)


def is_main_guard(node: ast.AST) -> bool:
    """Whether this is `if __name__ == "__main__":`, which an import skips."""
    return isinstance(node, ast.If) and "__name__" in ast.dump(node.test)


def io_violations(path: Path, source: str) -> Iterator[str]:
    """Calls at import that read, write, run or print."""
    for node in run_at_import(ast.parse(source)):
        if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] in FILE_CALLS:
            yield f"{path}:{node.lineno}: {dotted(node.func)}() runs at import"


def is_mutable(value: ast.expr | None) -> bool:
    """Whether an expression makes something that can change."""
    if isinstance(value, ast.Call):
        return dotted(value.func).split(".")[-1] in MUTABLE_CALLS
    return isinstance(value, CONTAINERS)


def module_variables(tree: ast.Module) -> Iterator[tuple[ast.stmt, str]]:
    """Names bound to something mutable at the top of a module."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if isinstance(node, ast.Assign | ast.AnnAssign) and is_mutable(node.value):
            yield from ((node, target.id) for target in targets if isinstance(target, ast.Name))


def changed_names(tree: ast.Module) -> Iterator[str]:
    """Names whose content some statement changes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in MUTATORS:
                yield dotted(node.func.value)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            yield dotted(node.value)


def state_violations(path: Path, source: str) -> Iterator[str]:
    """State of a module: a container that is no constant, or one that is changed; `global`."""
    tree, lines = ast.parse(source), source.splitlines()
    changed = set(changed_names(tree))
    for node, name in module_variables(tree):
        constant = name.isupper() or (name.startswith("__") and name.endswith("__"))
        excused = "# state: " in lines[node.lineno - 1]
        if (not constant or name in changed) and not excused:
            yield f"{path}:{node.lineno}: `{name}` is state of the module"
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Global) and "# state: " not in lines[statement.lineno - 1]:
            yield f"{path}:{statement.lineno}: `global` makes state of the module"
