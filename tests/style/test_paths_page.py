"""docs/paths.md names tests, happenings of the simulation and budgets of the model: all exist, and
what it calls long is long."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from harness.config import REPOSITORY
from tests.model.configurations import FAULTS

PAGE = (REPOSITORY / "docs/paths.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]
TESTS = REPOSITORY / "tests"


def long_by_test() -> dict[str, bool]:
    """Every test function of the tree, and whether make test leaves it out."""
    found = {}
    for path in TESTS.rglob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                marks = " ".join(map(ast.unparse, node.decorator_list))
                found[node.name] = "mark.long" in marks
    return found


def test_the_tests_it_names_exist_and_are_long_where_it_says_so() -> None:
    known = long_by_test()
    for cell in (cell for row in ROWS for cell in row.split(" | ")[2:4]):
        names = re.findall(r"`(test_\w+)`", cell)
        for name in names:
            assert name in known, name
        if names and known[names[-1]]:
            assert "(long)" in cell, cell


def test_the_files_it_names_exist() -> None:
    for path in re.findall(r"`((?:tests|examples|guest-agent)/[\w./-]+\.\w+)`", PAGE):
        assert (REPOSITORY / path).exists(), path


def test_what_it_names_of_the_simulation_happens_there() -> None:
    folder = REPOSITORY / "guest-agent/tests"
    code = "".join(Path(path).read_text() for path in folder.glob("*sim*.[ch]"))
    for row in (row for row in ROWS if row.count(" | ") == 5):
        for name in re.findall(r'"([a-z ]+)"', row.split(" | ")[4]):
            function = rf"^static void {name.replace(' ', '_')}\("
            assert f'"{name}"' in code or re.search(function, code, re.MULTILINE), name


def test_what_it_names_of_the_model_has_a_budget() -> None:
    for row in (row for row in ROWS if row.count(" | ") == 5):
        for name in re.findall(r"`([A-Z]+)(?:=\d)?`", row.split(" | ")[5]):
            assert name in (*FAULTS, "STARTS", "UNTOLD"), name
