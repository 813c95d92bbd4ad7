"""Who may know whom: imports of Python packages and includes of C folders go downward only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

# From the top down. Neighbours on one line do not know each other.
PYTHON_LAYERS = (
    ("__main__",),
    ("cli", "pytest_plugin"),
    ("demo",),
    ("campaign", "report"),
    ("traffic", "evidence", "watch"),
    ("testbed",),
    ("migration",),
    ("guests", "grants"),
    ("hosts", "virt", "agent", "images"),
    ("run", "events", "config"),
    ("clock",),
    ("model",),
    ("errors",),
)

# What each folder of guest-agent/src may include, beside itself.
C_LAYERS: Mapping[str, tuple[str, ...]] = {
    "abi": (),
    "base": ("abi",),
    "ring": ("abi", "base"),
    "path": ("abi", "base", "ring"),
    "link": ("abi", "base", "ring", "path"),
    "daemon": ("abi", "base", "ring", "path", "link"),
    "cli": ("abi", "base"),
    "shim": ("abi", "base", "ring"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def component(module: str) -> str | None:
    """The part of the harness that a dotted module name belongs to."""
    parts = module.split(".")
    return parts[1] if parts[0] == "harness" and len(parts) > 1 else None


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every module that a source names in an import, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "harness":
            yield from ((node.lineno, f"harness.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def layer_of(part: str) -> int | None:
    """The line of PYTHON_LAYERS that holds this part; None when no line does."""
    return next((line for line, parts in enumerate(PYTHON_LAYERS) if part in parts), None)


def python_violations(path: Path, source: str) -> Iterator[str]:
    """Imports in harness/… that go up, sideways, or to a part that has no layer."""
    own = path.with_suffix("").parts[1]
    if own == "__init__":
        return
    own_layer = layer_of(own)
    if own_layer is None:
        yield f"{path}: `{own}` has no line in PYTHON_LAYERS"
        return
    for line, module in imported_modules(ast.parse(source)):
        other = component(module)
        if module.startswith("."):
            yield f"{path}:{line}: relative import; name the module in full"
        elif other and other != own and (layer_of(other) or 0) <= own_layer:
            yield f"{path}:{line}: `{own}` must not know `{other}`: imports go downward only"


def included_part(path: Path, name: str) -> str | None:
    """The folder of guest-agent/src that an include leads to; None outside the layers."""
    source = PurePosixPath("guest-agent/src")
    direct = PurePosixPath(name).parts
    if direct[0] in C_LAYERS:
        return direct[0]
    if ".." in direct:
        return next((part for part in direct if part in C_LAYERS), None)
    return PurePosixPath(path).relative_to(source).parts[0]


def c_violations(path: Path, source: str) -> Iterator[str]:
    """Includes in guest-agent/src/… of a folder that this folder must not know."""
    own = path.parts[2]
    if own not in C_LAYERS:
        yield f"{path}: `{own}` has no line in C_LAYERS"
        return
    for line, content in enumerate(source.splitlines(), 1):
        match = INCLUDE.match(content)
        other = included_part(path, match.group(1)) if match else None
        if other and other != own and other not in C_LAYERS[own]:
            yield f"{path}:{line}: `{own}` must not include `{other}`"
