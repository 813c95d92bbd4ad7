"""What may be used where: one door for processes, one for time, none in the model."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.style.layers import imported_modules

# A module, and the only file of the harness that may import it.
DOORS: Mapping[str, str] = {"subprocess": "harness/run.py", "time": "harness/clock.py"}
PROCESS_CALLS = ("os.system", "os.popen", "pty.spawn")
NOT_IN_MODEL = ("os", "socket", "subprocess", "time", "libvirt", "shutil", "tempfile", "threading")
FILE_CALLS = (
    "open", "print", "input", "run", "spawn", "read_text", "read_bytes", "write_text",
    "write_bytes", "mkdir", "touch", "unlink", "exists", "is_file", "is_dir", "iterdir", "glob",
    "stat", "connect", "getenv", "system", "popen", "listdir",
)  # fmt: skip


def dotted(node: ast.expr) -> str:
    """A name as it is written: `os.path.join`; empty for anything else."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else node.attr
    return node.id if isinstance(node, ast.Name) else ""


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every call in a source, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, dotted(node.func)


def door_violations(path: Path, source: str) -> Iterator[str]:
    """Processes and time taken from anywhere but their doors."""
    tree = ast.parse(source)
    for line, module in imported_modules(tree):
        door = DOORS.get(module.split(".")[0])
        if door and path.as_posix() != door:
            yield f"{path}:{line}: only {door} imports {module}"
    for line, name in calls(tree):
        if name in PROCESS_CALLS:
            yield f"{path}:{line}: {name}(): only harness/run.py starts processes"


def model_violations(path: Path, source: str) -> Iterator[str]:
    """Anything in harness/model that reaches out of the process."""
    tree = ast.parse(source)
    for line, module in imported_modules(tree):
        if module.split(".")[0] in NOT_IN_MODEL:
            yield f"{path}:{line}: the model imports {module}; it must stay free of I/O"
    for line, name in calls(tree):
        if name.split(".")[-1] in FILE_CALLS:
            yield f"{path}:{line}: the model calls {name}(); it must stay free of I/O"


def sleep_violations(path: Path, source: str) -> Iterator[str]:
    """Sleeps in tests: a test waits for its condition, with a deadline."""
    for line, name in calls(ast.parse(source)):
        if name in ("time.sleep", "sleep", "clock.sleep"):
            yield f"{path}:{line}: {name}(): wait for the condition (clock.wait_until)"
