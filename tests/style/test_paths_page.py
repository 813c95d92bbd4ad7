"""docs/paths.md names tests, happenings of the simulation and budgets of the model: all exist, and
what it calls long is long."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from harness.config import REPOSITORY
from tests.model.configurations import FAULTS

COLUMNS = ("what", "command", "with real guests", "without", "simulation", "model")
TESTS = REPOSITORY / "tests"
Row = dict[str, str]


@pytest.fixture(scope="module")
def page() -> str:
    return (REPOSITORY / "docs/paths.md").read_text()


@pytest.fixture(scope="module")
def rows(page: str) -> list[Row]:
    """Of the tables with a column for each kind of proof."""
    lines = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line] for line in lines]
    found = [dict(zip(COLUMNS, row, strict=True)) for row in cells if len(row) == len(COLUMNS)]
    proofs = [row for row in found if tuple(row.values()) != COLUMNS]
    assert len(proofs) > 20
    return proofs


def long_by_test() -> dict[str, bool]:
    """Every test function of the tree, and whether make test leaves it out."""
    found = {}
    for path in TESTS.rglob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                marks = " ".join(map(ast.unparse, node.decorator_list))
                found[node.name] = "mark.long" in marks
    return found


def test_the_tests_it_names_exist_and_are_long_where_it_says_so(rows: list[Row]) -> None:
    known = long_by_test()
    for cell in (row[column] for row in rows for column in COLUMNS[2:4]):
        names = re.findall(r"`(test_\w+)`", cell)
        assert set(names) <= known.keys(), cell
        if names and known[names[-1]]:
            assert "(long)" in cell, cell


def test_each_way_has_a_test(rows: list[Row]) -> None:
    for row in rows:
        assert "test" in row["with real guests"] + row["without"], row["what"]


def test_the_files_it_names_exist(page: str) -> None:
    named = re.findall(r"`((?:tests|examples|guest-agent)/[\w./-]+\.\w+)`", page)
    assert named
    for path in named:
        assert (REPOSITORY / path).exists(), path


def test_what_it_names_of_the_simulation_happens_there(rows: list[Row]) -> None:
    folder = REPOSITORY / "guest-agent/tests"
    code = "".join(Path(path).read_text() for path in folder.glob("*sim*.[ch]"))
    for name in (name for row in rows for name in re.findall(r'"([a-z ]+)"', row["simulation"])):
        function = rf"^static void {name.replace(' ', '_')}\("
        assert f'"{name}"' in code or re.search(function, code, re.MULTILINE), name


def test_what_it_names_of_the_model_has_a_budget(rows: list[Row]) -> None:
    for row in rows:
        for name in re.findall(r"`([A-Z]+)(?:=\d)?`", row["model"]):
            assert name in (*FAULTS, "STARTS", "UNTOLD"), name
